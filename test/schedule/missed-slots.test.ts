import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import type { MissedSlots } from '../../src/runner/runner.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { parsePlan } from '../../src/schedule/plan.ts';
import { runNow } from '../../src/schedule/run-tick.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { systemClock } from '../../src/clock.ts';
import { createDatabase } from '../harness.ts';
import { accountOf } from './account-of.ts';
import { listeningLog, rowOf, ScheduledRunner, ticksOf, type GivenRunner } from './given.ts';
import { gate, METRONOME, startSchedulers } from './start.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  await database.em().execute(`truncate schedule, tick, daemon`);
});

const HOUR = 3_600_000;
const hoursAgo = (hours: number) => new Date(Math.floor(Date.now() / HOUR - hours) * HOUR - 1);
const sync = (...given: GivenRunner[]) => syncSchedules(database.em(), given.map((runner) => new ScheduledRunner(runner)), systemClock);
/** As if all daemons had been away since then. */
const awaySince = (since: Date) => database.em().execute(`update schedule set accounted_to = ?::timestamptz`, [since.toISOString()]);
/** What the ticks of a runner are, the oldest slot first: cause, outcome and reason. */
const story = async (runner: string) =>
  (await ticksOf(database, runner)).toSorted((a, b) => a.slot.localeCompare(b.slot)).map(({ cause, outcome, reason, slots }) => [cause, outcome, reason, ...(slots === 1 ? [] : [slots])].filter(Boolean).join(', '));
const settledTicks = async (runner: string, count: number) => {
  await expect.poll(() => story(runner), { timeout: 5000 }).toHaveLength(count);
  await expect.poll(async () => (await story(runner)).filter((tick) => tick.includes('running')), { timeout: 5000 }).toEqual([]);
  return story(runner);
};
// Slots on the half hour, so that no test begins within a minute of one but by chance of 1 in 30: then it is fired as if in time.
const HALF_HOURLY: GivenRunner = { taskName: 'Chore', schedule: `${(new Date().getUTCMinutes() + 30) % 60} * * * *` };

describe('after a downtime', () => {
  it.each<[MissedSlots, string[]]>([
    ['skip', ['schedule, missed, no daemon', 'schedule, missed, no daemon', 'schedule, missed, no daemon']],
    ['once', ['schedule, missed, no daemon', 'schedule, missed, no daemon', 'catch-up, finished, no daemon']],
    [{ all: 2 }, ['schedule, missed, no daemon', 'catch-up, finished, no daemon', 'catch-up, finished, no daemon']],
    [{ all: 5 }, ['catch-up, finished, no daemon', 'catch-up, finished, no daemon', 'catch-up, finished, no daemon']],
  ])('of three slots, the policy %j is followed, once over three daemons', async (missedSlots, expected) => {
    const given = { ...HALF_HOURLY, missedSlots };
    await sync(given);
    const plan = parsePlan(HALF_HOURLY.schedule as string, 'UTC');
    let since = new Date(Date.now() - 4 * HOUR);
    // Three slots exactly.
    while (plan.next(plan.next(plan.next(plan.next(since)!)!)!)! <= new Date()) since = plan.next(since)!;
    await awaySince(since);
    await startSchedulers(database, 3, [given, METRONOME]);
    expect(await settledTicks('Chore', 3)).toEqual(expected);
    expect((await accountOf(database, 'Chore', plan, since, new Date())).wrong).toEqual([]);
  });

  it('of a week, a schedule of one second is started at once, and the slots are recorded in few rows', async () => {
    const since = new Date(Math.floor(Date.now() / 1000) * 1000 - 7 * 24 * HOUR);
    for (const schedule of ['* * * * * *', 1]) {
      await database.em().execute(`truncate schedule, tick`);
      const given: GivenRunner = { taskName: 'Secondly', schedule, timeZone: 'Europe/Berlin' };
      await sync(given);
      await awaySince(since);
      const begun = performance.now();
      const { fired, stop } = await startSchedulers(database, 2, [given]);
      const { slot } = await fired.more('Secondly', 1);
      expect(performance.now() - begun).toBeLessThan(3000);
      await stop();
      const rows = await ticksOf(database, 'Secondly');
      expect(rows.length).toBeLessThan(10);
      const missed = rows.filter(({ outcome }) => outcome === 'missed');
      expect(missed.reduce((sum, { slots }) => sum + slots, 0)).toBeGreaterThanOrEqual(604_799);
      expect(missed.reduce((sum, { slots }) => sum + slots, 0)).toBe((slot.getTime() - since.getTime()) / 1000 - 1);
    }
  });

  it('a daemon that was there but did not fire is told from none', async () => {
    await sync(HALF_HOURLY);
    await awaySince(hoursAgo(4));
    await database.em().execute(
      `insert into daemon (host, machine, pid, process_start, version, concurrency, started_at, heartbeat_at)
       values ('h', 'm', 1, '', '0', 1, now() - interval '10 hours', now() - interval '2 hours')`,
    );
    await startSchedulers(database, 1, [HALF_HOURLY]);
    await expect.poll(() => story('Chore')).toEqual(expect.arrayContaining(['schedule, missed, blocked', 'schedule, missed, no daemon']));
  });

  it('a runner that has run at the start is not run once more', async () => {
    const given: GivenRunner = { ...HALF_HOURLY, missedSlots: 'once' };
    await sync(given);
    await awaySince(hoursAgo(3));
    const { log } = listeningLog();
    await runNow({ database, runner: 'Chore', cause: 'start', daemonId: 1, log, handler: () => {} });
    const { fired } = await startSchedulers(database, 1, [given, METRONOME]);
    await fired.more('Metronome', 3);
    expect(fired.of('Chore')).toEqual([]);
    expect(new Set(await story('Chore'))).toEqual(new Set(['schedule, missed, no daemon', 'start, finished']));
  });

  it('the catch-up is by the plan that was in force at each slot', async () => {
    const given: GivenRunner = { ...HALF_HOURLY, missedSlots: { all: 50 } };
    await sync(given);
    const since = hoursAgo(3);
    await awaySince(since);
    const old = parsePlan(HALF_HOURLY.schedule as string, 'UTC');
    await editSchedule(database.em(), 'Chore', { pattern: '0 0 29 2 *' }, 'dora');
    await editSchedule(database.em(), 'Chore', { pattern: 'every 100000 s' }, 'dora');
    await startSchedulers(database, 2, [given]);
    const slots = async () => (await ticksOf(database, 'Chore')).map(({ slot, cause }) => `${cause} ${new Date(slot).toISOString()}`);
    const expected: string[] = [];
    for (let slot = old.next(since)!; slot < new Date(); slot = old.next(slot)!) expected.push(`catch-up ${slot.toISOString()}`);
    expect(expected.length).toBeGreaterThanOrEqual(2);
    await expect.poll(slots).toEqual(expected);
  });
});

