import type { MissedSlots } from '../runner/runner.ts';
import { within, countOf, newestOf } from './ledger.ts';
import { slotsOf, type Stretch } from './slots.ts';

/** Why a slot was not fired at its time. */
export type MissedReason = 'busy' | 'database away' | 'asleep' | 'blocked' | 'no daemon';

/** The same in words for people. */
export const MISSED_REASONS: Readonly<Record<MissedReason, string>> = {
  busy: 'the runner was still busy with an earlier tick',
  'database away': 'the database was away or did not answer in time',
  asleep: 'the machine slept, or its clock was set forward',
  blocked: 'a daemon was there but did not come to it: its event loop was blocked, or it was just starting or stopping',
  'no daemon': 'no daemon ran',
};

/** A time of which it is known why no slot was fired in it: from an instant to another one, both included; milliseconds of the database's clock. */
export interface Trouble {
  fromMs: number;
  untilMs: number;
  reason: MissedReason;
}

/** Missed slots as a row of `tick` says them: one, or from the first to the last of so many. */
export interface MissedRow {
  slot: Date;
  /** Null for a single slot. */
  lastSlot: Date | null;
  slots: number;
  reason: MissedReason;
}

/** Slots that were missed for one reason in one go get a row each up to this many, and one row together beyond. */
const MOST_ROWS = 100;

/**
 * The rows for slots that were missed.
 *
 * @param troubles why, the first one that covers a slot's time going first
 * @param otherwise where none does
 */
export function missedRows(stretches: readonly Stretch[], troubles: readonly Trouble[], otherwise: MissedReason): MissedRow[] {
  return byReason(stretches, troubles, otherwise).flatMap(({ reason, parts }): MissedRow[] => {
    const count = countOf(parts);
    if (count === 0) return [];
    if (count <= MOST_ROWS) return parts.flatMap(slotsOf).map((slot) => ({ slot, lastSlot: null, slots: 1, reason }));
    const [{ plan, after }] = parts as [Stretch, ...Stretch[]];
    const first = plan.next(after)!;
    return [{ slot: first, lastSlot: newestOf(parts, 1)[0]!, slots: count, reason }];
  });
}

/** Why a slot was missed. */
export function reasonOf(slot: Date, troubles: readonly Trouble[], otherwise: MissedReason): MissedReason {
  const at = slot.getTime();
  return troubles.find(({ fromMs, untilMs }) => fromMs <= at && at <= untilMs)?.reason ?? otherwise;
}

/** The stretches cut where the reason changes, neighbours with the same reason together. */
function byReason(stretches: readonly Stretch[], troubles: readonly Trouble[], otherwise: MissedReason): { reason: MissedReason; parts: Stretch[] }[] {
  const [first, last] = [stretches[0], stretches.at(-1)];
  if (first === undefined || last === undefined) return [];
  // A part begins after its start, so a trouble begins a millisecond before its own: slots are whole milliseconds.
  const cuts = troubles.flatMap(({ fromMs, untilMs }) => [Math.ceil(fromMs) - 1, Math.floor(untilMs)]).filter((ms) => ms > first.after.getTime() && ms < last.until.getTime());
  const edges = [...new Set([first.after.getTime(), ...cuts, last.until.getTime()])].toSorted((a, b) => a - b);
  const found: { reason: MissedReason; parts: Stretch[] }[] = [];
  for (const [at, edge] of edges.slice(1).entries()) {
    const parts = within(stretches, new Date(edges[at]!), new Date(edge)).filter((part) => countOf([part]) > 0);
    if (parts.length === 0) continue;
    const reason = reasonOf(new Date(edge), troubles, otherwise);
    const before = found.at(-1);
    if (before?.reason === reason) before.parts.push(...parts);
    else found.push({ reason, parts });
  }
  return found;
}

/** A policy as the schedule table keeps it: `skip`, `once`, `all 5`. */
export function policyText(policy: MissedSlots): string {
  return typeof policy === 'string' ? policy : `all ${policy.all}`;
}

/** The policy that a text of the schedule table says. */
export function policyOf(text: string): MissedSlots {
  const all = /^all (\d+)$/.exec(text)?.[1];
  if (all !== undefined) return { all: Number(all) };
  return text === 'once' ? 'once' : 'skip';
}
