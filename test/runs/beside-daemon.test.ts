import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { createLog } from '../../src/log.ts';
import { openHome, prepare } from '../../src/prepare.ts';
import { urlOf } from '../harness.ts';
import { ROOT, runProgram } from '../program.ts';
import { jobFolder } from './job-folder.ts';
import { createRuns, ok } from './world.ts';

const { run, database } = createRuns();
let folder: string;
let env: NodeJS.ProcessEnv;

// Its statuses are other ones than those of runs, but for "failed".
const RUNNERS = `
import { TransientTaskRunner } from '${ROOT}/src/index.ts';
class Match extends TransientTaskRunner {
  taskName = 'Match'; schedule = '0 0 29 2 *'; failedStatusMessage = 'failed'; prerequisites = {};
  runProcess() { return 'processed'; }
}
export const periodicRunners = [new Match()];`;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-beside-'));
  await writeFile(path.join(folder, 'runners.ts'), RUNNERS);
  await writeFile(path.join(folder, 'tasks.yaml'), '- { name: Match, kind: transient }\n');
  env = { DATABASE_URL: urlOf(database().address), AFTERGLOW_RUNNERS: path.join(folder, 'runners.ts'), AFTERGLOW_FIXTURES: `${ROOT}/fixtures/statuses.yaml:${folder}/tasks.yaml`, AFTERGLOW_DATA: folder };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a daemon does when it starts. */
async function loadFixtures(): Promise<void> {
  const home = await openHome(readConfig({}, { ...env, AFTERGLOW_LOG: 'silent' }), createLog('silent'));
  try {
    await prepare(home);
  } finally {
    await home.close();
  }
}

const rows = <T>(sql: string): Promise<T[]> => database().em().execute<T[]>(sql);

/** What the register says of everything but runs. */
async function picture(): Promise<unknown> {
  return {
    tasks: await rows(`select * from task where kind not like 'run:%' order by id`),
    moves: await rows(`select f.message as from, m.cause, t.message as to from status_move m join status f on f.id = m.from_id join status t on t.id = m.to_id
                        where not exists (select from status s where s.id in (f.id, t.id) and s.message in ('success', 'unchanged', 'skipped')) order by 1, 2, 3`),
    entries: await rows(`select r.* from task_register r join task t on t.id = r.task_id where t.kind not like 'run:%' order by 1, 2`),
  };
}

test('a run leaves the tasks of a daemon in the same database alone, and loading fixtures leaves those of runs', async () => {
  await loadFixtures();
  await rows(`with added as (insert into subject (kind, name) values ('transient', 'sn1') returning id) insert into transient (subject_id, ra_deg, dec_deg) select id, 1, 2 from added`);
  const before = await picture();
  const scripts = await jobFolder({ 'a.sh': ok(), 'b.sh': 'exit 1', 'c.sh': ok(), 'jobs.json': [{ steps: ['a.sh', 'b.sh', 'c.sh'] }] });
  expect((await run(scripts, { name: 'beside' })).states).toEqual(['a.sh: success', 'b.sh: failed', 'c.sh: skipped']);
  expect(await picture()).toEqual(before);

  await loadFixtures();
  expect(await picture()).toEqual(before);
  expect((await run(scripts, { name: 'beside' })).states).toEqual(['a.sh: unchanged', 'b.sh: failed', 'c.sh: skipped']);
  expect(await picture()).toEqual(before);
  expect(await countDrift(database().em())).toBe(0);
  // Runs of one graph share their tasks; another graph has its own, and old runs keep their entries.
  expect(await rows(`select count(*)::int as tasks from task where kind like 'run:beside:%'`)).toEqual([{ tasks: 3 }]);
});

test('a daemon does its work beside runs, and does not speak of their tasks', async () => {
  const { code, stderr } = await runProgram(['start', '--until-idle', '--no-web'], env);
  expect(stderr).not.toContain('beside');
  expect(await rows(`select s.message from task_register r join task t on t.id = r.task_id join status s on s.id = r.status_id where t.name = 'Match'`)).toEqual([{ message: 'processed' }]);
  expect(code).toBe(0);
});
