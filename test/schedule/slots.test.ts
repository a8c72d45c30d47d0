import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePlan } from '../../src/schedule/plan.ts';
import { countSlots, newestSlots, slotsOf } from '../../src/schedule/slots.ts';

const stretch = (pattern: string, timeZone: string, after: string, until: string) => ({ plan: parsePlan(pattern, timeZone), after: new Date(after), until: new Date(until) });

// Zones whose clocks are changed by an hour, by half an hour, by two, at a minute past midnight, by a day, and not at all.
const CHANGES: [zone: string, after: string, until: string][] = [
  ['Europe/Berlin', '2026-03-28T22:13:01Z', '2026-03-29T03:40:00Z'],
  ['Europe/Berlin', '2026-10-24T22:13:01Z', '2026-10-25T03:40:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T12:13:01Z', '2026-04-04T18:40:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T12:13:01Z', '2026-10-03T18:40:00Z'],
  ['Antarctica/Troll', '2026-03-28T23:13:01Z', '2026-03-29T04:40:00Z'],
  ['America/St_Johns', '2010-11-07T00:13:01Z', '2010-11-07T06:40:00Z'],
  ['Pacific/Apia', '2011-12-30T07:13:01Z', '2011-12-30T12:40:00Z'],
  ['Asia/Kathmandu', '2026-10-24T22:13:01Z', '2026-10-25T03:40:00Z'],
  ['UTC', '2026-10-24T22:13:01Z', '2026-10-25T03:40:00Z'],
];

describe('slots are counted', () => {
  it.each(CHANGES)('as many as there are, over a change of the clocks in %s after %s', (zone, after, until) => {
    for (const pattern of ['*/7 */9 * * * *', '* * * * *', '*/30 * * * *', '30 2 * * *', '59 59 23,0,1,2 * * *']) {
      const given = stretch(pattern, zone, after, until);
      expect([pattern, countSlots(given)]).toEqual([pattern, slotsOf(given).length]);
    }
  });

  it('as many as there are, anywhere', () => {
    const step = fc.integer({ min: 7, max: 40 }).map((by) => `*/${by}`);
    const field = (max: number) => fc.oneof(fc.constant('*'), fc.integer({ min: 0, max }).map(String), step);
    const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe');
    const second = fc.oneof(fc.integer({ min: 0, max: 59 }).map(String), step);
    const begin = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2030, 0) });
    fc.assert(
      fc.property(second, field(59), zone, begin, fc.integer({ min: 0, max: 3 * 3_600_000 }), (seconds, minutes, timeZone, after, long) => {
        const given = { plan: parsePlan(`${seconds} ${minutes} * * * *`, timeZone), after: new Date(after), until: new Date(after + long) };
        const all = slotsOf(given);
        return countSlots(given) === all.length && newestSlots(given, 3).join() === all.slice(-3).join();
      }),
      { numRuns: 60 },
    );
  });

  it('a week of seconds in far less than a second, by cron and by interval', () => {
    for (const pattern of ['* * * * * *', 'every 1 s']) {
      const begun = performance.now();
      expect(countSlots(stretch(pattern, 'Europe/Berlin', '2026-03-01T00:00:00Z', '2026-03-08T00:00:00Z'))).toBe(604_800);
      expect(performance.now() - begun).toBeLessThan(1000);
    }
  });

  it('none where the end is before the beginning', () => {
    for (const pattern of ['* * * * * *', 'every 1 s']) expect(countSlots(stretch(pattern, 'UTC', '2026-03-08T00:00:00Z', '2026-03-07T00:00:00Z'))).toBe(0);
  });
});

describe('the newest slots', () => {
  it.each([
    ['0 3 * * *', 2, ['2026-03-06T03:00:00.000Z', '2026-03-07T03:00:00.000Z']],
    ['* * * * * *', 1, ['2026-03-07T12:00:00.000Z']],
    ['every 7200 s', 2, ['2026-03-07T10:00:00.000Z', '2026-03-07T12:00:00.000Z']],
    ['0 0 29 2 *', 2, []],
    ['0 3 * * *', 0, []],
  ])('of %s, %i of them, come in their order', (pattern, count, expected) => {
    expect(newestSlots(stretch(pattern, 'UTC', '2026-03-01T00:00:00Z', '2026-03-07T12:00:00Z'), count).map((slot) => slot.toISOString())).toEqual(expected);
  });
});
