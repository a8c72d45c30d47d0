import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { loadFixtures } from '../../src/db/load-fixtures.ts';
import { createDatabase } from '../harness.ts';
import { empty, fixtures, resource, STATUSES, syncTo, task } from './fixture-rows.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  await empty(database);
  await loadFixtures(database.em(), fixtures({ tasks: [task('A'), task('B')], resources: ['tns', 'sdss', 'gaia'].map((name) => resource(name)) }));
});

type Declared = NonNullable<Parameters<typeof syncTo>[3]>;
const sync = (declared: Declared, graph: Parameters<typeof syncTo>[0] = { A: {} }) => syncTo(graph, STATUSES, 'no host', declared)(database.em());
const taskRow = async (name = 'A') => (await database.em().execute<object[]>(`select * from task where name = ?`, [name]))[0];
const uses = () => database.em().execute<object[]>(`select t.name as task, u.resource, u.units from task_use u join task t on t.id = u.task_id order by 1, 2`);
const versions = () => database.em().execute(`select xmin::text, ctid::text from task union all select xmin::text, ctid::text from task_use order by 1, 2`);

describe('what a runner declares', () => {
  test('is in the row of its task, what it leaves out as it usually is', async () => {
    await sync({});
    const usual = { runner_version: 1, most_attempts: 5, retry_base_seconds: 10, retry_factor: 2, retry_cap_seconds: 3600, retries_per_hour: 1000, concurrency: null, requires: [] };
    expect(await taskRow()).toMatchObject(usual);
    await sync({ version: 3, retry: { attempts: 2, baseSeconds: 0.5, capSeconds: 60, perHour: 7 }, concurrency: 4, requires: ['gpu', 'big"memory', 'a,b'] });
    expect(await taskRow()).toMatchObject({
      runner_version: 3, most_attempts: 2, retry_base_seconds: 0.5, retry_factor: 2, retry_cap_seconds: 60, retries_per_hour: 7, concurrency: 4, requires: ['gpu', 'big"memory', 'a,b'],
    });
    expect(await taskRow('B')).toMatchObject({ ...usual, runner_version: 0 });
    await sync({ version: 4 });
    expect(await taskRow()).toMatchObject({ ...usual, runner_version: 4 });
  });

  test('is written only where it differs', async () => {
    const declared: Declared = { retry: { baseSeconds: 0.1, factor: 1.7 }, concurrency: 2, requires: ['gpu'], uses: { tns: 1, sdss: 2 } };
    await sync(declared, { A: {}, B: {} });
    const before = await versions();
    await sync(declared, { A: {}, B: {} });
    expect(await versions()).toEqual(before);
    await sync({ ...declared, uses: { sdss: 2, tns: 3 } }, { A: {} });
    // Of two tasks with two uses each, one row is another.
    const after = await versions();
    expect(after.filter((row) => !before.some((one) => JSON.stringify(one) === JSON.stringify(row)))).toHaveLength(1);
  });

  test('of resources is what it says now, and that of other tasks stays', async () => {
    await sync({ uses: { tns: 1, sdss: 2 } }, { A: {}, B: {} });
    await sync({ uses: { tns: 4, gaia: 1 } });
    const ofB = [{ task: 'B', resource: 'sdss', units: 2 }, { task: 'B', resource: 'tns', units: 1 }];
    expect(await uses()).toEqual([{ task: 'A', resource: 'gaia', units: 1 }, { task: 'A', resource: 'tns', units: 4 }, ...ofB]);
    await sync({});
    expect(await uses()).toEqual(ofB);
  });

  test('of an older version counts for nothing, unless that is meant', async () => {
    await sync({ version: 2, retry: { attempts: 9 }, uses: { tns: 2 } });
    const before = await versions();
    expect(await sync({ version: 1, uses: { sdss: 1 } })).toMatchObject({ newerElsewhere: [{ task: 'A', here: 1, there: 2 }] });
    expect(await versions()).toEqual(before);
    const back = syncTo({ A: {} }, STATUSES, 'no host', { version: 1, uses: { sdss: 1 } });
    expect(await back(database.em(), { acceptOlderRunners: true })).toMatchObject({ newerElsewhere: [] });
    expect(await taskRow()).toMatchObject({ runner_version: 1, most_attempts: 5 });
    expect(await uses()).toEqual([{ task: 'A', resource: 'sdss', units: 1 }]);
  });
});
