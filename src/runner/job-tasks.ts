import type { TaskFixture } from '../fixtures/fixture.ts';
import { jobSchedules } from './job-schedule.ts';
import { JobRunner } from './job.ts';
import type { TaskRunner } from './runner.ts';

/** The runners of jobs among some, which may be anything that users' files give. */
export const jobRunners = (runners: readonly TaskRunner[]): JobRunner<object>[] => runners.filter((runner): runner is JobRunner<object> => runner instanceof JobRunner);

/** The tasks of jobs: they come from their classes, not from fixtures. */
export function jobTasks(runners: readonly TaskRunner[]): TaskFixture[] {
  return jobRunners(runners).map(({ taskName: name, kind, description, owner, active }) => ({ name, kind, description, owner, active, timeLimitSeconds: null }));
}

/** The tasks of schedules of jobs: they come from their classes too, unless the fixtures have more to say of them. */
export function scheduleTasks(runners: readonly TaskRunner[], given: readonly Pick<TaskFixture, 'name'>[]): TaskFixture[] {
  return jobSchedules(runners)
    .filter(({ taskName }) => given.every(({ name }) => name !== taskName))
    .map(({ taskName: name, description, owner }) => ({ name, kind: 'system', description, owner, active: true, timeLimitSeconds: null }));
}
