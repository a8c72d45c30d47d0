import { describe, expect, it } from 'vitest';
import { decide } from '../../src/schedule/decide.ts';
import type { Ledger } from '../../src/schedule/ledger.ts';
import { storedPlan } from '../../src/schedule/plan.ts';
import { slotsOf } from '../../src/schedule/slots.ts';

const HOUR = 3_600_000;
const TWO_HOURS = 2 * HOUR;

/*
 * A daemon that wakes every so often lives through the days on which the clocks are changed. Each slot of the plan is run or
 * recorded once; local times that do not exist are no slots, and those that come twice are slots once.
 */
function livesThrough(pattern: string, timeZone: string, change: string, wakesEverySeconds: number) {
  const [from, until] = [Date.parse(change) - TWO_HOURS, Date.parse(change) + TWO_HOURS];
  const found: { slot: Date; how: string }[] = [];
  const ledger: Ledger = { inForce: { pattern, timeZone, enabled: true }, earlier: [], accountedTo: new Date(from) };
  for (let now = from; now <= until; now += wakesEverySeconds * 1000) {
    for (;;) {
      const decision = decide(ledger, 'skip', { now: new Date(now), ticks: [], fired: [], troubles: [], otherwise: 'asleep' });
      if (decision === undefined) break;
      for (const { slot, lastSlot } of decision.missed) {
        const plan = storedPlan(pattern, timeZone)!;
        found.push(...slotsOf({ plan, after: new Date(slot.getTime() - 1), until: lastSlot ?? slot }).map((one) => ({ slot: one, how: 'missed' })));
      }
      if (decision.run !== undefined) found.push({ slot: decision.run.slot, how: 'fired' });
      ledger.accountedTo = decision.accountedTo;
    }
  }
  const local = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  return found.toSorted((a, b) => a.slot.getTime() - b.slot.getTime()).map(({ slot, how }) => ({ utc: slot.toISOString().slice(5, 19), local: local.format(slot).slice(5), how }));
}

// The instant of the change; a local time that does not exist then, or that comes twice.
const GAPS: [zone: string, change: string, pattern: string][] = [
  ['Europe/Berlin', '2026-03-29T01:00:00Z', '30 2 * * *'],
  ['America/New_York', '2026-03-08T07:00:00Z', '30 2 * * *'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', '15 2 * * *'],
  ['America/Santiago', '2026-09-06T04:00:00Z', '30 0 * * *'],
];
const FOLDS: [zone: string, change: string, pattern: string][] = [
  ['Europe/Berlin', '2026-10-25T01:00:00Z', '30 2 * * *'],
  ['America/New_York', '2026-11-01T06:00:00Z', '30 1 * * *'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', '45 1 * * *'],
  ['America/Santiago', '2026-04-05T03:00:00Z', '30 23 * * *'],
];

describe('where the clocks go forward', () => {
  it.each(GAPS)('in %s at %s, the time of "%s" that does not exist is no slot, neither fired nor missed', (zone, change, pattern) => {
    expect(livesThrough(pattern, zone, change, 60)).toEqual([]);
    // A day before and a day after there is one.
    const plan = storedPlan(pattern, zone)!;
    for (const days of [-1, 1]) {
      const at = Date.parse(change) + days * 24 * HOUR;
      expect(slotsOf({ plan, after: new Date(at - TWO_HOURS), until: new Date(at + TWO_HOURS) })).toHaveLength(1);
    }
  });

  it.each(GAPS)('in %s at %s, every minute that there is is fired once', (zone, change) => {
    const lived = livesThrough('* * * * *', zone, change, 60);
    expect(lived).toHaveLength(4 * 60);
    expect(new Set(lived.map(({ local }) => local)).size).toBe(4 * 60);
    expect(lived.every(({ how }) => how === 'fired')).toBe(true);
  });
});

describe('where the clocks go back', () => {
  it.each(FOLDS)('in %s at %s, the time of "%s" that comes twice is fired once', (zone, change, pattern) => {
    expect(livesThrough(pattern, zone, change, 60)).toMatchObject([{ how: 'fired' }]);
  });

  it.each(FOLDS)('in %s at %s, no minute of the clock is fired twice, and none is recorded as missed', (zone, change) => {
    const lived = livesThrough('* * * * *', zone, change, 60);
    expect(lived).toHaveLength(4 * 60 - (zone === 'Australia/Lord_Howe' ? 30 : 60));
    expect(new Set(lived.map(({ local }) => local)).size).toBe(lived.length);
    expect(lived.every(({ how }) => how === 'fired')).toBe(true);
  });
});

describe.each([...GAPS, ...FOLDS])('in %s at %s', (zone, change, pattern) => {
  it('a daemon that sleeps through the change finds the same slots as one that is awake', () => {
    for (const one of ['*/10 * * * *', pattern]) {
      const awake = livesThrough(one, zone, change, 60);
      expect(livesThrough(one, zone, change, 4 * 3600).map(({ utc }) => utc)).toEqual(awake.map(({ utc }) => utc));
    }
  });

  it('an interval knows nothing of the clocks', () => {
    const lived = livesThrough('every 1800 s', zone, change, 60);
    expect(lived).toHaveLength(8);
    expect(lived.every(({ how }) => how === 'fired')).toBe(true);
  });
});
