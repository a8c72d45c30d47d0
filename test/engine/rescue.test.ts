import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { DEFAULT_RETRY } from '../../src/runner/retry-policy.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const save = (dead: readonly number[] = []) => rescue(database.hot, 'daemon 2', dead, 0);
/** Has the entry claimed by a daemon that does not renew. */
const strand = (world: { task(name: 'Match'): { id: number } }, subject = 'a') =>
  database.em().execute(
    `with claimed as (
       update task_register r set status_id = 2, cause = 'claim', attempt = attempt + 1, due_at = null, lease_owner = 9, lease_until = clock_timestamp() - interval '1 ms'
        from subject s where s.id = r.subject_id and s.name = ? and r.task_id = ? returning r.*)
     insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version) select subject_id, task_id, attempt, 9, 1 from claimed`,
    [subject, world.task('Match').id],
  );

describe('a rescue', () => {
  it('takes back what has outlived its lease, and it is run again as the next attempt', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'alive');
    await strand(world);
    await world.put('alive', 'Match', 'processing', { seconds: 60 });
    expect(await save()).toEqual([{ subjectId: expect.any(String), taskId: world.task('Match').id, subject: 'a', task: 'Match', attempt: 1, cause: 'rescue' }]);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', cause: 'rescue', actor: 'daemon 2', attempt: 1, setbacks: 1, lease_owner: null, lease_seconds: null, due_seconds: null });
    expect(await world.attempts('a', 'Match')).toMatchObject([
      { outcome: 'rescued', status: 'not processed', ended: true, error: { code: 'LEASE_LOST', message: 'The daemon that ran this attempt is gone; daemon 2 took the entry back.' } },
    ]);
    expect((await world.entry('alive', 'Match')).status).toBe('processing');
    await world.engine({ daemonId: 2 }).work();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ attempt: 1, outcome: 'rescued' }, { attempt: 2, outcome: 'finished' }]);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'processed', setbacks: 0 });
    expect(await world.transitions('a', 'Match')).toEqual([
      'claim: not processed > processing', 'rescue: processing > not processed', 'claim: not processed > processing', 'finish: processing > processed',
    ]);
  });

  it('takes back at once what a dead daemon had, however long its lease', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('dead', 'living');
    await world.put('dead', 'Match', 'processing', { owner: 3, seconds: 86_400 });
    await world.put('living', 'Match', 'processing', { owner: 33, seconds: 86_400 });
    expect(await save([])).toEqual([]);
    expect((await save([3, 4])).map(({ subject }) => subject)).toEqual(['dead']);
    expect(await world.statuses('Match')).toEqual({ dead: 'not processed', living: 'processing' });
  });

  it('by two at once takes each entry once', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, After: { needs: { Match: 'not processed' } } } });
    const names = Array.from({ length: 60 }, (_, n) => `sn${n}`);
    await world.add(...names);
    for (const name of names) await strand(world, name);
    const rescued = (await Promise.all([save(), save(), save()])).flat();
    // One may have skipped what another held; nothing is left over when all have come back.
    rescued.push(...(await save()));
    expect(rescued.map(({ subject }) => subject).toSorted()).toEqual(names.toSorted());
    const [counts] = await database.em().execute<object[]>(
      `select (select count(*)::int from attempt where outcome = 'rescued') as attempts, (select count(*)::int from transition where cause = 'rescue') as transitions, (select max(setbacks) from task_register) as most`,
    );
    expect(counts).toEqual({ attempts: 60, transitions: 60, most: 1 });
    expect(await countDrift(database.em())).toBe(0);
  });

  it('waits for nobody: what another transaction holds is left for the next time', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'b');
    await strand(world, 'a');
    await strand(world, 'b');
    const other = await database.connect('test');
    try {
      await other.query(`begin; select from task_register r join subject s on s.id = r.subject_id where s.name = 'a' for update of r`);
      expect((await save()).map(({ subject }) => subject)).toEqual(['b']);
    } finally {
      await other.end();
    }
    await vi.waitFor(async () => expect((await save()).map(({ subject }) => subject)).toEqual(['a']));
  });

  it('lets an entry wait longer each time, and gives it up at last with its failed status', async () => {
    const world = await createWorld(database, { tasks: { Match: { failed: 'no host' }, After: { needs: { Match: 'no host' } } } });
    await world.add('a');
    const waits: (number | null)[] = [];
    for (let setbacks = 1; setbacks < DEFAULT_RETRY.attempts; setbacks += 1) {
      await strand(world);
      expect(await save()).toMatchObject([{ cause: 'rescue', attempt: setbacks }]);
      const entry = await world.entry('a', 'Match');
      expect(entry).toMatchObject({ status: 'not processed', setbacks });
      waits.push(entry.due_seconds);
      if (entry.due_seconds === null) continue;
      // While it waits, nobody claims it. (A wait may be over before it is looked at: it is random.)
      await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '1 minute'`);
      await world.engine().work();
      expect(world.runner('Match').runs).toEqual([]);
    }
    expect(waits[0]).toBeNull();
    for (const [n, seconds] of waits.slice(1).entries()) expect(seconds).toBeLessThanOrEqual(10 * 2 ** n);
    expect(waits).toHaveLength(4);
    await strand(world);
    expect(await save()).toMatchObject([{ cause: 'give up', attempt: DEFAULT_RETRY.attempts }]);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'no host', cause: 'give up', failure: 'machinery', setbacks: 0 });
    expect((await world.attempts('a', 'Match')).map(({ outcome, status }) => `${outcome}: ${status}`).at(-1)).toBe('rescued: no host');
    expect((await world.transitions('a', 'Match')).at(-1)).toBe('give up: processing > no host');
    expect(await world.entry('a', 'After')).toMatchObject({ unmet: 0 });
  });

  it('goes back to the status that the entry was claimed from', async () => {
    const world = await createWorld(database, { tasks: { Match: { from: 'needs a look' } } });
    await world.add('a');
    await world.put('a', 'Match', 'processing', { seconds: -1 });
    await save();
    expect(await world.statuses('Match')).toEqual({ a: 'needs a look' });
  });

  it('of more entries than one call takes says so by a full answer, and the rest goes with the next call', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await database.em().execute(`insert into subject (kind, name) select 'transient', 'sn' || n from generate_series(1, 1200) n`);
    await database.em().execute(`update task_register set status_id = 2, cause = 'claim', attempt = 1, lease_owner = 9, lease_until = clock_timestamp()`);
    expect([(await save()).length, (await save()).length, (await save()).length]).toEqual([1000, 200, 0]);
    expect(new Set(Object.values(await world.statuses('Match')))).toEqual(new Set(['not processed']));
  });
});
