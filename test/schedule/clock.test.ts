import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { openDatabase } from '../../src/db/database.ts';
import { ClockSkew } from '../../src/schedule/clock-skew.ts';
import { DatabaseTime } from '../../src/schedule/database-time.ts';
import { parsePlan } from '../../src/schedule/plan.ts';
import { createDatabase, createDatabaseAddress } from '../harness.ts';
import { accountOf } from './account-of.ts';
import { listeningLog, rowOf, type GivenRunner } from './given.ts';
import { startSchedulers } from './start.ts';

const SECONDLY: GivenRunner[] = [{ taskName: 'Cron', schedule: '* * * * * *', timeZone: 'Europe/Berlin' }, { taskName: 'Interval', schedule: 0.5 }];
const PLANS = { Cron: parsePlan('* * * * * *', 'UTC'), Interval: parsePlan('every 0.5 s', 'UTC') };

/** A clock that a test may set. */
class SetClock implements Clock {
  jumpSeconds = 0;
  now = () => new Date(Date.now() + this.jumpSeconds * 1000);
  monotonicMs = systemClock.monotonicMs;
}

/** No slot twice, none without an explanation, from the first that was fired to the last that is accounted for. */
async function nothingWrong(database: Database, fromRunner: (name: string) => Date): Promise<Record<string, Record<string, number>>> {
  const found: Record<string, Record<string, number>> = {};
  for (const [name, plan] of Object.entries(PLANS)) {
    const until = new Date((await rowOf(database, name))!.accounted_to);
    const { wrong, missed, fired } = await accountOf(database, name, plan, new Date(fromRunner(name).getTime() - 1), until);
    expect([name, wrong]).toEqual([name, []]);
    found[name] = { ...missed, fired };
  }
  return found;
}

describe('a machine whose clock is set', () => {
  let database: Database;
  beforeAll(async () => {
    database = await createDatabase();
  });
  beforeEach(async () => {
    await database.em().execute(`truncate schedule, tick`);
  });

  it('by 90 s, forward or back, goes on firing each slot once, at its time', async () => {
    const clock = new SetClock();
    const { fired, stop, lines, schedulers } = await startSchedulers(database, 2, SECONDLY, { clock });
    await Promise.all([fired.more('Cron', 1), fired.more('Interval', 1)]);
    for (const jumpSeconds of [90, -90, 0]) {
      clock.jumpSeconds = jumpSeconds;
      await schedulers[0]!.reload();
      const { slot } = await fired.more('Interval', 2);
      expect(Math.abs(slot.getTime() - Date.now())).toBeLessThan(400);
    }
    await fired.more('Cron', 1);
    await stop();
    const counts = await nothingWrong(database, (name) => fired.of(name)[0]!.slot);
    expect([counts.Cron, counts.Interval]).toEqual([{ fired: fired.of('Cron').length }, { fired: fired.of('Interval').length }]);
    const warnings = lines.filter((line) => line.startsWith('warn')).join();
    expect(warnings).toContain('ahead of the database\'s');
    expect(warnings).toContain('behind the database\'s');
  });
});

