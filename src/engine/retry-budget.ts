import { statement, type Run } from '../db/hot.ts';
import { retryPolicyOf } from '../runner/retry-policy.ts';
import type { ServiceFailure } from './breaker.ts';
import type { EngineTask } from './engine-options.ts';
import type { Verdict } from './settle.ts';

/**
 * Holds a failure against what others went through. An entry whose service nobody is to ask for a while waits for it without
 * using up an attempt of its own, its last one neither; and what goes beyond the task's retries in an hour waits for the next one.
 *
 * @param setbacks of the entry before this attempt
 * @param failed the resource that did not answer, where it was one
 */
export async function withinBudget(run: Run, task: EngineTask, given: Verdict, setbacks: number, failed: (ServiceFailure & { message: string }) | undefined): Promise<Verdict> {
  const verdict = { ...given, waitsFor: failed?.resource };
  if (failed?.openSeconds !== undefined) {
    const dueInSeconds = Math.max(verdict.dueInSeconds ?? 0, failed.openSeconds);
    return { ...verdict, cause: 'postpone', status: task.claimFrom, failure: 'machinery', setbacks, dueInSeconds, reason: `waits for "${failed.resource}": ${failed.message}` };
  }
  if (verdict.cause !== 'postpone') return given;
  const [spent] = await run<{ retries: number; left: number }>(SPEND, [task.id]);
  const { perHour } = retryPolicyOf(task.runner);
  if (spent === undefined || spent.retries <= perHour) return verdict;
  // Not all in the first second of the hour.
  const dueInSeconds = Math.max(verdict.dueInSeconds ?? 0, spent.left) + Math.random() * 60;
  return { ...verdict, dueInSeconds, reason: `the ${perHour} retries an hour of this task are used up; ${verdict.reason}` };
}

const SPEND = statement(`
update task
   set retries_in_hour = case when retry_hour = date_trunc('hour', clock_timestamp()) then retries_in_hour else 0 end + 1,
       retry_hour = date_trunc('hour', clock_timestamp())
 where id = $1
returning retries_in_hour as retries, extract(epoch from date_trunc('hour', clock_timestamp()) + interval '1 hour' - clock_timestamp())::float8 as left`);
