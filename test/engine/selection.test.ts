import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { claim } from '../../src/engine/claim.ts';
import { createDatabase } from '../harness.ts';
import { gate } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('entries are run', () => {
  it('oldest public timestamp first, those without one last, then by priority, then as they came', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add(
      { name: 'undated' },
      { name: 'undated, urgent', priority: 9 },
      { name: 'May', at: '2022-05-04' },
      { name: 'S Andromedae', at: '1885-08-20' },
      { name: 'February', at: '2022-02-04T12:00Z' },
      { name: 'February, urgent', at: '2022-02-04T12:00Z', priority: 1 },
      { name: 'February, too', at: '2022-02-04T12:00Z' },
      { name: 'February, unloved', at: '2022-02-04T12:00Z', priority: -1 },
    );
    await world.engine({ concurrency: 1 }).work();
    expect(world.runner('Match').order).toEqual([
      'S Andromedae', 'February, urgent', 'February', 'February, too', 'February, unloved', 'May', 'undated, urgent', 'undated',
    ]);
  });

  it('in the new order when a date or a priority was changed', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add({ name: 'a', at: '2020-01-01' }, { name: 'b', at: '2021-01-01' }, { name: 'c' });
    await database.em().execute(`update subject set public_timestamp = '2019-01-01' where name = 'c'`);
    await database.em().execute(`update subject set public_timestamp = null, priority = 5 where name = 'a'`);
    await world.engine({ concurrency: 1 }).work();
    expect(world.runner('Match').order).toEqual(['c', 'b', 'a']);
  });

  it('as transients with all their figures, or as plain objects of another kind', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Answer: { kind: 'sample' } } });
    const seen: unknown[] = [];
    world.runner('Match').does((subject) => (seen.push(subject), 'processed'));
    world.runner('Answer').does((subject) => (seen.push(subject), 'processed'));
    const [id] = await world.add({ name: '2010ag', at: '2010-02-28T23:59:59.123Z', priority: 2, data: { mB: 16.3 } });
    await database.em().execute(`update transient set redshift = 0.033, tns_prefix = 'SN', tns_id = 9007199254740991, spectroscopic_class = 'SN Ia' where subject_id = ?`, [id!]);
    const [request] = await world.add({ name: 'ask', kind: 'sample', data: { who: 'me' } });
    await world.engine().work();
    expect(seen).toHaveLength(2);
    expect(seen).toContainEqual({
      id, name: '2010ag', publicTimestamp: new Date('2010-02-28T23:59:59.123Z'), priority: 2, raDeg: 150, decDeg: 2, redshift: 0.033, tnsPrefix: 'SN', tnsId: 9007199254740991,
      spectroscopicClass: 'SN Ia', photometricClass: null, milkywayDustReddening: null, data: { mB: 16.3 },
    });
    expect(seen).toContainEqual({ id: request, kind: 'sample', name: 'ask', publicTimestamp: null, priority: 0, data: { who: 'me' } });
  });
});

describe('two transients, as in Blast', () => {
  const tasks = {
    'Host match': {},
    'After match': { needs: { 'Host match': 'processed' } },
    'Before match': { needs: { 'Host match': 'not processed' } },
  };
  const given = async () => {
    const world = await createWorld(database, { tasks });
    await world.add({ name: '2022later', at: '2022-05-04' }, { name: '2022testone', at: '2022-02-04' });
    return { world, eligible: (task: keyof typeof tasks) => claim(database.hot.run, { ...world.task(task), version: 7 }, { daemonId: 1, actor: 'test', leaseSeconds: 60 }, 10) };
  };

  it('a runner without other prerequisites finds both, the older first', async () => {
    const { eligible } = await given();
    expect((await eligible('Host match')).map(({ subject }) => subject.name)).toEqual(['2022testone', '2022later']);
  });

  it('a runner that wants the other task processed finds none', async () => {
    const { eligible } = await given();
    expect(await eligible('After match')).toEqual([]);
  });

  it('a runner that wants both not processed finds both, and none once the other task has begun', async () => {
    const { world, eligible } = await given();
    await world.put('2022later', 'Host match', 'failed');
    expect((await eligible('Before match')).map(({ subject }) => subject.name)).toEqual(['2022testone']);
    await world.put('2022later', 'Host match', 'not processed');
    expect((await eligible('Before match')).map(({ subject }) => subject.name)).toEqual(['2022later']);
  });

  it('the first run takes the older only, the second the other, and an update changes last_modified', async () => {
    const { world } = await given();
    const { engine, quiet } = world.engine({ concurrency: 1 });
    const [first, second] = [gate(), gate()];
    world.runner('Host match').on('2022testone', first.script).on('2022later', second.script);
    const modified = async () =>
      (await database.em().execute<{ name: string; at: string }[]>(
        `select s.name, r.last_modified as at from task_register r join subject s on s.id = r.subject_id where r.task_id = ? order by s.name`, [world.task('Host match').id],
      )).map(({ at }) => new Date(at).getTime());
    const before = await modified();
    const looked = engine.wake(world.task('Host match').id);
    await world.runner('Host match').began('2022testone');
    expect(await world.statuses('Host match')).toEqual({ '2022later': 'not processed', '2022testone': 'processing' });
    first.open();
    await world.runner('Host match').began('2022later');
    expect(await world.statuses('Host match')).toEqual({ '2022later': 'processing', '2022testone': 'processed' });
    const after = await modified();
    expect(after.every((at, place) => at > before[place]!)).toBe(true);
    second.open();
    await looked;
    await quiet();
    expect(world.runner('Host match').order).toEqual(['2022testone', '2022later']);
  });

  it('a runner that returns "not processed" leaves the entry there, not to be run again for a minute', async () => {
    const { world } = await given();
    world.runner('Host match').does(() => 'not processed');
    await world.engine().work();
    expect(world.runner('Host match').order).toEqual(['2022testone', '2022later']);
    const entry = await world.entry('2022later', 'Host match');
    expect(entry).toMatchObject({ status: 'not processed', attempt: 1, cause: 'finish' });
    expect(entry.due_seconds).toBeGreaterThan(55);
    expect(entry.due_seconds).toBeLessThan(61);
    expect(await world.transitions('2022later', 'Host match')).toEqual(['claim: not processed > processing', 'finish: processing > not processed']);
    expect(await world.attempts('2022later', 'Host match')).toMatchObject([{ outcome: 'finished', status: 'not processed' }]);
  });
});

