import { beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { SystemTaskRunner } from '../../src/runner/runner.ts';
import type { RunContext } from '../../src/runner/context.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { createWorld } from '../engine/create-world.ts';
import { gate, hangs, obeys } from '../engine/scripted-runner.ts';
import { createDatabase } from '../harness.ts';
import { createDaemon, startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const CHAIN = { One: {}, Two: { needs: { One: 'processed' } }, Three: { needs: { Two: 'processed' } }, Four: { needs: { Three: 'processed' } }, Five: { needs: { Four: 'processed' } } };
const ticks = async () => (await database.em().execute<{ runner: string; cause: string }[]>(`select runner, cause from tick order by id`)).map(({ runner, cause }) => `${runner}: ${cause}`);
const listeners = async () => (await database.em().execute<{ pid: number }[]>(`select pid from pg_stat_activity where datname = current_database() and application_name = 'afterglow listener'`)).map(({ pid }) => pid);
const row = async (id: number) => (await database.em().execute<{ running: number; stopped: boolean; beat: number; concurrency: number; version: string; pid: number }[]>(
  `select running, concurrency, version, pid, stopped_at is not null as stopped, extract(epoch from clock_timestamp() - heartbeat_at)::float as beat from daemon where id = ?`, [id],
))[0]!;

class Chore extends SystemTaskRunner {
  readonly taskName: string;
  readonly schedule = '0 0 29 2 *';
  override readonly runsAtStart: boolean;
  override readonly runsWhenIdle: boolean;
  readonly #act: (context: RunContext) => Promise<void> | void;

  constructor(name: string, when: { atStart?: boolean; whenIdle?: boolean }, act: (context: RunContext) => Promise<void> | void = () => {}) {
    super();
    this.taskName = name;
    this.runsAtStart = when.atStart ?? false;
    this.runsWhenIdle = when.whenIdle ?? false;
    this.#act = act;
  }

  override runProcess(context: RunContext): Promise<void> | void {
    return this.#act(context);
  }
}

describe('a daemon', () => {
  it('takes a new subject through a chain of five tasks by notifications alone, without a tick', async () => {
    const world = await createWorld(database, { tasks: CHAIN });
    const { daemon } = await startDaemon(world, { careSeconds: 60 });
    await world.add('a', 'b');
    await vi.waitFor(async () => expect(await world.statuses('Five')).toEqual({ a: 'processed', b: 'processed' }), 10_000);
    expect([await ticks(), daemon.ended]).toEqual([[], 10]);
  });

  it('takes up what waited before it came, and tells when all is done', async () => {
    const world = await createWorld(database, { tasks: CHAIN });
    const names = Array.from({ length: 40 }, (_, n) => `sn${n}`);
    await world.add(...names);
    const { daemon } = await startDaemon(world, { careSeconds: 60 });
    await daemon.untilIdle();
    expect(await world.statuses('Five')).toEqual(Object.fromEntries(names.map((name) => [name, 'processed'])));
    expect(daemon.ended).toBe(200);
  });

  it('misses none of many subjects that come one by one while it claims', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    const { daemon } = await startDaemon(world, { careSeconds: 60 });
    const names = Array.from({ length: 100 }, (_, n) => `sn${n}`);
    for (const name of names) await world.add(name);
    await vi.waitFor(() => expect(daemon.ended).toBe(100), 10_000);
    expect(new Set(Object.values(await world.statuses('One')))).toEqual(new Set(['processed']));
  });

  it('shares the work with others, each entry once', async () => {
    const world = await createWorld(database, { tasks: CHAIN });
    const daemons = await Promise.all([startDaemon(world), startDaemon(world), startDaemon(world)]);
    await world.add(...Array.from({ length: 60 }, (_, n) => `sn${n}`));
    await vi.waitFor(() => expect(daemons.reduce((sum, { daemon }) => sum + daemon.ended, 0)).toBe(300), 10_000);
    const [attempts] = await database.em().execute<{ count: string; most: number; finished: string }[]>(`select count(*), max(attempt) as most, count(*) filter (where outcome = 'finished') as finished from attempt`);
    expect(attempts).toEqual({ count: '300', most: 1, finished: '300' });
  });

  it('wakes a runner that wants to wait for its schedule only by that', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Slow: { wakes: 'on schedule' } } });
    Object.assign(world.runner('Slow'), { schedule: 1 });
    await syncSchedules(database.em(), world.runners, systemClock);
    await database.em().execute(`update schedule set enabled = false where runner = 'Slow'`);
    await startDaemon(world);
    await world.add('a');
    await vi.waitFor(async () => expect(await world.statuses('One')).toEqual({ a: 'processed' }), 10_000);
    expect(await world.statuses('Slow')).toEqual({ a: 'not processed' });
    await database.em().execute(`update schedule set enabled = true; select pg_notify('afterglow_schedule', 'Slow')`);
    await vi.waitFor(async () => expect(await world.statuses('Slow')).toEqual({ a: 'processed' }), 10_000);
    expect(await ticks()).toContain('Slow: schedule');
  });

  it('says that it is there, with its heart beating and what runs, and that it has gone', async () => {
    const world = await createWorld(database, { tasks: { One: { does: obeys } } });
    const { daemon } = await startDaemon(world, { config: { leaseSeconds: 0.3, concurrency: 3 } });
    expect(await row(daemon.id)).toMatchObject({ running: 0, concurrency: 3, version: '0.0.0', pid: process.pid, stopped: false });
    expect(await daemon.troubles()).toEqual([]);
    await world.add('a');
    await vi.waitFor(async () => expect(await row(daemon.id)).toMatchObject({ running: 1 }), 10_000);
    await database.em().execute(`update daemon set heartbeat_at = heartbeat_at - interval '1 hour'`);
    await vi.waitFor(async () => expect((await row(daemon.id)).beat).toBeLessThan(60), 10_000);
    await daemon.stop();
    expect(await row(daemon.id)).toMatchObject({ running: 0, stopped: true });
    expect(await world.statuses('One')).toEqual({ a: 'not processed' });
    expect([await listeners(), await daemon.troubles()]).toEqual([[], ['the daemon is stopping']]);
  });

  it('hears again after its connection was lost, and finds what it missed', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    const { daemon, lines } = await startDaemon(world);
    const [first] = await listeners();
    // Deaf, and then a new subject.
    await database.em().execute(`select pg_terminate_backend(?)`, [first!]);
    await world.add('a');
    await vi.waitFor(() => expect(daemon.ended).toBe(1), 10_000);
    await vi.waitFor(async () => expect(await listeners()).toHaveLength(1));
    expect(await listeners()).not.toContain(first);
    await world.add('b');
    await vi.waitFor(() => expect(daemon.ended).toBe(2), 10_000);
    expect(lines.filter(({ level }) => level >= 50)).toEqual([]);
  });

  it('says when a count of prerequisites is wrong', async () => {
    const world = await createWorld(database, { tasks: CHAIN });
    await world.add('a');
    await database.em().transactional(async (em) => {
      await em.execute(`set local session_replication_role = replica`);
      await em.execute(`update task_register set unmet = 7 where task_id = ?`, [world.task('Five').id]);
    });
    const { lines } = await startDaemon(world);
    await vi.waitFor(() => expect(lines).toContainEqual(expect.objectContaining({ level: 50, entries: 1, msg: expect.stringContaining('wrong count of unmet prerequisites') })));
  });
});

