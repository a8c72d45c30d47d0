import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { StoppingError, TimeLimitError } from '../../src/errors.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { parsePlan } from '../../src/schedule/plan.ts';
import { rescueTicks } from '../../src/schedule/rescue-ticks.ts';
import { runNow } from '../../src/schedule/run-tick.ts';
import { SCHEDULE_CHANNEL } from '../../src/schedule/stored-schedule.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { account } from '../../src/schedule/account.ts';
import type { Decision } from '../../src/schedule/decide.ts';
import { look } from '../../src/schedule/look.ts';
import { endTicks, renewTick, takeNow, type Tick, type TickEnding } from '../../src/schedule/tick.ts';
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
const standing = async () => (await look(database.hot, ['Tick'], { evidence: false })).found.get('Tick')!;
/** Accounts for slots as a daemon does that knows how things stand, or stood. */
async function move(decision: Decision, by = one, options: { ledger?: Awaited<ReturnType<typeof standing>>; unseen?: boolean; deadline?: Date } = {}) {
  const { ledger = await standing(), deadline = new Date(Date.now() + 60_000), ...rest } = options;
  const { done } = await account(database.hot, [{ runner: 'Tick', version: 1, ledger, decision, nextAt: undefined, ...rest }], by, deadline);
  return done.get('Tick')!;
}
const fires = (second: number): Decision => ({ accountedTo: slot(second), missed: [], run: { slot: slot(second), cause: 'schedule', reason: null } });
const take = async (second: number, by = one) => (await move(fires(second), by)).tick;
const end = async (tick: Tick, ending: TickEnding, now: Date) => (await endTicks(database.hot, [{ tick, ending, plan }], now)).has(tick.id);
const leaseRunsOut = () => database.em().execute(`update schedule set lease_until = clock_timestamp() - interval '1 ms'`);

beforeEach(async () => {
  await database.em().execute(`truncate schedule, tick, daemon`);
  await syncSchedules(database.em(), [new ScheduledRunner({ taskName: 'Tick', schedule: 1 })], systemClock);
  await database.em().execute(`update schedule set accounted_to = ?::timestamptz`, [slot(0).toISOString()]);
});

