import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import type { Database } from '../src/db/database.ts';
import { openHome, prepare } from '../src/prepare.ts';
import { listeningLog } from './engine/world.ts';
import { createDatabase, urlOf } from './harness.ts';
import { ROOT } from './program.ts';

let database: Database;
let folder: string;
beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-prepare-'));
  await writeFile(path.join(folder, 'tasks.yaml'), '- { name: Match, kind: transient }\n- { name: Measure, kind: transient }\n');
  await writeFile(path.join(folder, 'resources.yaml'), '- { name: tns, concurrency: 4 }\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Prepares with a module of runners, as a daemon does, and gives back the warnings. */
async function prepareWith(module: string, fields: string, options: Parameters<typeof prepare>[1] = {}): Promise<string[]> {
  const file = path.join(folder, `${module}.ts`);
  await writeFile(file, `
import { TransientTaskRunner } from '${ROOT}/src/index.ts';
class Match extends TransientTaskRunner {
  taskName = 'Match'; schedule = 60; failedStatusMessage = 'failed'; prerequisites = {}; runProcess() { return 'processed'; }
}
class Measure extends Match { taskName = 'Measure'; prerequisites = { Match: 'processed' }; ${fields} }
export const periodicRunners = [new Match(), new Measure()];`);
  const env = { DATABASE_URL: urlOf(database.address), AFTERGLOW_RUNNERS: file, AFTERGLOW_FIXTURES: `${ROOT}/fixtures/statuses.yaml:${folder}/tasks.yaml:${folder}/resources.yaml`, AFTERGLOW_DATA: folder };
  const { log, lines } = listeningLog();
  const home = await openHome(readConfig({}, env), log, 2);
  try {
    await prepare(home, options);
  } finally {
    await home.close();
  }
  return lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
}

const declared = () =>
  database.em().execute(`
    select t.runner_version, t.most_attempts, t.requires, (select jsonb_object_agg(resource, units) from task_use where task_id = t.id) as uses,
           (select count(*)::int from task_requirement where task_id = t.id) as prerequisites
      from task t where t.name = 'Measure'`);

describe('preparing', () => {
  test('leaves alone what a newer version of a runner wrote, says so, and goes back only on purpose', async () => {
    const newer = [{ runner_version: 2, most_attempts: 9, requires: ['gpu'], uses: { tns: 2 }, prerequisites: 0 }];
    const older = [{ runner_version: 1, most_attempts: 5, requires: [], uses: null, prerequisites: 1 }];
    expect(await prepareWith('newer', `version = 2; prerequisites = {}; retry = { attempts: 9 }; requires = ['gpu']; uses = { tns: 2 };`)).toEqual([]);
    expect(await declared()).toEqual(newer);
    expect(await prepareWith('older', '')).toEqual([
      '"Measure" keeps what version 2 of its runner says of it (prerequisites, limits, retries), as this daemon has only version 1; to go back to that on purpose, start with --accept-older-runners',
    ]);
    expect(await declared()).toEqual(newer);
    expect(await prepareWith('older-on-purpose', '', { acceptOlderRunners: true })).toEqual([]);
    expect(await declared()).toEqual(older);
    expect(await prepareWith('older-again', '')).toEqual([]);
    expect(await declared()).toEqual(older);
  });

  test('is refused before anything is loaded where a runner uses what is no resource', async () => {
    await expect(prepareWith('misspelt', `uses = { tsn: 1 };`)).rejects.toThrow('Measure uses "tsn", but there is no resource of that name. Did you mean "tns"?');
  });
});