describe('a daemon takes care', () => {
  it('of entries whose lease is over: they are run again, within seconds, and the log says which', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a');
    // Its daemon is not known here, so nobody can tell that it is dead.
    await world.put('a', 'One', 'processing', { owner: 999, seconds: 0.5 });
    const { lines, daemon } = await startDaemon(world, { config: { leaseSeconds: 1 } });
    expect((await world.entry('a', 'One')).status).toBe('processing');
    await vi.waitFor(() => expect(daemon.ended).toBe(1), 10_000);
    expect((await world.attempts('a', 'One')).map(({ outcome }) => outcome)).toEqual(['rescued', 'finished']);
    expect(lines).toContainEqual(expect.objectContaining({ level: 40, task: 'One', subject: 'a', attempt: 1, msg: 'rescued' }));
  });

  it('of entries that wait for their time: they are run when it has come', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('soon', 'later');
    await database.em().execute(`update task_register r set due_at = clock_timestamp() + case s.name when 'soon' then interval '0.2 s' else interval '1 hour' end from subject s where s.id = r.subject_id`);
    await startDaemon(world);
    await vi.waitFor(async () => expect(await world.statuses('One')).toEqual({ soon: 'processed', later: 'not processed' }), 10_000);
  });

  it('of entries that were reset while it ran them: the runner is told with the next renewal, and the entry is run again', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a');
    const reasons: unknown[] = [];
    world.runner('One').does((subject, context) => {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      return context.attempt === 1 ? hangs(subject, context) : 'processed';
    });
    const { daemon, lines } = await startDaemon(world, { config: { leaseSeconds: 0.6 } });
    await world.runner('One').began('a');
    await database.em().execute(`update task_register set status_id = 1, cause = 'reset', actor = 'dora', lease_owner = null, lease_until = null`);
    await vi.waitFor(() => expect(daemon.ended).toBe(2), 10_000);
    expect(reasons).toMatchObject([{ name: 'LeaseLostError', attempt: 1 }]);
    expect(await world.transitions('a', 'One')).toEqual([
      'claim: not processed > processing', 'reset: processing > not processed', 'claim: not processed > processing', 'finish: processing > processed',
    ]);
    expect(lines.map(({ msg }) => msg)).toContain('an attempt came too late and wrote nothing');
  });

  it('of a long attempt of its own, beyond the lease that it was claimed with', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a');
    const open = gate();
    world.runner('One').does(open.script);
    const one = await startDaemon(world, { config: { leaseSeconds: 1.2 } });
    await world.runner('One').began('a');
    await startDaemon(world, { config: { leaseSeconds: 1.2 } });
    let renewals = 0;
    let last = Infinity;
    await vi.waitFor(async () => {
      const left = (await world.entry('a', 'One')).lease_seconds!;
      renewals += left > last ? 1 : 0;
      last = left;
      expect(renewals).toBeGreaterThanOrEqual(4);
    }, 10_000);
    open.open();
    await vi.waitFor(() => expect(one.daemon.ended).toBe(1));
    expect(await world.attempts('a', 'One')).toMatchObject([{ attempt: 1, outcome: 'finished' }]);
  });
});

