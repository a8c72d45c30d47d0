import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queueable, queuedWords } from '../../src/cli/queue-option.ts';
import { COMMAND_JOB, type CommandResult } from '../../src/flows/afterglow-command.ts';
import type { Database } from '../../src/db/database.ts';
import { openJobs, type OpenJobs } from '../../src/jobs/open.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram, type Ended } from '../program.ts';

describe('what goes into the queue', () => {
  const command = queueable(new Command('hold').argument('<name...>').option('--reason <text>').option('--data <folder>').option('-v, --verbose'));

  test.each([
    [['a', '--queue', '--reason', 'bad field'], ['a', '--reason', 'bad field']],
    [['-Q', 'a', '--data', '/x', '--timeout', '60', '--timeout=7', '-v'], ['a', '-v']],
    [['a', '--reason', '--queue', '-Q'], ['a', '--reason', '--queue']],
    [['--reason=-Q', '-Q', '--', '-Q'], ['--reason=-Q', '--', '-Q']],
  ])('%j becomes %j', (words, kept) => {
    expect(queuedWords(words, command)).toEqual(kept);
  });
});

describe('F28: commands that change something, with --queue', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  let jobs: OpenJobs;
  let database: Database;
  let daemon: ReturnType<typeof startProgram>;
  const afterglow = (...args: string[]): Promise<Ended> => runProgram([...args, '--data', folder], env);
  /** Enqueues a command and waits for its end. */
  const queued = async (...args: string[]) => {
    const { stdout, code } = await afterglow(...args, '--queue');
    expect(code).toBe(0);
    const [, id = ''] = /^Job (\d+) runs "afterglow [a-z]+"\. "afterglow jobs show \d+" says what came of it\.\n$/.exec(stdout) ?? [];
    const result = await jobs.wait(id, { timeoutSeconds: 60 }).catch((error: unknown) => error as Error);
    return { id, result };
  };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-queue-'));
    database = await createDatabase();
    const databaseUrl = urlOf(database.address);
    env = { DATABASE_URL: databaseUrl, AFTERGLOW_FIXTURES: `${ROOT}/fixtures:${folder}/one.yaml`, USER: 'dora' };
    await writeFile(path.join(folder, 'one.yaml'), `# what: transients\n- { name: unplaced, ra_deg: 20, dec_deg: 80 }\n`);
    await writeFile(path.join(folder, 'new.csv'), 'name,ra,dec\n2010ag,255.97346,31.50172\n');
    jobs = openJobs({ databaseUrl });
    daemon = startProgram(['start', '--no-web', '--data', folder], env);
    await daemon.saw('schedules added');
  }, 90_000);
  afterAll(async () => {
    daemon.child.kill('SIGTERM');
    await daemon.ended;
    await jobs.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('run as jobs, in the name of who gave them, and what they print is the result', { timeout: 90_000 }, async () => {
    const { result } = await queued('hold', 'unplaced', '--reason', 'two "words"; $(no shell)');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect((result as CommandResult).stdout).toBe('unplaced is held.\n');
    const [hold] = await database.em().execute(`select reason, placed_by from hold`);
    expect(hold).toEqual({ reason: 'two "words"; $(no shell)', placed_by: 'person dora' });
  });

  test('see files from the folder in which they were given', { timeout: 90_000 }, async () => {
    const { result } = await queued('ingest', path.relative(ROOT, path.join(folder, 'new.csv')));
    expect(result).toMatchObject({ exitCode: 0, stdout: '1 added, 0 changed, 0 unchanged\n' });
  });

  test('Fd14: one that fails fails its job, which keeps what it printed on both streams', { timeout: 90_000 }, async () => {
    const { id } = await jobs.enqueue(COMMAND_JOB, { command: 'retry', args: ['--task', 'Host mach'], user: 'dora', folder });
    await expect(jobs.wait(id, { timeoutSeconds: 60 })).rejects.toMatchObject({ name: 'JobFailedError', message: expect.stringContaining('"afterglow retry" ended with exit code 1') });
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempts: 1, reason: expect.stringContaining('did you mean "Host match"?') });
    const { stdout } = await afterglow('jobs', 'show', id);
    expect(stdout).toContain('exit code     1\n');
    expect(stdout).toMatch(/standard error\nUnknownNameError: .*did you mean "Host match"\?/);
  });
});
