import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MissedSlots } from '../../src/runner/runner.ts';
import { decide } from '../../src/schedule/decide.ts';
import { closeEra, erasAfter, firstOpen, type Ledger } from '../../src/schedule/ledger.ts';
import { storedPlan } from '../../src/schedule/plan.ts';
import { slotsOf } from '../../src/schedule/slots.ts';

const BEGIN = Date.UTC(2026, 9, 24, 23, 30);

/** What may happen to a schedule. */
type Happening =
  | { kind: 'passes'; seconds: number }
  | { kind: 'ticks'; seconds: number }
  | { kind: 'edit'; pattern: string; enabled: boolean };

const seconds = fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 9000 }));
const pattern = fc.constantFrom('* * * * *', '*/7 * * * *', '*/20 * * * * *', '30 2 * * *', 'every 90 s', 'every 3600 s');
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('passes' as const), seconds }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ticks' as const), seconds: fc.integer({ min: 0, max: 200 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('edit' as const), pattern, enabled: fc.boolean() }) },
);
const policy: fc.Arbitrary<MissedSlots> = fc.oneof(fc.constantFrom('skip' as const, 'once' as const), fc.record({ all: fc.integer({ min: 1, max: 5 }) }));

/** A schedule to which things happen over the hour that comes twice; which slots there were, and what became of each. */
function live(policyInForce: MissedSlots, happenings: readonly Happening[]) {
  let ledger: Ledger = { inForce: { pattern: '* * * * *', timeZone: 'Europe/Berlin', enabled: true }, earlier: [], accountedTo: new Date(BEGIN) };
  let nowMs = BEGIN;
  let eraFrom = new Date(BEGIN);
  const ticks: { startedMs: number; endedMs: number; finished: boolean }[] = [];
  const slots: number[] = [];
  const became: { ms: number; how: string }[] = [];
  let lastRun = 0;

  const closeHere = () => {
    const plan = ledger.inForce.enabled ? storedPlan(ledger.inForce.pattern, ledger.inForce.timeZone) : undefined;
    if (plan !== undefined) slots.push(...slotsOf({ plan, after: eraFrom, until: new Date(nowMs) }).map((slot) => slot.getTime()));
    eraFrom = new Date(nowMs);
  };
  // One look of a daemon; a tick that it begins lasts so long.
  const visit = (tickSeconds: number): boolean => {
    if (!ledger.inForce.enabled) return false;
    const decision = decide(ledger, policyInForce, {
      now: new Date(nowMs), ticks: ticks.filter(({ endedMs }) => endedMs > ledger.accountedTo.getTime()), fired: [], troubles: [], otherwise: 'no daemon',
    });
    if (decision === undefined) return false;
    for (const { slot, lastSlot, slots: count } of decision.missed) {
      if (count === 1) became.push({ ms: slot.getTime(), how: 'missed' });
      else for (const one of everySlot(slot, lastSlot!)) became.push({ ms: one, how: 'missed' });
    }
    const { accountedTo } = decision;
    ledger = { ...ledger, accountedTo, earlier: erasAfter(ledger.earlier, accountedTo) };
    if (decision.run === undefined) return true;
    const ms = decision.run.slot.getTime();
    expect(ms).toBeGreaterThan(lastRun);
    lastRun = ms;
    became.push({ ms, how: decision.run.cause });
    ticks.push({ startedMs: nowMs, endedMs: nowMs + tickSeconds * 1000, finished: true });
    nowMs += tickSeconds * 1000;
    return true;
  };
  const everySlot = (first: Date, last: Date): number[] =>
    allPlans().flatMap(({ plan, after, until }) => slotsOf({ plan, after: new Date(Math.max(after, first.getTime() - 1)), until: new Date(Math.min(until, last.getTime())) }).map((slot) => slot.getTime()));
  const eras: { plan: NonNullable<ReturnType<typeof storedPlan>>; after: number; until: number }[] = [];
  const allPlans = () => {
    const plan = ledger.inForce.enabled ? storedPlan(ledger.inForce.pattern, ledger.inForce.timeZone) : undefined;
    return plan === undefined ? eras : [...eras, { plan, after: eraFrom.getTime(), until: nowMs }];
  };

  for (const one of happenings) {
    if (one.kind === 'passes') nowMs += one.seconds * 1000;
    if (one.kind === 'ticks') visit(one.seconds);
    if (one.kind === 'edit') {
      const plan = ledger.inForce.enabled ? storedPlan(ledger.inForce.pattern, ledger.inForce.timeZone) : undefined;
      if (plan !== undefined) eras.push({ plan, after: eraFrom.getTime(), until: nowMs });
      closeHere();
      ledger = { inForce: { pattern: one.pattern, timeZone: 'Europe/Berlin', enabled: one.enabled }, ...closeEra(ledger, new Date(nowMs)) };
    }
  }
  // In the end it is on, and a daemon comes to everything.
  if (!ledger.inForce.enabled) {
    closeHere();
    ledger = { inForce: { ...ledger.inForce, enabled: true }, ...closeEra(ledger, new Date(nowMs)) };
  }
  let visits = 0;
  while (visit(0) && visits < 10_000) visits += 1;
  closeHere();
  return { slots, became, ledger, nowMs, visits };
}

describe('whatever happens to a schedule', () => {
  it('every slot is fired, caught up or missed, once, in its order', () => {
    let most = 0;
    fc.assert(
      fc.property(policy, fc.array(happening, { maxLength: 25 }), (policyInForce, happenings) => {
        const { slots, became, ledger, nowMs, visits } = live(policyInForce, happenings);
        expect(visits).toBeLessThan(10_000);
        expect(became.map(({ ms }) => ms).toSorted((a, b) => a - b)).toEqual(slots);
        const next = firstOpen(ledger);
        if (next !== undefined) expect(next.getTime()).toBeGreaterThan(nowMs);
        if (policyInForce === 'skip') expect(became.filter(({ how }) => how === 'catch-up')).toEqual([]);
        most = Math.max(most, slots.length);
      }),
      { numRuns: 150 },
    );
    expect(most).toBeGreaterThan(100);
  });
});
