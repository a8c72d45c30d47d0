import fc from 'fast-check';
import { createTask } from 'node-cron';
import { describe, expect, it, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { parsePlan, patternOf } from '../../src/schedule/plan.ts';

const at = (text: string) => new Date(text);

/** The slots after an instant, as `mm-dd hh:mm` UTC, seconds where there are some. */
function slots(pattern: string, timeZone: string, after: string, count: number): string[] {
  const plan = parsePlan(pattern, timeZone);
  const found: string[] = [];
  for (let slot = at(after); found.length < count; ) {
    slot = plan.next(slot)!;
    found.push(slot.toISOString().slice(5, 19).replace('T', ' ').replace(/:00$/, ''));
  }
  return found;
}

describe('cron', () => {
  it.each([
    ['* * * * *', 'UTC', '2026-01-01T00:00:00Z', ['01-01 00:01', '01-01 00:02']],
    ['*/30 * * * * *', 'UTC', '2026-01-01T00:00:00.999Z', ['01-01 00:00:30', '01-01 00:01']],
    ['0 3 * * *', 'America/New_York', '2026-01-01T12:00:00Z', ['01-02 08:00', '01-03 08:00']],
    ['0 0 * * *', 'Asia/Kolkata', '2026-01-01T12:00:00Z', ['01-01 18:30', '01-02 18:30']],
    ['0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', ['02-29 00:00']],
    ['0 12 L * *', 'UTC', '2026-02-01T00:00:00Z', ['02-28 12:00', '03-31 12:00']],
    ['@daily', 'UTC', '2026-01-01T12:00:00Z', ['01-02 00:00']],
    // Both days must match: Friday the 13th.
    ['0 0 13 * 5', 'UTC', '2026-01-01T00:00:00Z', ['02-13 00:00', '03-13 00:00', '11-13 00:00']],
  ])('%s in %s, after %s', (pattern, timeZone, after, expected) => {
    expect(slots(pattern, timeZone, after, expected.length)).toEqual(expected);
  });

  // Europe/Berlin: 01:00 UTC on 2026-03-29 is the step from 02:00 to 03:00, on 2026-10-25 the step from 03:00 back to 02:00.
  it.each([
    ['a time that does not exist is left out that day', '30 2 * * *', '2026-03-28T00:10:00Z', ['03-28 01:30', '03-30 00:30']],
    ['a time after the gap comes on time', '30 3 * * *', '2026-03-28T03:00:00Z', ['03-29 01:30', '03-30 01:30']],
    ['nothing is lost over the gap', '*/30 * * * *', '2026-03-29T00:00:00Z', ['03-29 00:30', '03-29 01:00', '03-29 01:30']],
    ['a time that comes twice fires once', '30 2 * * *', '2026-10-24T00:10:00Z', ['10-24 00:30', '10-25 01:30', '10-26 01:30']],
    ['the hour that comes twice counts once', '*/30 * * * *', '2026-10-24T23:00:00Z', ['10-24 23:30', '10-25 01:00', '10-25 01:30', '10-25 02:00']],
  ])('over a change of the clocks, %s', (_rule, pattern, after, expected) => {
    expect(slots(pattern, 'Europe/Berlin', after, expected.length)).toEqual(expected);
  });

  it.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Antarctica/Troll', 'America/Santiago'])(
    'the slots around the hour that comes twice in %s are the same from wherever one asks',
    (timeZone) => {
      const year = Array.from({ length: 366 }, (_, day) => Date.UTC(2026, 0, 1 + day));
      const hours = (ms: number) => Number(new Intl.DateTimeFormat('en', { timeZone, hour: 'numeric', minute: 'numeric', hourCycle: 'h23' }).format(ms).replace(':', '.'));
      const change = year.find((ms) => hours(ms + 86_400_000) < hours(ms) && hours(ms) - hours(ms + 86_400_000) < 3)!;
      const plan = parsePlan('*/10 * * * *', timeZone);
      const chain: number[] = [];
      for (let slot = new Date(change); slot.getTime() < change + 86_400_000; slot = plan.next(slot)!) chain.push(slot.getTime());
      for (let ms = change; ms < chain.at(-1)!; ms += 77_000) expect(plan.next(new Date(ms))!.getTime()).toBe(chain.find((slot) => slot > ms));
      expect(chain.length).toBeLessThan(24 * 6);
      expect(chain.length).toBeGreaterThan(21 * 6);
    },
  );

  it('never pauses in UTC', () => {
    expect(slots('0 * * * *', 'UTC', '2026-10-24T22:30:00Z', 5)).toEqual(['10-24 23:00', '10-25 00:00', '10-25 01:00', '10-25 02:00', '10-25 03:00']);
  });

  test.each(['* * * * *', '*/7 * * * * *', '0 4 * * 1-5', '15 10 L * *', '0 0 1 jan *', '0 9 * * mon#2'])(
    'the slots of %s are those of node-cron itself',
    (pattern) => {
      for (const timeZone of ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe']) {
        const task = createTask(pattern, () => {}, { timezone: timeZone });
        const plan = parsePlan(pattern, timeZone);
        const [first, ...rest] = task.getNextRuns(20);
        void task.destroy();
        let slot = first!;
        for (const expected of rest) expect((slot = plan.next(slot)!)).toEqual(expected);
      }
    },
  );

  it('gives slots that are later than the instant asked for, and that match', () => {
    const instant = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2060, 0) });
    const step = fc.integer({ min: 2, max: 9 }).map((by) => `*/${by}`);
    const field = (max: number) => fc.oneof(fc.constant('*'), fc.integer({ min: 0, max }).map(String), step);
    const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu');
    fc.assert(
      fc.property(field(59), field(59), field(23), zone, instant, (second, minute, hour, timeZone, after) => {
        const pattern = `${second} ${minute} ${hour} * * *`;
        const next = parsePlan(pattern, timeZone).next(new Date(after))!;
        const task = createTask(pattern, () => {}, { timezone: timeZone });
        void task.destroy();
        return next.getTime() > after && task.match(next);
      }),
      { numRuns: 200 },
    );
  });
});

