import type { Config } from './config.ts';
import type { Fixtures } from './fixtures/fixture.ts';
import { readFixtures } from './fixtures/read.ts';
import { checkGraph, type Finding } from './runner/check/check-graph.ts';
import { checkHooks } from './runner/check/hooks.ts';
import { checkJobSchedules } from './runner/check/job-schedules.ts';
import { jobTasks, scheduleTasks } from './runner/job-tasks.ts';
import { withOwnStatuses } from './runner/own-statuses.ts';
import type { Pipeline } from './runner/pipeline.ts';
import { REQUEST_KIND, waitForOthers } from './runner/request.ts';
import { OMITTED } from './status/status.ts';

/** Reads the fixtures, adds what the runners bring along, and checks the graph, without a database. */
export async function readGraph(config: Config, { periodicRunners: runners, hooks = [] }: Pipeline): Promise<{ fixtures: Fixtures; findings: Finding[] }> {
  const read = await readFixtures([...config.fixtures]);
  const fixtures = { ...read, statuses: withOwnStatuses(read.statuses, runners), tasks: [...read.tasks, ...jobTasks(runners), ...scheduleTasks(runners, read.tasks)] };
  waitForOthers(runners, fixtures.statuses);
  // Any task of requests may be omitted, which is no runner's word.
  const omitted = fixtures.tasks.filter(({ kind }) => kind === REQUEST_KIND).map(({ name: task }) => ({ task, status: OMITTED }));
  return { fixtures, findings: [...checkJobSchedules(runners), ...checkHooks(hooks, fixtures.tasks.map(({ name }) => name)), ...checkGraph({ ...fixtures, entries: [...fixtures.entries, ...omitted], runners })] };
}
