import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { sendBackAffected } from '../../src/db/send-back-affected.ts';
import { claim } from '../../src/engine/claim.ts';
import { letGo } from '../../src/engine/due.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';
import { heard } from './heard.ts';
import { gate } from './scripted-runner.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const by = { daemonId: 1, actor: 'test', leaseSeconds: 60 };

describe('an entry that is due', () => {
  it('can be claimed once a daemon has told of it, also while another is letting go of the same', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const em = database.em();
    await em.execute(`update task_register set due_at = clock_timestamp()`);
    const { script: untilClaimed, open } = gate();
    await em.begin();
    await em.execute(`update task_register set due_at = null where due_at <= clock_timestamp()`);
    // The other looks while the first one's update is not committed, and its own transaction lasts until the claim is over.
    const looked = Promise.withResolvers<void>();
    const other = database.hot.transaction(async (run) => {
      await letGo(run).finally(looked.resolve);
      await untilClaimed({} as never, {} as never);
    });
    let isOver = false;
    void looked.promise.then(() => (isOver = true));
    while (!isOver && !(await isWaitedFor('task_register')));
    await em.commit();
    await looked.promise;
    const claimed = await claim(database.hot.run, { ...world.task('Match'), version: 7 }, by, 10);
    open();
    await other;
    expect(claimed.map(({ attempt }) => attempt)).toEqual([1]);
  });

  const isWaitedFor = async (table: string): Promise<boolean> =>
    (await database.em().execute<unknown[]>(`select from pg_stat_activity where wait_event_type = 'Lock' and query like ? and datname = current_database()`, [`%${table}%`])).length > 0;
});

describe('what passes over an entry that somebody has in hand', () => {
  it('is woken when the object’s place in the order has changed', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    await world.add('a');
    expect(await heard(database, () => database.em().execute(`update subject set priority = 7`))).toEqual([String(world.task('Match').id)]);
    expect(await heard(database, () => database.em().execute(`update subject set priority = 7`))).toEqual([]);
  });

  it('is woken when a figure that it reads has changed', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    await world.add('a');
    const [{ id }] = await database.em().execute<[{ id: string }]>(`select id from subject`);
    expect(await heard(database, () => database.em().transactional((tx) => sendBackAffected(tx, [{ subjectId: id, fields: ['redshift'] }], 'ada')))).toEqual([String(world.task('Match').id)]);
  });
});

describe('since when an entry is ready', () => {
  const tasks = { Match: {}, Report: { needs: { Match: 'processed' } } };
  const readyAt = async (task: string) =>
    Number((await database.em().execute<[{ ms: string }]>(`select extract(epoch from r.ready_at) * 1000 as ms from task_register r join task t on t.id = r.task_id where t.name = ?`, [task]))[0].ms);
  const now = async () => Number((await database.em().execute<[{ ms: string }]>(`select extract(epoch from clock_timestamp()) * 1000 as ms`))[0].ms);

  it('is known whichever way it became so', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('a');
    const set = (sql: string) => database.em().execute(`update task_register r set ${sql} from task t where t.id = r.task_id and t.name = 'Match'`);
    // Every way begins with an entry that has been ready since long ago, and must end with one that is since just now.
    const ways: readonly (readonly [way: string, before: string[], act: string[]])[] = [
      ['due', [`due_at = clock_timestamp()`], [`due_at = null`]],
      ['no longer held', [`held = true`], [`held = false`]],
      ['nothing unmet', [`unmet = 1`], [`unmet = 0`]],
      ['released', [`status_id = 2, cause = 'claim', attempt = r.attempt + 1`], [`status_id = 1, cause = 'release'`]],
      ['rescued', [`status_id = 2, cause = 'claim', attempt = r.attempt + 1`], [`status_id = 1, cause = 'rescue'`]],
      ['postponed and due', [`status_id = 2, cause = 'claim', attempt = r.attempt + 1`], [`status_id = 1, cause = 'postpone', due_at = clock_timestamp()`, `due_at = null`]],
    ];
    for (const [way, before, act] of ways) {
      for (const sql of before) await set(sql);
      await set(`ready_at = '2000-01-01Z'`);
      const began = await now();
      for (const sql of act) await set(sql);
      expect(await readyAt('Match'), way).toBeGreaterThanOrEqual(began);
    }
  });

  it('is when the last of its prerequisites was met, and stays so while it runs and when it ends', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('a');
    await database.em().execute(`update task_register set ready_at = '2000-01-01Z'`);
    const began = await now();
    await world.engine().work();
    expect(await readyAt('Match')).toBe(Date.parse('2000-01-01T00:00:00Z'));
    expect(await readyAt('Report')).toBeGreaterThanOrEqual(began);
    const [waited] = await database.em().execute<{ long: boolean; short: boolean }[]>(
      `select bool_or(t.name = 'Match' and a.queue_seconds > 1e8) as long, bool_or(t.name = 'Report' and a.queue_seconds < 60) as short from attempt a join task t on t.id = a.task_id`);
    expect(waited).toEqual({ long: true, short: true });
  });
});
