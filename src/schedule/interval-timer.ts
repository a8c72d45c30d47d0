import type { Clock } from '../clock.ts';
import type { IntervalPlan } from './plan.ts';
import { missed, type SlotActs, type SlotTimer } from './slot-timer.ts';

// setTimeout counts to 2^31 ms at most, and after a sleep of the machine a short step finds back sooner.
const LONGEST_WAIT_MS = 3_600_000;

/** Fires an interval plan, each slot once over all daemons. Slots that come while a tick of ours runs are left out. */
export function startIntervalTimer(plan: IntervalPlan, acts: SlotActs, clock: Clock): SlotTimer {
  const { name, log } = acts;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const arm = (slot: Date) => {
    if (stopped) return;
    const waitMs = slot.getTime() - clock.now().getTime();
    timer = setTimeout(() => void beat(slot), Math.min(Math.max(waitMs, 0), LONGEST_WAIT_MS));
  };
  const beat = async (slot: Date) => {
    const nowMs = clock.now().getTime();
    if (nowMs < slot.getTime()) return arm(slot);
    // Woken late, only the newest slot counts.
    const newest = new Date(Math.floor(nowMs / plan.everyMs) * plan.everyMs);
    if (newest > slot) missed(name, slot, new Date(newest.getTime() - plan.everyMs), log);
    try {
      const tick = await acts.take(newest);
      if (tick !== undefined) await acts.run(tick);
    } catch (error) {
      log.error({ err: error }, `"${name}": the slot ${newest.toISOString()} is left out, the database did not say whether it is ours.`);
    }
    arm(plan.next(clock.now())!);
  };

  arm(plan.next(clock.now())!);
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