describe('a database whose clock is set', () => {
  /** A database whose `clock_timestamp()` is ahead by as much as a table says: ours comes before PostgreSQL's in the search path. */
  async function settable() {
    const address = await createDatabaseAddress();
    const setter = await openDatabase(address);
    await setter.em().execute(`
      create schema fake;
      create table fake.ahead (seconds double precision);
      insert into fake.ahead values (0);
      create function fake.clock_timestamp() returns timestamptz volatile language sql as
        $$ select pg_catalog.clock_timestamp() + (select seconds from fake.ahead) * interval '1 second' $$;
      do $$ begin execute format('alter database %I set search_path = public, fake, pg_catalog', current_database()); end $$;`);
    await setter.close();
    const database = await openDatabase(address);
    // Between two ticks: else the one that runs would be what explains the time that is passed over.
    const set = async (seconds: number) => {
      await vi.waitFor(async () => {
        const rows = await database.em().execute<object[]>(
          `update fake.ahead set seconds = ? where not exists (select from tick where ended_at is null) returning seconds`, [seconds],
        );
        expect(rows).toHaveLength(1);
      }, { interval: 5, timeout: 5000 });
    };
    return { database, set };
  }

  it('forward by 90 s and back by 90 s: each slot is fired once or recorded, and what was fired ahead of its time is not fired again', { timeout: 30_000 }, async () => {
    const { database, set } = await settable();
    try {
      const { fired, stop, schedulers, lines } = await startSchedulers(database, 2, SECONDLY);
      await Promise.all([fired.more('Cron', 1), fired.more('Interval', 2)]);
      await set(90);
      await Promise.all([fired.more('Cron', 2), fired.more('Interval', 3)]);
      const ahead = fired.of('Cron').at(-1)!.slot;
      expect(ahead.getTime() - Date.now()).toBeGreaterThan(80_000);
      const counts = await nothingWrong(database, (name) => fired.of(name)[0]!.slot);
      expect([counts.Cron!.asleep, counts.Interval!.asleep]).toEqual([expect.closeTo(90, -1), expect.closeTo(180, -1)]);

      await set(0);
      for (const scheduler of schedulers) await scheduler.reload();
      await Promise.all([fired.more('Cron', 2), fired.more('Interval', 3)]);
      expect(Math.abs(fired.of('Cron').at(-1)!.slot.getTime() - Date.now())).toBeLessThan(2000);
      await stop();
      const now = new Date((await rowOf(database, 'Cron'))!.accounted_to);
      for (const [name, plan] of Object.entries(PLANS)) {
        const { wrong } = await accountOf(database, name, plan, new Date(fired.of(name)[0]!.slot.getTime() - 1), new Date(now.getTime() - 1000));
        expect([name, wrong]).toEqual([name, []]);
        const slots = fired.of(name).map(({ slot }) => slot.getTime());
        expect(new Set(slots).size).toBe(slots.length);
      }
      expect(lines).toContainEqual(expect.stringMatching(/^warn: The slots of "Cron" are accounted for until .* the database's clock was set back/));
    } finally {
      await database.close();
    }
  });
});

describe('the time of the database', () => {
  it('is believed as far as an answer demands, and told forward by the monotonic clock', () => {
    let monotonic = 1000;
    const time = new DatabaseTime({ now: () => new Date(5), monotonicMs: () => monotonic });
    expect(time.nowMs()).toBe(5);
    time.heard(900, 1000, 50_000);
    expect(time.nowMs()).toBe(50_050);
    monotonic = 3000;
    expect(time.nowMs()).toBe(52_050);
    // Somewhere from 51,000 to 52,000 by a slow answer, which does not contradict.
    expect(time.heard(2000, 3000, 51_500)).toBe(0);
    expect(time.heard(2990, 3000, 140_000)).toBe(87_950);
    expect(time.nowMs()).toBe(140_000);
    expect(time.heard(2990, 3000, 52_000)).toBe(-87_990);
  });
});

describe('the difference of the clocks', () => {
  it('is told beyond 2 s, once, and again when it is another or none; half of the round trip is allowed for', () => {
    const { log, lines } = listeningLog();
    let nowMs = 1_000_000;
    const skew = new ClockSkew({ now: () => new Date(nowMs), monotonicMs: () => 0 }, log);
    const compare = (ahead: number, roundTripMs = 0) => skew.compare(roundTripMs, nowMs - ahead * 1000 - roundTripMs / 2);
    for (const ahead of [0, 1.9, -1.9]) compare(ahead);
    compare(3, 2500);
    expect(lines).toEqual([]);
    compare(3);
    compare(4);
    nowMs += 5;
    compare(-90);
    compare(1);
    expect(lines).toEqual([
      expect.stringMatching(/^warn: This machine's clock is 3\.0 s ahead of the database's/),
      expect.stringMatching(/^warn: This machine's clock is 90\.0 s behind the database's/),
      'info: This machine\'s clock agrees with the database\'s again.',
    ]);
  });
});