describe('chores', () => {
  it('of the start come before the first claim, those of the idle time after the last entry, and not again without new work', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Two: { needs: { One: 'processed' } } } });
    await world.add('a', 'b');
    const story: string[] = [];
    for (const runner of world.runners) runner.does(({ name }) => (story.push(`${runner.taskName} ${name}`), 'processed'));
    const { daemon } = await createDaemon(world, {
      careSeconds: 60,
      system: [new Chore('Load', { atStart: true }, () => void story.push('load')), new Chore('Draw', { whenIdle: true }, () => void story.push('draw'))],
    });
    await daemon.begin();
    await daemon.untilIdle();
    expect(story[0]).toBe('load');
    expect(story.at(-1)).toBe('draw');
    expect(story.slice(1, -1).toSorted()).toEqual(['One a', 'One b', 'Two a', 'Two b']);
    await daemon.untilIdle();
    expect(await ticks()).toEqual(['Load: start', 'Draw: idle']);
    await world.add('c');
    await vi.waitFor(() => expect(story.slice(6)).toEqual(['One c', 'Two c', 'draw']), 10_000);
  });

  it('that fail stop nobody', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a');
    const fails = () => {
      throw new Error('no catalogue');
    };
    const { daemon } = await startDaemon(world, { system: [new Chore('Load', { atStart: true }, fails), new Chore('Draw', { whenIdle: true }, fails)] });
    await daemon.untilIdle();
    expect(await world.statuses('One')).toEqual({ a: 'processed' });
    const outcomes = await database.em().execute<object[]>(`select runner, outcome, error->>'message' as message from tick order by id`);
    expect(outcomes).toEqual([{ runner: 'Load', outcome: 'failed', message: 'no catalogue' }, { runner: 'Draw', outcome: 'failed', message: 'no catalogue' }]);
  });
});

