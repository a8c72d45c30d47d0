import { createTask, type Logger as CronLogger } from 'node-cron';
import type { Logger } from '../log.ts';
import { slotCoordinator } from './coordinator.ts';
import type { CronPlan } from './plan.ts';
import { missed, type SlotActs, type SlotTimer } from './slot-timer.ts';

/** A slot that this process comes to later than this is left to the next one, of which nothing is known to be late. */
const LATEST_SECONDS = 60;

/** Fires a cron plan by node-cron's timer, each slot once over all daemons. */
export function startCronTimer(plan: CronPlan, acts: SlotActs): SlotTimer {
  const { name, log } = acts;
  const coordinator = slotCoordinator(name, acts.take);
  const task = createTask(
    plan.pattern,
    async ({ date }) => {
      const tick = coordinator.taken(date);
      if (tick !== undefined) await acts.run(tick);
    },
    {
      name,
      timezone: plan.timeZone,
      distributed: true,
      runCoordinator: coordinator,
      // Spares the database a question; over the daemons it is the coordinator that sees to it.
      noOverlap: true,
      missedExecutionTolerance: LATEST_SECONDS * 1000,
      logger: cronLogger(log),
    },
  );
  let passed: Date[] = [];
  task.on('execution:missed', ({ date }) => {
    // node-cron says them one by one, all in one go.
    if (passed.push(date) > 1) return;
    queueMicrotask(() => {
      missed(name, passed[0]!, passed.at(-1)!, log);
      passed = [];
    });
  });
  void task.start();
  return { stop: () => void task.destroy() };
}

// What it warns of (a slot that came while a tick was running, a late timer) is everyday here.
function cronLogger(log: Logger): CronLogger {
  const debug = (message: string | Error) => log.debug(String(message));
  return {
    info: debug,
    warn: debug,
    debug,
    error: (message, error) => log.error({ err: error ?? message }, String(message)),
  };
}
