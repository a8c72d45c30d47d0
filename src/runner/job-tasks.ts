import type { TaskFixture } from '../fixtures/fixture.ts';
import { JobRunner } from './job.ts';
import type { TaskRunner } from './runner.ts';

/** The runners of jobs among some, which may be anything that users' files give. */
export const jobRunners = (runners: readonly TaskRunner[]): JobRunner<object>[] => runners.filter((runner) => runner instanceof JobRunner);

/** The tasks of jobs: they come from their classes, not from fixtures. */
export function jobTasks(runners: readonly TaskRunner[]): TaskFixture[] {
  return jobRunners(runners).map(({ taskName: name, kind, description, owner, active }) => ({ name, kind, description, owner, active, timeLimitSeconds: null }));
}
