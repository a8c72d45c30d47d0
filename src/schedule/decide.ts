import type { MissedSlots } from '../runner/runner.ts';
import { newestOf, openStretches, within, type Ledger } from './ledger.ts';
import { missedRows, reasonOf, type MissedReason, type MissedRow, type Trouble } from './missed.ts';

/** A slot that is come to no later than this is fired as if on time, whatever the policy, if nothing newer has come. */
export const LATE_SECONDS = 60;

/** What is known of the time since the last slot that is accounted for. */
export interface Evidence {
  /** The database's clock. */
  now: Date;
  /** Ticks of the runner in that time, of any cause; the end is Infinity while one runs. Milliseconds. */
  ticks: readonly { startedMs: number; endedMs: number; finished: boolean }[];
  /** Slots in that time that have a tick of their own, oldest first: they came once before a clock was set back. */
  fired: readonly Date[];
  /** What else kept daemons from firing, of one kind the first that covers a slot going first. */
  troubles: readonly Trouble[];
  /** Where nothing else explains it. */
  otherwise: MissedReason;
}

/** What becomes of slots that have come: some are missed, then perhaps one is run. */
export interface Decision {
  /** Everything up to here is then accounted for. */
  accountedTo: Date;
  run?: { slot: Date; cause: 'schedule' | 'catch-up'; reason: MissedReason | null };
  missed: MissedRow[];
}

/**
 * What becomes of the slots that have come and are not accounted for, while the runner is free. The newest one is fired if it
 * is hardly late; of the others the policy says whether they are caught up. One slot is run at a time, in their order, so what is
 * to be caught up after it stays open.
 *
 * @returns undefined where no slot is open
 */
export function decide(ledger: Ledger, policy: MissedSlots, evidence: Evidence): Decision | undefined {
  const fired = evidence.fired.find((slot) => slot <= evidence.now);
  const until = fired === undefined ? evidence.now : new Date(fired.getTime() - 1);
  const open = openStretches(ledger, until);
  const newest = newestOf(open, 1)[0];
  if (newest === undefined) return fired === undefined ? undefined : { accountedTo: fired, missed: [] };

  const busy = evidence.ticks.map(({ startedMs, endedMs }): Trouble => ({ fromMs: startedMs, untilMs: endedMs, reason: 'busy' }));
  // Without the database, a tick could not be ended either.
  const isStronger = ({ reason }: Trouble) => reason === 'database away' || reason === 'asleep';
  const troubles = [...evidence.troubles.filter(isStronger), ...busy, ...evidence.troubles.filter((trouble) => !isStronger(trouble))];
  const lateSeconds = (evidence.now.getTime() - newest.getTime()) / 1000;
  const isOnTime = lateSeconds <= LATE_SECONDS && reasonOf(newest, busy, 'no daemon') !== 'busy';
  const slot = slotToRun();
  const missedUntil = slot === undefined ? newest : new Date(slot.getTime() - 1);
  const decision = { accountedTo: slot ?? newest, missed: missedRows(within(open, ledger.accountedTo, missedUntil), troubles, evidence.otherwise) };
  if (slot === undefined) return decision;
  if (isOnTime && slot.getTime() === newest.getTime()) return { ...decision, run: { slot, cause: 'schedule', reason: null } };
  return { ...decision, run: { slot, cause: 'catch-up', reason: reasonOf(slot, troubles, evidence.otherwise) } };

  function slotToRun(): Date | undefined {
    if (typeof policy === 'object') {
      const wanted = newestOf(open, policy.all + (isOnTime ? 1 : 0));
      return wanted[0];
    }
    if (isOnTime) return newest;
    // A run since then has done what the slot was for.
    const hasRunSince = evidence.ticks.some(({ startedMs, finished }) => finished && startedMs > newest!.getTime());
    return policy === 'once' && !hasRunSince ? newest : undefined;
  }
}