describe('claims', () => {
  it('of two engines on one database take every entry exactly once', async () => {
    const world = await createWorld(database, { tasks: { First: {}, Second: { needs: { First: 'processed' } } } });
    const names = Array.from({ length: 150 }, (_, n) => `sn${n}`);
    await world.add(...names);
    // Runs of some length, so that both have their hands full and look at the same time.
    const turn = () => new Promise((resolve) => setImmediate(() => resolve('processed')));
    for (const runner of world.runners) runner.does(turn);
    const [one, two] = [world.engine({ daemonId: 1, concurrency: 3 }), world.engine({ daemonId: 2, concurrency: 3 })];
    await Promise.all([one.work(), two.work()]);
    await Promise.all([one.work(), two.work()]);
    for (const task of ['First', 'Second'] as const) {
      expect(world.runner(task).order.toSorted()).toEqual(names.toSorted());
      expect(new Set(Object.values(await world.statuses(task)))).toEqual(new Set(['processed']));
    }
    const by = await database.em().execute<{ daemon_id: number; count: string; most: number }[]>(`select daemon_id, count(*), max(attempt) as most from attempt group by 1 order by 1`);
    expect(by).toHaveLength(2);
    expect(by.map(({ count }) => Number(count)).reduce((sum, count) => sum + count)).toBe(300);
    expect(by.map(({ most }) => most)).toEqual([1, 1]);
    expect(one.engine.ended + two.engine.ended).toBe(300);
  });

  it('skip an entry that another transaction has locked, and do not wait for it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('locked', 'free');
    const other = await database.connect('test');
    try {
      await other.query(`begin; select from task_register r join subject s on s.id = r.subject_id where s.name = 'locked' for update of r`);
      await world.engine().work();
      expect(await world.statuses('Match')).toEqual({ locked: 'not processed', free: 'processed' });
    } finally {
      await other.end();
    }
  });

  it('leave the entries of a task alone whose schedule is off, and go on when it is on again', async () => {
    const world = await createWorld(database, { tasks: { Paused: {}, Other: {} } });
    await world.add('a');
    await database.em().execute(
      `insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled) values ('Paused', '* * * * *', 'UTC', false, '* * * * *', 'UTC', true)`,
    );
    const { work } = world.engine();
    await work();
    expect([await world.statuses('Paused'), await world.statuses('Other')]).toEqual([{ a: 'not processed' }, { a: 'processed' }]);
    await database.em().execute(`update schedule set enabled = true`);
    await work();
    expect(await world.statuses('Paused')).toEqual({ a: 'processed' });
  });

  it('leave the entries of an inactive task alone, though the engine was started before it became so', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const { work } = world.engine();
    await database.em().execute(`update task set active = false`);
    await work();
    expect(await world.statuses('Match')).toEqual({ a: 'not processed' });
    await database.em().execute(`update task set active = true`);
    await work();
    expect(await world.statuses('Match')).toEqual({ a: 'processed' });
  });

  it('make of prerequisites, lock, move, attempt number and attempt row one statement', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const before = await world.entry('a', 'Match');
    expect(before).toMatchObject({ status: 'not processed', attempt: 0, lease_owner: null });
    // Without room for its row, the claim does not happen at all.
    await database.em().execute(`insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version) select subject_id, task_id, 1, 9, 1 from task_register`);
    const { work, lines } = world.engine();
    await work();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', attempt: 0, lease_owner: null });
    expect(await world.transitions('a', 'Match')).toEqual([]);
    expect(lines.map(({ msg }) => msg)).toContain('could not claim; trying again in 2 s');
    await database.em().execute(`delete from attempt`);
    await work();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ attempt: 1, outcome: 'finished', runner_version: 7, daemon_id: 1 }]);
  });

  it('from another status than the initial one go through an index of their own', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Repair: { from: 'needs a look', needs: { Match: 'processed' } } } });
    await world.add('a', 'b', 'c');
    await world.put('a', 'Repair', 'needs a look');
    await world.put('b', 'Repair', 'needs a look');
    await world.put('a', 'Match', 'processed');
    const claimed = await claim(database.hot.run, { ...world.task('Repair'), version: 7 }, { daemonId: 1, actor: 'test', leaseSeconds: 60 }, 10);
    expect(claimed.map(({ subject, attempt }) => [subject.name, attempt])).toEqual([['a', 1]]);
    await world.put('b', 'Match', 'processed');
    await world.engine().work();
    expect(world.runner('Repair').order).toEqual(['b']);
    expect(await world.statuses('Repair')).toEqual({ a: 'processing', b: 'processed', c: 'not processed' });
  });
});
