import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { setSetting, unsetSetting } from '../../src/db/settings.ts';
import type { JobRunner } from '../../src/runner/job.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { ROOT, runProgram } from '../program.ts';
import { sources } from '../sources.ts';
import { urlOf } from '../url-of.ts';

type Example = new () => JobRunner<object>;

const page = sources('docs/job-policies.md').get('docs/job-policies.md')!;
const code = [...page.matchAll(/^```ts policies\n([\s\S]*?)^```/gm)].map(([, block]) => block).join('\n');
let folder: string;
let database: Database;
let examples: Record<'SyncRepository' | 'ProcessUploads' | 'Notify' | 'Reindex', Example>;
beforeAll(async () => {
  database = await createDatabase();
  // In the project, so that what the page imports is what the tests import.
  await mkdir(path.join(ROOT, 'data'), { recursive: true });
  folder = await mkdtemp(path.join(ROOT, 'data/docs-'));
  await writeFile(path.join(folder, 'policies.ts'), code.replaceAll("'../src/index.ts'", "'../../src/index.ts'"));
  examples = (await import(path.join(folder, 'policies.ts'))) as typeof examples;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the examples have the types that they should', { timeout: 60_000 }, async () => {
  const config = path.join(folder, 'tsconfig.json');
  await writeFile(config, JSON.stringify({ extends: '../../tsconfig.json', include: ['policies.ts'] }));
  await expect(promisify(execFile)(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config])).resolves.toMatchObject({ stdout: '' });
});

test('the limit of the page is silent about a second job, whatever the order of its arguments', async () => {
  const sync = new examples.SyncRepository();
  const { jobs } = await createJobWorld(database, [sync]);
  expect(await jobs.enqueue(sync, { repo: 'r', owner: 'o' })).toBeDefined();
  expect(await jobs.enqueue(sync, { owner: 'o', repo: 'r' })).toBeUndefined();
});

test('uploads of a commit are put together, and go when enough of them are there', async () => {
  const uploads = new examples.ProcessUploads();
  const { jobs, work } = await createJobWorld(database, [uploads]);
  await work();
  const job = await jobs.enqueue(uploads, { commit: 'c', files: ['1', '2'] });
  for (const file of ['3', '4']) await jobs.enqueue(uploads, { commit: 'c', files: [file] });
  expect(await jobs.wait(job, { timeoutSeconds: 10 })).toBe(4);
});

test('a notification makes older ones superfluous, and says why it was skipped', async () => {
  const notify = new examples.Notify();
  const { jobs, work } = await createJobWorld(database, [notify]);
  const older = await jobs.enqueue(notify, { pull: 1, head: 'a' });
  const newer = await jobs.enqueue(notify, { pull: 1, head: 'b' });
  await jobs.enqueue(notify, { pull: 2, head: '' });
  expect((await jobs.get(older)).result).toEqual({ reason: 'superseded', by: newer.id });
  await work();
  expect(await jobs.wait(newer, { timeoutSeconds: 10 })).toBe('notified of b');
  await vi.waitFor(async () => expect(await jobs.skipReasons()).toEqual([{ name: 'Notify', reason: 'no head report', count: 1 }, { name: 'Notify', reason: 'superseded', count: 1 }]));
  expect(await jobs.lastRun(notify, '1', { withinSeconds: 60 })).toMatchObject({ id: newer.id });
});

test('the qualifiers of the page let a job through when all of them hold, and another one wait that is frozen', async () => {
  const reindex = new examples.Reindex();
  const { jobs, work } = await createJobWorld(database, [reindex]);
  const set = (name: string, value: string | boolean) => setSetting(database.hot.run, name, value, 'test');
  await set('maintenance', true);
  await set('frozen', 'cold');
  const [cold, warm] = [await jobs.enqueue(reindex, { repo: 'cold' }), await jobs.enqueue(reindex, { repo: 'warm' })];
  const { engine } = await work({ labels: ['big'] });
  const reasons = async () => (await database.em().execute<{ reason: string }[]>(`select reason from unqualified`)).map(({ reason }) => reason);
  await vi.waitFor(async () => expect(await reasons()).toEqual(['The setting "maintenance" is true, and should not be set.']));
  await unsetSetting(database.hot.run, 'maintenance');
  await set('hours', 'closed');
  await set('reindex', 'always');
  await engine.settingsChanged();
  await vi.waitFor(async () => expect(await reasons()).toEqual(['Nobody is at work.']));
  await unsetSetting(database.hot.run, 'hours');
  await engine.settingsChanged();
  expect(await jobs.wait(warm, { timeoutSeconds: 10 })).toBe('indexed warm');
  expect(await jobs.get(cold)).toMatchObject({ state: 'pending' });
});

test('the commands of the page can be run', { timeout: 20_000 }, async () => {
  const env = { DATABASE_URL: urlOf(database.address), AFTERGLOW_DATA: path.join(folder, 'data') };
  const lines = [...page.matchAll(/^afterglow (settings .*)$/gm)].map(([, line]) => line!.split(' '));
  expect(lines).toHaveLength(3);
  for (const words of lines) expect(await runProgram(words, env)).toMatchObject({ code: 0 });
});
