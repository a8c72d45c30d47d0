import type { CronPlan, Plan, Round } from './plan.ts';
import { offsetMs } from './zone-offset.ts';

/** A time in which one plan is in force: after an instant, up to and including another one. */
export interface Stretch {
  readonly plan: Plan;
  readonly after: Date;
  readonly until: Date;
}

/** Where the search for the newest slots begins to look back. */
const NEAR_MS = 16_000;

/**
 * How many slots a stretch has. A cron plan is counted by the hour and the minute, because a look for its next slot takes 0.1 ms, and a week
 * of seconds would take a minute.
 */
export function countSlots({ plan, after, until }: Stretch): number {
  if (plan.kind === 'interval') {
    const { everyMs } = plan;
    return Math.max(0, Math.floor(until.getTime() / everyMs) - Math.floor(after.getTime() / everyMs));
  }
  let count = 0;
  for (let slot = plan.next(after); slot !== undefined && slot <= until; ) {
    const round = plan.rounds.find((one) => isFirstOf(one, plan, slot!) && endOf(one, slot!) <= until.getTime());
    count += round?.count ?? 1;
    slot = plan.next(round === undefined ? slot : new Date(endOf(round, slot) - 1));
  }
  return count;
}

/** The newest slots of a stretch, `count` at most, the oldest of them first. */
export function newestSlots({ plan, after, until }: Stretch, count: number): Date[] {
  if (count <= 0) return [];
  for (let backMs = NEAR_MS; ; backMs *= 4) {
    const from = new Date(Math.max(after.getTime(), until.getTime() - backMs));
    const found = slotsOf({ plan, after: from, until });
    if (found.length >= count || from <= after) return found.slice(-count);
  }
}

/** All slots of a stretch; ask how many there are first. */
export function slotsOf({ plan, after, until }: Stretch): Date[] {
  const found: Date[] = [];
  for (let slot = plan.next(after); slot !== undefined && slot <= until; slot = plan.next(slot)) found.push(slot);
  return found;
}

const endOf = ({ spanMs, firstMs }: Round, slot: Date) => slot.getTime() - firstMs + spanMs;

/** Whether a slot is the first one of an hour or a minute of its zone that is like any other. */
function isFirstOf(round: Round, { timeZone }: CronPlan, slot: Date): boolean {
  const start = slot.getTime() - round.firstMs;
  const offset = offsetMs(timeZone, start);
  // A change of the clocks at its end is one in it: the time after it may come a second time.
  return (start + offset) % round.spanMs === 0 && offsetMs(timeZone, start + round.spanMs) === offset;
}
