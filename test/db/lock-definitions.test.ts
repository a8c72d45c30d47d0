import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { loadFixtures } from '../../src/db/load-fixtures.ts';
import { createDatabase } from '../harness.ts';
import { empty, fixtures, resource, STATUSES, syncTo, task, transient } from './fixture-rows.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(() => empty(database));

const TASKS = [task('A'), task('B')];
const load = (tasks: typeof TASKS, uses: Record<string, number> = {}) =>
  loadFixtures(database.em(), fixtures({ tasks, resources: [resource('tns')], transients: [transient('x')] }), { sync: syncTo({ A: {}, B: {} }, STATUSES, 'no host', { uses }) });

describe('a load that comes between the locks of a claim and its entries', () => {
  // What a load writes after it has locked the register, and what of it a claim under a limit has locked before.
  test.each([
    ['adds a task and a use of a resource', `select from resource where name = 'tns' for update`, () => load([...TASKS, task('C')], { tns: 1 })],
    ['adds a task and changes another one', `select from task where name = 'A' for no key update`, () => load([task('A', { owner: 'anna' }), task('B'), task('C')])],
  ])('and %s waits for the claim, and neither is the victim of a deadlock', async (_what, lock, change) => {
    await load(TASKS);
    const claim = await database.connect('claim');
    try {
      await claim.query('begin');
      await claim.query(lock);
      const changed = change();
      const { rows: [self] } = await claim.query<{ pid: number }>('select pg_backend_pid() as pid');
      await vi.waitFor(async () => {
        expect(await database.em().execute(`select pid from pg_stat_activity where ? = any (pg_blocking_pids(pid))`, [self!.pid])).toHaveLength(1);
      }, 10_000);
      await claim.query(`update task_register set status_id = 2, attempt = 1, cause = 'claim', actor = 'test' where task_id = 1`);
      await claim.query('commit');
      await changed;
      expect(await database.em().execute(`select status_id from task_register where task_id = 1`)).toEqual([{ status_id: 2 }]);
    } finally {
      await claim.end();
    }
  });
});
