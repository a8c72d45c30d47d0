import { jobSchedules, type ScheduledJob } from '../job-schedule.ts';
import { jobRunners } from '../job-tasks.ts';
import type { TaskRunner } from '../runner.ts';
import { finding, type Finding } from './finding.ts';
import { quote, show } from './words.ts';

/** Schedules of jobs that no runner of the list does, so that every firing would fail; and those with a spacing that is none. */
export function checkJobSchedules(runners: readonly TaskRunner[]): Finding[] {
  const known = new Set(jobRunners(runners).map(({ taskName }) => taskName));
  return jobSchedules(runners).flatMap(({ taskName, jobs, minimumSpacingSeconds }) => [
    ...[...new Set(namesOf(jobs))].filter((name) => !known.has(name)).map((name) =>
      finding('unknown-task', taskName, `The schedule ${quote(taskName)} enqueues the job ${quote(name)}, which no runner of the list does.`)),
    ...(minimumSpacingSeconds >= 0 ? [] : [
      finding('interval-invalid', taskName, `The minimumSpacingSeconds of the schedule ${quote(taskName)} should be a number from 0 on; found ${show(minimumSpacingSeconds)}.`)]),
  ]);
}

const namesOf = (jobs: readonly ScheduledJob[]): string[] => jobs.flatMap(({ type, followedBy }) => [type.taskName, ...namesOf(followedBy)]);
