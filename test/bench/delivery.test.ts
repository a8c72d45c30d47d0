import { beforeEach, expect, test } from 'vitest';
import * as graph from '../../bench/blast17.ts';
import { addTransients, storeGraph } from '../../bench/graph.ts';
import { DeliveryError } from '../../bench/pipeline/delivery-error.ts';
import { assertDelivered } from '../../bench/pipeline/delivery.ts';
import { advance } from '../../src/engine/advance.ts';
import { claim } from '../../src/engine/claim.ts';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';

const expected = { transients: 2, tasks: 17 };
let database: Database;

beforeEach(async () => {
  database = await createDatabase();
  const { tasks, statusIds } = await storeGraph(database.em(), graph);
  await addTransients(database.em(), expected.transients);
  for (const task of tasks) {
    const claimed = await claim(database.hot.run, { ...task, version: 7 }, { daemonId: 1, actor: 'test', leaseSeconds: 30 }, 10);
    const endings = claimed.map(({ subjectId, attempt }) => ({
      subjectId, attempt, statusId: statusIds.get('processed')!, cause: 'finish' as const, outcome: 'finished' as const, wallSeconds: 0, cpuSeconds: 0,
      result: undefined, warning: undefined, cost: undefined, error: undefined, log: undefined, dueInSeconds: undefined, setbacks: 0,
    }));
    await advance(database.hot.run, task.id, 'test', endings);
  }
});

const problems = async (): Promise<readonly string[]> => {
  try {
    await assertDelivered(database.em(), expected);
    return [];
  } catch (error) {
    if (error instanceof DeliveryError) return error.problems;
    throw error;
  }
};

test('a pipeline in which every entry ended once is delivered', async () => {
  expect(await problems()).toEqual([]);
});

test('an attempt that is missing voids the run', async () => {
  await database.em().execute(`delete from attempt where subject_id = 1 and task_id = 1`);
  expect(await problems()).toEqual(['33 attempts, expected 34', '1 entries without an attempt that finished, expected 0']);
});

test('an attempt too many voids the run', async () => {
  await database.em().execute(
    `insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version, ended_at, outcome) values (1, 1, 2, 1, 1, now(), 'finished')`,
  );
  expect(await problems()).toEqual(['35 attempts, expected 34', '1 entries with more than one attempt, expected 0']);
});

test('an attempt that has not ended voids the run', async () => {
  await database.em().execute(`update attempt set ended_at = null where subject_id = 2 and task_id = 3`);
  expect(await problems()).toEqual(['1 attempts that did not end, expected 0']);
});

test('a transition that is missing, and another that is there twice, void the run', async () => {
  await database.em().execute(`delete from transition where subject_id = 1 and task_id = 1 and cause = 'finish'`);
  await database.em().execute(
    `insert into transition (subject_id, task_id, from_id, to_id, cause, actor, attempt)
     select subject_id, task_id, from_id, to_id, cause, actor, attempt from transition where subject_id = 2 and task_id = 1 and cause = 'finish'`,
  );
  expect(await problems()).toEqual(['2 entries without exactly one claim and one finish, expected 0']);
});

test('an entry that is left open voids the run, and so does one that the trigger did not see', async () => {
  await database.em().execute(`alter table task_register disable trigger register_moved`);
  await database.em().execute(`update task_register set status_id = 1 where subject_id = 1 and task_id = 1`);
  const found = await problems();
  expect(found[0]).toBe('1 entries that are not processed, expected 0');
  expect(found[1]).toMatch(/^\d+ entries with a wrong count of unmet prerequisites, expected 0$/);
});

test('fewer objects than there have to be void the run', async () => {
  await expect(assertDelivered(database.em(), { transients: 3, tasks: 17 })).rejects.toThrow(
    'This run is void: 34 entries, expected 51; 34 attempts, expected 51; 68 transitions, expected 102.',
  );
});
