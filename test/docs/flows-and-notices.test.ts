import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { openJobs, type OpenJobs } from '../../src/jobs/open.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';

const run = promisify(execFile);

/** The code of the page, in a project that looks like ours. */
let project: string;
let env: NodeJS.ProcessEnv;
let database: Database;
let jobs: OpenJobs;
let daemon: ReturnType<typeof startProgram>;
let mailServer: SMTPServer;
const mails: string[] = [];

beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-docs-'));
  for (const name of ['src', 'node_modules', 'package.json', 'tsconfig.json']) await symlink(path.join(ROOT, name), path.join(project, name));
  await mkdir(path.join(project, 'runners'));
  const page = await readFile(path.join(ROOT, 'docs/flows-and-notices.md'), 'utf8');
  const block = (words: string) => new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)![1]!;
  await writeFile(path.join(project, 'runners/jobs.ts'), block('ts jobs'));
  await writeFile(path.join(project, 'runners/around.ts'), block('ts around'));
  await writeFile(path.join(project, 'runners/index.ts'), `import { collect, Nightly, report } from './jobs.ts';\nexport * from './around.ts';\nexport const periodicRunners = [collect, report, new Nightly()];\n`);
  mailServer = new SMTPServer({ disabledCommands: ['STARTTLS', 'AUTH'], onData: (stream, _session, done) => void text(stream).then((mail) => { mails.push(mail); done(); }) });
  mailServer.listen(0, '127.0.0.1');
  await once(mailServer.server, 'listening');
  const address = await createDatabaseAddress();
  env = {
    DATABASE_URL: urlOf(address), AFTERGLOW_DATA: path.join(project, 'data'), AFTERGLOW_RUNNERS: path.join(project, 'runners/index.ts'), AFTERGLOW_FIXTURES: path.join(ROOT, 'fixtures/statuses.yaml'),
    AFTERGLOW_SMTP_URL: `smtp://127.0.0.1:${(mailServer.server.address() as AddressInfo).port}`,
  };
  daemon = startProgram(['start', '--no-web'], env);
  await daemon.saw('schedules added');
  database = await openDatabase(address);
  jobs = openJobs({ databaseUrl: urlOf(address) });
}, 90_000);
afterAll(async () => {
  daemon.child.kill('SIGTERM');
  await daemon.ended;
  await jobs.close();
  await database.close();
  mailServer.close();
  await rm(project, { recursive: true, force: true });
});

test('the code has the types that it should', { timeout: 90_000 }, async () => {
  await writeFile(path.join(project, 'tsconfig.docs.json'), JSON.stringify({ extends: './tsconfig.json', include: ['runners'] }));
  await expect(run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', path.join(project, 'tsconfig.docs.json')])).resolves.toMatchObject({ stdout: '' });
});

test('F25: the schedule enqueues a job and the one that follows it, whose checkpoints are one flow', { timeout: 90_000 }, async () => {
  await editSchedule(database.em(), 'Nightly', { pattern: 'every 0.6 s' }, 'test');
  await expect.poll(async () => (await jobs.list({ names: ['Report'], states: ['completed'] })).length, { timeout: 60_000 }).toBeGreaterThan(0);
  await editSchedule(database.em(), 'Nightly', { enabled: false }, 'test');
  const report = (await jobs.list({ names: ['Report'], states: ['completed'] })).at(-1)!;
  expect(report).toMatchObject({ result: '12 images', parents: [expect.any(String)], enqueuedBy: '"Nightly"' });
  const collected = await jobs.get(report.parents[0]!);
  expect(collected.args).toEqual({ night: new Date().toISOString().slice(0, 10) });
  const { stdout } = await runProgram(['flow', report.id, '--json'], env);
  expect(JSON.parse(stdout)).toMatchObject({
    flow: 'Night', state: 'success', subjects: [collected.id, report.id], spans: [{ name: 'collecting', seconds: expect.any(Number) as number }],
    steps: [{ name: 'night begun' }, { name: 'images there' }, { name: 'report sent', task: 'Report' }],
  });
  const calls = await database.em().execute(`select event, result from hook_call where subject_id = ? order by id`, [collected.id]);
  expect(calls).toEqual([{ event: 'before', result: { seeingArcsec: 0.8 } }, { event: 'after', result: 'Collect finished: completed' }]);
});

test('F24: a failure is told by mail', { timeout: 90_000 }, async () => {
  const job = await jobs.enqueue('Collect', { night: '1999-12-31' });
  await expect.poll(() => mails.length, { timeout: 60_000 }).toBe(1);
  expect(mails[0]).toContain('To: night@observatory.example');
  expect(mails[0]).toContain('there were no images before 2000');
  expect(mails[0]).toContain(`afterglow jobs requeue ${job.id}`);
});
