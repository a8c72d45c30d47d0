import { storedPlan, type Plan } from './plan.ts';
import { countSlots, newestSlots, type Stretch } from './slots.ts';

/** A plan that was in force until an instant; a pattern of null stands for a time in which the schedule was off. */
export interface Era {
  pattern: string | null;
  timeZone: string;
  /** ISO 8601, as it is kept. */
  until: string;
}

/** How far the slots of a schedule are accounted for, each of them fired, caught up or recorded as missed, and what plan says which come next. */
export interface Ledger {
  inForce: { pattern: string; timeZone: string; enabled: boolean };
  /** What was in force before, as far as slots of it are not yet accounted for; oldest first. */
  earlier: readonly Era[];
  /** Every slot up to here is accounted for. */
  accountedTo: Date;
}

/** The plan in force; undefined while the schedule is off, or where it cannot be read. */
export function planOf({ inForce }: Pick<Ledger, 'inForce'>): Plan | undefined {
  return inForce.enabled ? storedPlan(inForce.pattern, inForce.timeZone) : undefined;
}

/** The times since the last slot that is accounted for, each with the plan that was in force then, up to an instant. */
export function openStretches(ledger: Ledger, until: Date): Stretch[] {
  const stretches: Stretch[] = [];
  let after = ledger.accountedTo;
  const add = (plan: Plan | undefined, to: Date) => {
    if (to <= after) return;
    if (plan !== undefined) stretches.push({ plan, after, until: to });
    after = to;
  };
  for (const era of ledger.earlier) add(eraPlan(era), earlierOf(new Date(era.until), until));
  add(planOf(ledger), until);
  return stretches;
}

/** The first slot that is not accounted for, come or to come. */
export function firstOpen(ledger: Ledger): Date | undefined {
  let after = ledger.accountedTo;
  for (const era of ledger.earlier) {
    const until = new Date(era.until);
    const slot = eraPlan(era)?.next(after);
    if (slot !== undefined && slot <= until) return slot;
    if (until > after) after = until;
  }
  return planOf(ledger)?.next(after);
}

/** How many slots there are. */
export function countOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, stretch) => sum + countSlots(stretch), 0);
}

/** The newest slots, `count` at most, the oldest of them first. */
export function newestOf(stretches: readonly Stretch[], count: number): Date[] {
  const found: Date[] = [];
  for (const stretch of stretches.toReversed()) {
    if (found.length < count) found.unshift(...newestSlots(stretch, count - found.length));
  }
  return found;
}

/** The part of some stretches after an instant, up to and including another one. */
export function within(stretches: readonly Stretch[], after: Date, until: Date): Stretch[] {
  return stretches.flatMap((stretch) => {
    const part = { plan: stretch.plan, after: laterOf(stretch.after, after), until: earlierOf(stretch.until, until) };
    return part.after < part.until ? [part] : [];
  });
}

/** What is left of the earlier plans when more slots are accounted for. */
export function erasAfter(earlier: readonly Era[], accountedTo: Date): Era[] {
  return earlier.filter((era) => new Date(era.until) > accountedTo);
}

/**
 * The ledger of a schedule whose plan is being changed: slots that have come until now stay those of the plan that was in force.
 *
 * @param now whole milliseconds, of the database's clock
 */
export function closeEra(ledger: Ledger, now: Date): Pick<Ledger, 'earlier' | 'accountedTo'> {
  const earlier = erasAfter(ledger.earlier, ledger.accountedTo);
  const { pattern, timeZone } = ledger.inForce;
  const isOpen = openStretches({ ...ledger, earlier }, now).some((stretch) => countSlots(stretch) > 0);
  if (!isOpen) return { earlier: [], accountedTo: laterOf(ledger.accountedTo, now) };
  return { earlier: [...earlier, { pattern: planOf(ledger) === undefined ? null : pattern, timeZone, until: now.toISOString() }], accountedTo: ledger.accountedTo };
}

const eraPlan = ({ pattern, timeZone }: Era): Plan | undefined => (pattern === null ? undefined : storedPlan(pattern, timeZone));
const earlierOf = (a: Date, b: Date): Date => (a < b ? a : b);
const laterOf = (a: Date, b: Date): Date => (a > b ? a : b);
