import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { StoppingError, TimeLimitError } from '../../src/errors.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { parsePlan } from '../../src/schedule/plan.ts';
import { runNow } from '../../src/schedule/run-tick.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { endTick, renewTick, takeNow, takeSlot } from '../../src/schedule/tick.ts';
import { createDatabase } from '../harness.ts';
import { listeningLog, rowOf, ScheduledRunner, ticksOf } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const plan = parsePlan('every 1 s', 'UTC');
const one = { daemonId: 1, leaseSeconds: 60 };
const two = { daemonId: 2, leaseSeconds: 60 };
const finished = { outcome: 'finished', wallSeconds: 1 } as const;
// Slots long past are as good as any: what counts is their order.
const slot = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1000);
const take = (second: number, by = one) => takeSlot(database.em(), 'Tick', plan, slot(second), by);
const leaseRunsOut = () => database.em().execute(`update schedule set lease_until = clock_timestamp() - interval '1 ms'`);

beforeEach(async () => {
  await database.em().execute(`truncate schedule, tick, daemon`);
  await syncSchedules(database.em(), [new ScheduledRunner({ taskName: 'Tick', schedule: 1 })], systemClock);
});

describe('a slot', () => {
  it('is won by one of many who want it at once', async () => {
    const wins = await Promise.all(Array.from({ length: 9 }, (_, n) => take(1, { daemonId: n, leaseSeconds: 60 })));
    expect(wins.filter((tick) => tick !== undefined)).toHaveLength(1);
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ cause: 'schedule', outcome: 'running' }]);
  });

  it('is not fired again when its tick has ended, nor is an earlier one', async () => {
    const tick = (await take(5))!;
    await endTick(database.em(), tick, finished, plan, slot(5));
    expect(await take(5, two)).toBeUndefined();
    expect(await take(4, two)).toBeUndefined();
    expect(await take(6, two)).toBeDefined();
  });

  it('is not fired while the tick of an earlier one runs, and the end says when the next one comes', async () => {
    const tick = (await take(1))!;
    expect(await take(2, two)).toBeUndefined();
    expect(await endTick(database.em(), tick, { ...finished, entries: 7, result: { a: 1 } }, plan, slot(3))).toBe(true);
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'finished', entries: 7, wall_seconds: 1, result: { a: 1 }, daemon_id: 1 }]);
    const row = (await rowOf(database, 'Tick'))!;
    expect(new Date(row.next_at!)).toEqual(slot(4));
    expect(row.ticks).toBe('1');
  });

  it('is not fired by a daemon whose plan is no longer in force, or that is switched off', async () => {
    await editSchedule(database.em(), 'Tick', { pattern: 'every 2 s' }, 'dora');
    expect(await take(2)).toBeUndefined();
    await editSchedule(database.em(), 'Tick', { pattern: 'every 1 s', enabled: false }, 'dora');
    expect(await take(2)).toBeUndefined();
    await editSchedule(database.em(), 'Tick', { enabled: true }, 'dora');
    expect(await take(2)).toBeDefined();
  });

  it('is not fired twice when the schedule was removed and came back', async () => {
    const tick = (await take(1))!;
    await syncSchedules(database.em(), [], systemClock);
    expect(await endTick(database.em(), tick, finished, plan, slot(1))).toBe(true);
    await syncSchedules(database.em(), [new ScheduledRunner({ taskName: 'Tick', schedule: 1 })], systemClock);
    expect(await take(1, two)).toBeUndefined();
    expect(await take(2, two)).toBeDefined();
  });

  it('more than a minute ahead of the database is refused, and one that a wrong clock fired does not block the schedule', async () => {
    expect(await takeSlot(database.em(), 'Tick', plan, new Date(Date.now() + 70_000), one)).toBeUndefined();
    await database.em().execute(
      `update schedule set slot = clock_timestamp() + interval '4 years', lease_until = clock_timestamp(), finished_at = clock_timestamp()`,
    );
    expect(await take(1)).toBeDefined();
  });
});

describe('the lease', () => {
  it('that ran out lets the next slot go on, and the late end of the lost tick writes nothing', async () => {
    const lost = (await take(1))!;
    await leaseRunsOut();
    const next = (await take(2, two))!;
    expect(await renewTick(database.em(), lost, one)).toBe(false);
    expect(await endTick(database.em(), lost, { ...finished, result: 'late' }, plan, slot(1))).toBe(false);
    expect(await ticksOf(database, 'Tick')).toMatchObject([
      { outcome: 'rescued', result: null, error: { name: 'LeaseLostError' } },
      { outcome: 'running', daemon_id: 2 },
    ]);
    expect(await rowOf(database, 'Tick')).toMatchObject({ finished_at: null, ticks: '0' });
    expect(await endTick(database.em(), next, finished, plan, slot(2))).toBe(true);
  });

  it('that is renewed keeps others away', async () => {
    const tick = (await take(1))!;
    await leaseRunsOut();
    expect(await renewTick(database.em(), tick, one)).toBe(true);
    expect(await take(2, two)).toBeUndefined();
  });

  it('of a daemon that is known to be gone is free at once', async () => {
    const [daemon] = await database.em().execute<{ id: number }[]>(
      `insert into daemon (host, machine, pid, process_start, version, concurrency) values ('h', 'm', 1, '', '0', 1) returning id`,
    );
    await take(1, { daemonId: daemon!.id, leaseSeconds: 3600 });
    expect(await take(2, two)).toBeUndefined();
    await database.em().execute(`update daemon set stopped_at = now()`);
    expect(await take(3, two)).toBeDefined();
  });
});