describe('a slot', () => {
  it('is won by one of many who want it at once', async () => {
    const ledger = await standing();
    const wins = await Promise.all(Array.from({ length: 9 }, (_, n) => move(fires(1), { daemonId: n, leaseSeconds: 60 }, { ledger })));
    expect(wins.filter(({ tick }) => tick !== undefined)).toHaveLength(1);
    expect(wins.filter(({ moved }) => moved)).toHaveLength(1);
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ cause: 'schedule', outcome: 'running' }]);
  });

  it('that another has taken tells who comes second how things stand', async () => {
    const ledger = await standing();
    await move(fires(1));
    const { moved, standing: now } = await move(fires(1), two, { ledger });
    expect(moved).toBe(false);
    expect(now).toMatchObject({ free: false, owner: 1, accountedTo: slot(1) });
  });

  it('is not fired while the tick of an earlier one runs, and the end says when the next one comes', async () => {
    const tick = (await take(1))!;
    expect(await take(2, two)).toBeUndefined();
    expect(await end(tick, { ...finished, entries: 7, result: { a: 1 } }, slot(3))).toBe(true);
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'finished', entries: 7, wall_seconds: 1, result: { a: 1 }, daemon_id: 1 }]);
    const row = (await rowOf(database, 'Tick'))!;
    expect(new Date(row.next_at!)).toEqual(slot(4));
    expect(row.ticks).toBe('1');
  });

  it('at whose time the runner was busy is not fired unseen, though it is free now', async () => {
    await end((await take(1))!, finished, slot(1));
    expect(await move(fires(2), two, { unseen: true })).toMatchObject({ moved: false, standing: { free: true } });
    expect(await move(fires(2), two)).toMatchObject({ moved: true });
  });

  it('is not fired by a daemon that has not heard that the plan was changed, or changed and changed back', async () => {
    const ledger = await standing();
    await editSchedule(database.em(), 'Tick', { pattern: 'every 2 s' }, 'dora');
    expect((await move(fires(2), one, { ledger })).moved).toBe(false);
    await editSchedule(database.em(), 'Tick', { pattern: 'every 1 s' }, 'dora');
    expect((await move(fires(2), one, { ledger })).moved).toBe(false);
    expect((await move(fires(2))).moved).toBe(true);
  });

  it('of a schedule that is off is not fired', async () => {
    await editSchedule(database.em(), 'Tick', { enabled: false }, 'dora');
    expect((await move(fires(2))).moved).toBe(false);
  });

  it('is not taken by a statement that comes to its turn when nobody waits for it any more', async () => {
    expect((await move(fires(2), one, { deadline: new Date(Date.now() - 1000) })).moved).toBe(false);
  });

  it('that has not come by the clock of the database is not fired', async () => {
    const later = new Date(Math.ceil((Date.now() + 5000) / 1000) * 1000);
    expect((await move({ accountedTo: later, missed: [], run: { slot: later, cause: 'schedule', reason: null } })).moved).toBe(false);
  });

  it('that was fired before, and whose time comes a second time, is passed over', async () => {
    await end((await take(1))!, finished, slot(1));
    await database.em().execute(`update schedule set accounted_to = ?::timestamptz`, [slot(0).toISOString()]);
    expect(await move(fires(1))).toMatchObject({ moved: true, tick: undefined });
    expect(await ticksOf(database, 'Tick')).toHaveLength(1);
    expect(await take(2)).toBeDefined();
  });

  it('is not fired twice when the schedule was removed and came back', async () => {
    const tick = (await take(1))!;
    await syncSchedules(database.em(), [], systemClock);
    expect(await end(tick, finished, slot(1))).toBe(true);
    await syncSchedules(database.em(), [new ScheduledRunner({ taskName: 'Tick', schedule: 1 })], systemClock);
    expect((await standing()).accountedTo.getTime()).toBeGreaterThan(slot(1).getTime());
  });

  it('that is missed gets a row with its reason, and is not fired any more', async () => {
    const ledger = await standing();
    await move({ accountedTo: slot(2), missed: [{ slot: slot(1), lastSlot: slot(2), slots: 2, reason: 'asleep' }] });
    for (const second of [1, 2, 3]) expect((await move(fires(second), two, { ledger })).moved).toBe(false);
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'missed', reason: 'asleep', slots: 2, daemon_id: 1 }]);
    expect((await move(fires(3), two)).moved).toBe(true);
  });
});

