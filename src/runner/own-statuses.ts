import { JOB_STATUSES, OMITTED, type Status } from '../status/status.ts';
import { JobRunner } from './job.ts';
import { isRequestRunner } from './request.ts';
import type { TaskRunner } from './runner.ts';

/** The statuses that exist wherever there are runners of some class, whether the fixtures name them or not. */
function ownStatuses(runners: readonly TaskRunner[]): Status[] {
  return [
    ...(runners.some(isRequestRunner) ? [{ message: OMITTED, type: 'success' } as const] : []),
    ...(runners.some((runner) => runner instanceof JobRunner) ? JOB_STATUSES : []),
  ];
}

/** The statuses of the fixtures, and behind them those that the runners bring along. A status that is in both is of the runners' type. */
export function withOwnStatuses(statuses: readonly Status[], runners: readonly TaskRunner[]): Status[] {
  const own = ownStatuses(runners);
  const others = statuses.filter(({ message }) => own.every((one) => one.message !== message));
  return [...others, ...own];
}