describe('intervals', () => {
  it('fall on the multiples of their span since 1970', () => {
    expect(slots('every 90 s', 'UTC', '1970-01-01T00:00:00Z', 2)).toEqual(['01-01 00:01:30', '01-01 00:03']);
    const everyMs = fc.integer({ min: 1, max: 10_000_000 });
    fc.assert(
      fc.property(everyMs, fc.integer({ min: 0, max: Date.UTC(2100, 0) }), (ms, after) => {
        const next = parsePlan(patternOf(ms / 1000), 'UTC').next(new Date(after))!.getTime();
        return next % ms === 0 && next > after && next - after <= ms;
      }),
    );
  });

  it('are kept as text that reads back the same', () => {
    expect(patternOf(60)).toBe('every 60 s');
    expect(patternOf(0.1 + 0.2)).toBe('every 0.3 s');
    expect(parsePlan('every  060s', 'UTC').pattern).toBe('every 60 s');
    expect(parsePlan(' 0  3 *\t* * ', 'UTC').pattern).toBe('0 3 * * *');
  });
});

describe('what cannot be read', () => {
  it.each([
    ['', /five fields/],
    ['* * * *', /found "\* \* \* \*": expected 5 or 6 fields but got 4/],
    ['61 * * * *', /61 is no valid expression for minute/],
    ['99 99 * * *', /minute; 99 is no valid expression for hour/],
    ['*/0 * * * *', /no valid expression/],
    ['* * * * funday', /funday/],
    ['@reboot', /@reboot/],
    ['0 0 30 2 *', /impossible/],
    ['0 0 1 * mon#2', /never fires/],
    ['every 0 s', /found "every 0 s"/],
    ['every -5 s', /number of seconds/],
    ['every 0.0001 s', /three decimals/],
    ['every minute', /like "every 30 s"/],
    [patternOf(Number.NaN), /"every NaN s"/],
    [patternOf(Infinity), /"every Infinity s"/],
  ])('the pattern %j is refused with a sentence', (pattern, message) => {
    expect(() => parsePlan(pattern, 'UTC')).toThrow(ConfigError);
    expect(() => parsePlan(pattern, 'UTC')).toThrow(message);
  });

  it.each([
    ['Europe/Berlln', /found "Europe\/Berlln". Did you mean "Europe\/Berlin"\?/],
    ['', /found ""/],
    ['Mars/Olympus Mons', /found "Mars/],
  ])('the time zone %j is refused with a sentence', (timeZone, message) => {
    expect(() => parsePlan('* * * * *', timeZone)).toThrow(ConfigError);
    expect(() => parsePlan('every 5 s', timeZone)).toThrow(message);
  });
});
