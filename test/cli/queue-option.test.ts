import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queueable, queuedWords } from '../../src/cli/queue-option.ts';
import { COMMAND_JOB, type CommandResult } from '../../src/flows/afterglow-command.ts';
import { openJobs, type OpenJobs } from '../../src/jobs/open.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
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
  let daemon: ReturnType<typeof startProgram>;
  const afterglow = (...args: string[]): Promise<Ended> => runProgram([...args, '--data', folder], env);
  /** Enqueues a command and waits for its end. */
  const queued = async (...args: string[]) => {
    const { stdout, stderr, code } = await afterglow(...args, '--queue', '--json');
    expect({ stderr, code }).toMatchObject({ code: 0 });
    const id = (JSON.parse(stdout) as { job: string }).job;
    const result = await jobs.wait(id, { timeoutSeconds: 20 }).catch((error: unknown) => error as Error);
    return { id, result };
  };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-queue-'));
    const databaseUrl = urlOf(await createDatabaseAddress());
    env = { DATABASE_URL: databaseUrl, AFTERGLOW_FIXTURES: `${ROOT}/fixtures:${folder}/one.yaml`, USER: 'dora' };
    await writeFile(path.join(folder, 'one.yaml'), `# what: transients\n- { name: unplaced, ra_deg: 20, dec_deg: 80 }\n`);
    await writeFile(path.join(folder, 'new.csv'), 'name,ra,dec\n2010ag,255.97346,31.50172\n');
    jobs = openJobs({ databaseUrl });
    daemon = startProgram(['start', '--no-web', '--data', folder], env);
    await daemon.saw('schedules added');
  }, 30_000);
  afterAll(async () => {
    daemon.child.kill('SIGTERM');
    await daemon.ended;
    await jobs.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('run as jobs, in the name of who gave them, and what they print is the result', { timeout: 40_000 }, async () => {
    const { result } = await queued('hold', 'unplaced', '--reason', 'two "words"; $(no shell)');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse((result as CommandResult).stdout)).toMatchObject([{ subject: 'unplaced', reason: 'two "words"; $(no shell)', by: 'person dora' }]);
  });

  test('see files from the folder in which they were given', { timeout: 30_000 }, async () => {
    const { result } = await queued('ingest', path.relative(ROOT, path.join(folder, 'new.csv')));
    expect(result).toMatchObject({ exitCode: 0, stdout: '{"added":["2010ag"],"changed":[],"unchanged":0}\n' });
  });

  test('Fd14: one that fails fails its job, which keeps what it printed on both streams', { timeout: 30_000 }, async () => {
    const { id } = await jobs.enqueue(COMMAND_JOB, { command: 'retry', args: ['--task', 'Host mach'], user: 'dora', folder });
    await expect(jobs.wait(id, { timeoutSeconds: 20 })).rejects.toMatchObject({ name: 'JobFailedError', message: expect.stringContaining('"afterglow retry" ended with exit code 1') });
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempts: 1, reason: expect.stringContaining('did you mean "Host match"?') });
  });

  test('say which job it is', { timeout: 30_000 }, async () => {
    const { stdout } = await afterglow('unhold', 'unplaced', '-Q');
    expect(stdout).toMatch(/^Job \d+ runs "afterglow unhold"\. "afterglow jobs show \d+" says what came of it\.\n$/);
  });
});