describe('a runner that is busy', () => {
  it('loses no slot without a word: by its policy each is recorded or caught up', async () => {
    const { opened, open } = gate();
    const given = (['skip', 'once', { all: 3 }] as const).map((missedSlots, n): GivenRunner => ({ taskName: `Long ${n}`, schedule: 0.3, missedSlots }));
    const names = given.map(({ taskName }) => taskName);
    const { fired, stop } = await startSchedulers(database, 3, [...given, METRONOME], {
      onTick: ({ taskName }) => (names.includes(taskName) && fired.of(taskName).length === 1 ? opened : undefined),
    });
    await Promise.all(names.map((name) => fired.more(name, 1)));
    await fired.more('Metronome', 16);
    open();
    await Promise.all(names.map((name, n) => fired.more(name, n === 2 ? 5 : 3)));
    await stop();
    const counts = await Promise.all(names.map(async (name) => {
      const first = fired.of(name)[0]!.slot;
      const until = new Date((await rowOf(database, name))!.accounted_to);
      expect(until.getTime() - first.getTime()).toBeGreaterThanOrEqual(1800);
      const { wrong, missed, caughtUp } = await accountOf(database, name, parsePlan('every 0.3 s', 'UTC'), new Date(first.getTime() - 1), until);
      expect([name, wrong]).toEqual([name, []]);
      return { missed, caughtUp };
    }));
    expect(counts).toEqual([
      { missed: { busy: expect.any(Number) }, caughtUp: 0 },
      { missed: { busy: expect.any(Number) }, caughtUp: expect.toSatisfy((count: number) => count >= 1) },
      { missed: { busy: expect.any(Number) }, caughtUp: expect.toSatisfy((count: number) => count >= 3) },
    ]);
  });
});

describe('the event loop', () => {
  it('that is blocked is named as the reason', async () => {
    const { fired, stop, lines } = await startSchedulers(database, 1, [{ taskName: 'Often', schedule: 0.2 }]);
    await fired.more('Often', 2);
    await vi.waitFor(async () => expect((await ticksOf(database, 'Often')).at(-1)).toMatchObject({ outcome: 'finished' }), { interval: 5 });
    const until = performance.now() + 1500;
    while (performance.now() < until);
    await fired.more('Often', 2);
    await stop();
    expect((await story('Often')).filter((tick) => tick === 'schedule, missed, blocked').length).toBeGreaterThanOrEqual(5);
    expect(lines).toContainEqual(expect.stringMatching(/^info: "Often": \d slots from .* missed: a daemon was there but did not come to it/));
  });
});

describe('what a runner says', () => {
  it('of its policy lies in the table, and follows the code', async () => {
    await sync({ ...HALF_HOURLY, missedSlots: { all: 7 } });
    expect(await rowOf(database, 'Chore')).toMatchObject({ missed_slots: 'all 7' });
    await sync({ ...HALF_HOURLY, missedSlots: 'once' });
    expect(await rowOf(database, 'Chore')).toMatchObject({ missed_slots: 'once' });
  });

  it.each([[{ all: 0 }], [{ all: 1.5 }], ['never'], [null], [{ all: 5000 }]])('that is no policy stops the start: %j', async (missedSlots) => {
    await expect(sync({ ...HALF_HOURLY, missedSlots: missedSlots as MissedSlots })).rejects.toThrow(/The runner of "Chore": missedSlots should be 'skip', 'once' or \{ all: n \} with n from 1 to 1000; found/);
  });
});