describe('a run that is no slot', () => {
  const { log, lines } = listeningLog();
  const now = (handler: Parameters<typeof runNow>[0]['handler'], more: Partial<Parameters<typeof runNow>[0]> = {}) =>
    runNow({ database, runner: 'Tick', cause: 'person', daemonId: 1, log, whenBusy: 'skip', handler, ...more });

  it('is recorded with all that its handler says, also when the schedule is off', async () => {
    await editSchedule(database.em(), 'Tick', { enabled: false }, 'dora');
    const end = await now(() => ({ entries: 3, result: { drawn: 'plot.svg' }, log: [{ message: 'hello' }], cpuSeconds: 0.5 }), { cause: 'start' });
    expect(end).toMatchObject({ outcome: 'finished', recorded: true });
    expect(await ticksOf(database, 'Tick')).toMatchObject([
      { cause: 'start', outcome: 'finished', entries: 3, cpu_seconds: 0.5, result: { drawn: 'plot.svg' }, log: [{ message: 'hello' }], error: null },
    ]);
    expect((await ticksOf(database, 'Tick'))[0]!.wall_seconds).toBeGreaterThanOrEqual(0);
    expect(await rowOf(database, 'Tick')).toMatchObject({ ticks: '1', slot: null, next_at: null });
  });

  it.each([
    [new Error('no disk'), 'failed', { name: 'Error', message: 'no disk' }],
    [new TimeLimitError(5), 'timed out', { name: 'TimeLimitError', code: 'TIME_LIMIT' }],
    [new StoppingError(), 'released', { name: 'StoppingError' }],
    ['a text', 'failed', { name: 'thrown value', message: 'a text' }],
    [undefined, 'failed', { name: 'Error' }],
  ])('that throws %s is %s', async (thrown, outcome, error) => {
    lines.length = 0;
    const end = await now(() => {
      throw thrown as Error;
    });
    expect(end).toMatchObject({ outcome, recorded: true });
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome, error, result: null }]);
    expect(lines.filter((line) => line.startsWith('error: A tick of "Tick"'))).toHaveLength(outcome === 'released' ? 0 : 1);
  });

  it('that reports an error keeps the rest of its report', async () => {
    await now(() => ({ log: ['one line'], error: new Error('no disk') }));
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'failed', log: ['one line'], error: { message: 'no disk' } }]);
  });

  it('whose end cannot be written is recorded when the database is back', async () => {
    const end = now(async () => {
      await database.em().execute(`alter table tick rename to tick_away`);
      return { result: 'kept' };
    });
    await expect.poll(() => database.em().execute(`select from pg_class where relname = 'tick_away'`)).toHaveLength(1);
    await database.em().execute(`alter table tick_away rename to tick`);
    expect(await end).toMatchObject({ recorded: true });
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'finished', result: 'kept' }]);
  });

  it('whose result cannot be kept is failed', async () => {
    await now(() => ({ result: Array.from({ length: 400_000 }, () => 1e9) }));
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'failed', error: { name: 'OutcomeError' } }]);
  });

  it('shares the lease with the slots: each keeps the other away, and who waits gets its turn', async () => {
    const tick = (await take(1))!;
    expect(await now(() => {})).toBeUndefined();
    const waiting = now(() => ({ result: 'mine' }), { whenBusy: 'wait', cause: 'idle' });
    await endTick(database.em(), tick, finished, plan, slot(1));
    expect(await waiting).toMatchObject({ outcome: 'finished' });
    const other = (await takeNow(database.em(), 'Tick', 'person', two))!;
    expect(await take(9)).toBeUndefined();
    await endTick(database.em(), other, finished, undefined, slot(9));
    expect(await take(9)).toBeDefined();
  });

  it('does not wait any longer when it is told so', async () => {
    await take(1);
    const stop = new AbortController();
    const waiting = now(() => {}, { whenBusy: 'wait', signal: stop.signal });
    stop.abort();
    await expect(waiting).rejects.toThrow(/abort/);
  });

  it('of a runner without a schedule is recorded too', async () => {
    expect(await now(() => {}, { runner: 'Nobody' })).toMatchObject({ outcome: 'finished', recorded: true });
    expect(await ticksOf(database, 'Nobody')).toMatchObject([{ cause: 'person', outcome: 'finished' }]);
  });
});