describe('idle', () => {
  it('is a daemon whose entries are blocked, paused or sent back for later, not one that waits after a rescue', async () => {
    const world = await createWorld(database, { tasks: { Fails: { does: () => 'failed' }, Behind: { needs: { Fails: 'processed' } }, Paused: {}, Back: { does: () => 'not processed' } } });
    await database.em().execute(`insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled) values ('Paused', '0 0 29 2 *', 'UTC', false, '0 0 29 2 *', 'UTC', true)`);
    await world.add('a');
    const first = await startDaemon(world);
    await first.daemon.untilIdle();
    expect([await world.statuses('Fails'), await world.statuses('Behind'), await world.statuses('Paused'), await world.statuses('Back')]).toEqual([
      { a: 'failed' }, { a: 'not processed' }, { a: 'not processed' }, { a: 'not processed' },
    ]);
    await first.daemon.stop();
    await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '1 s', cause = 'rescue' where task_id = ?`, [world.task('Back').id]);
    world.runner('Back').does(() => 'processed');
    const second = await startDaemon(world);
    await second.daemon.untilIdle();
    expect(await world.statuses('Back')).toEqual({ a: 'processed' });
  });
});

describe('a daemon that is stopped', () => {
  it('while it begins begins no further and leaves nothing behind', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a');
    const { script, open } = gate();
    const started = Promise.withResolvers<void>();
    const { daemon } = await createDaemon(world, {
      system: [new Chore('Load', { atStart: true }, async ({ signal }) => {
        started.resolve();
        await Promise.race([script(undefined as never, undefined as never), new Promise((resolve) => signal.addEventListener('abort', resolve))]);
      })],
    });
    const begun = daemon.begin();
    await started.promise;
    await Promise.all([daemon.stop(), begun]);
    open();
    expect([await listeners(), await world.statuses('One'), (await row(daemon.id)).stopped]).toEqual([[], { a: 'not processed' }, true]);
  });

  it('lets what runs finish within its grace time, and hands the rest back', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('quick', 'deaf');
    const quick = gate();
    world.runner('One').on('quick', quick.script).on('deaf', hangs);
    const { daemon } = await startDaemon(world, { config: { graceSeconds: 0.5 } });
    await Promise.all([world.runner('One').began('quick'), world.runner('One').began('deaf')]);
    const stopped = daemon.stop();
    quick.open();
    await stopped;
    expect(await world.statuses('One')).toEqual({ quick: 'processed', deaf: 'not processed' });
    expect(await world.attempts('deaf', 'One')).toMatchObject([{ outcome: 'released' }]);
  });

  it('hands everything back at once when it is hurried', async () => {
    const world = await createWorld(database, { tasks: { One: { does: hangs } } });
    await world.add('a');
    const { daemon } = await startDaemon(world, { config: { graceSeconds: 3600 } });
    await world.runner('One').began('a');
    const stopped = daemon.stop();
    daemon.hurry();
    await stopped;
    expect(await world.attempts('a', 'One')).toMatchObject([{ outcome: 'released' }]);
  });
});

describe('one entry for a person', () => {
  it('is run by a daemon that has not begun, again where that is wanted', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a', 'b');
    const { daemon } = await createDaemon(world);
    await daemon.runOne(world.task('One'), 'a', { actor: 'dora', again: false });
    expect(await world.statuses('One')).toEqual({ a: 'processed', b: 'not processed' });
    await expect(daemon.runOne(world.task('One'), 'a', { actor: 'dora', again: false })).rejects.toThrow('Use "afterglow reset" first');
    await daemon.runOne(world.task('One'), 'a', { actor: 'dora', again: true });
    expect(await world.transitions('a', 'One')).toEqual([
      'claim: not processed > processing', 'finish: processing > processed', 'reset: processed > not processed', 'claim: not processed > processing', 'finish: processing > processed',
    ]);
  });
});