describe('the lease', () => {
  it('that ran out lets the next slot go on, and the late end of the lost tick writes nothing', async () => {
    const lost = (await take(1))!;
    await leaseRunsOut();
    const next = (await take(2, two))!;
    expect(await renewTick(database.hot, lost, one)).toBe(false);
    expect(await end(lost, { ...finished, result: 'late' }, slot(1))).toBe(false);
    expect(await ticksOf(database, 'Tick')).toMatchObject([
      { outcome: 'rescued', result: null, error: { name: 'LeaseLostError' } },
      { outcome: 'running', daemon_id: 2 },
    ]);
    expect(await rowOf(database, 'Tick')).toMatchObject({ finished_at: null, ticks: '0' });
    expect(await end(next, finished, slot(2))).toBe(true);
  });

  it('that is renewed keeps others away', async () => {
    const tick = (await take(1))!;
    await leaseRunsOut();
    expect(await renewTick(database.hot, tick, one)).toBe(true);
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

describe('a tick that is handed back or lost', () => {
  const policy = (text: string) => database.em().execute(`update schedule set missed_slots = ?`, [text]);
  const openAfter = async () => (await standing()).accountedTo.getTime() - slot(1).getTime();
  const released = { outcome: 'released', wallSeconds: 1 } as const;

  it.each([['skip', 0], ['once', -1], ['all 3', -1]])('leaves its slot to nobody under the policy "%s", or open again: %i ms', async (text, expected) => {
    await policy(text);
    await end((await take(1))!, released, slot(1));
    expect(await openAfter()).toBe(expected);
    await database.em().execute(`truncate tick`);
    await database.em().execute(`update schedule set accounted_to = ?::timestamptz`, [slot(0).toISOString()]);
    await take(1);
    expect(await rescueTicks(database.hot, ['Tick'])).toEqual([]);
    await leaseRunsOut();
    expect(await rescueTicks(database.hot, ['Tick'])).toEqual(['Tick']);
    expect(await openAfter()).toBe(expected);
    expect(await rescueTicks(database.hot, ['Tick'])).toEqual([]);
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'rescued', error: { name: 'LeaseLostError' } }]);
  });

  it('is told of, so that another daemon takes the slot at once', async () => {
    await policy('once');
    const listener = await database.connect('test');
    onTestFinished(() => listener.end());
    const heard: unknown[] = [];
    listener.on('notification', ({ payload }) => heard.push(payload));
    await listener.query(`listen ${SCHEDULE_CHANNEL}`);
    await end((await take(1))!, finished, slot(1));
    await end((await take(2))!, released, slot(2));
    await expect.poll(() => heard).toEqual(['Tick']);
    expect(await take(2, two)).toBeDefined();
  });

  it('for the third time is left, since it may be what kills the daemons', async () => {
    await policy('once');
    for (let times = 1; times <= 3; times += 1) {
      expect(await take(1)).toBeDefined();
      await leaseRunsOut();
      await rescueTicks(database.hot, ['Tick']);
      expect(await openAfter()).toBe(times === 3 ? 0 : -1);
    }
  });

  it('before a slot that comes keeps it from being fired unseen', async () => {
    await take(1);
    await leaseRunsOut();
    expect((await move(fires(2), two, { unseen: true })).moved).toBe(false);
    await rescueTicks(database.hot, ['Tick']);
    expect((await move(fires(2), two)).moved).toBe(true);
  });
});

describe('a run that is no slot', () => {
  const { log, lines } = listeningLog();
  const now = (handler: Parameters<typeof runNow>[0]['handler'], more: Partial<Parameters<typeof runNow>[0]> = {}) =>
    runNow({ database, runner: 'Tick', cause: 'person', daemonId: 1, log, whenBusy: 'skip', handler, ...more });

  it('is recorded with all that its handler says, also when the schedule is off', async () => {
    await editSchedule(database.em(), 'Tick', { enabled: false }, 'dora');
    const ended = await now(() => ({ entries: 3, result: { drawn: 'plot.svg' }, log: [{ message: 'hello' }], cpuSeconds: 0.5 }), { cause: 'start' });
    expect(ended).toMatchObject({ outcome: 'finished', recorded: true });
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
    const ended = await now(() => {
      throw thrown as Error;
    });
    expect(ended).toMatchObject({ outcome, recorded: true });
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome, error, result: null }]);
    expect(lines.filter((line) => line.startsWith('error: A tick of "Tick"'))).toHaveLength(outcome === 'released' ? 0 : 1);
  });

  it('that reports an error keeps the rest of its report', async () => {
    await now(() => ({ log: ['one line'], error: new Error('no disk') }));
    expect(await ticksOf(database, 'Tick')).toMatchObject([{ outcome: 'failed', log: ['one line'], error: { message: 'no disk' } }]);
  });

  it('whose end cannot be written is recorded when the database is back', async () => {
    const ended = now(async () => {
      await database.em().execute(`alter table tick rename to tick_away`);
      return { result: 'kept' };
    });
    await expect.poll(() => database.em().execute(`select from pg_class where relname = 'tick_away'`)).toHaveLength(1);
    await database.em().execute(`alter table tick_away rename to tick`);
    expect(await ended).toMatchObject({ recorded: true });
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
    await end(tick, finished, slot(1));
    expect(await waiting).toMatchObject({ outcome: 'finished' });
    const other = (await takeNow(database.hot, 'Tick', 'person', two))!;
    expect(await take(9)).toBeUndefined();
    await end(other, finished, slot(9));
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
