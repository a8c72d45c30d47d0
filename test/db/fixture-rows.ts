import type { Database } from '../../src/db/database.ts';
import { syncGraph } from '../../src/db/sync-graph.ts';
import type { Fixtures, ResourceFixture, TaskFixture, TransientFixture } from '../../src/fixtures/fixture.ts';
import { TransientTaskRunner } from '../../src/index.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN, type Status } from '../../src/status/status.ts';

export const STATUSES: readonly Status[] = [
  ...BUILT_IN.map(({ message, type }) => ({ message, type })),
  { message: 'processed', type: 'success' },
  { message: 'no host', type: 'error' },
];

/** A task that transients go through. */
export function task(name: string, given: Partial<TaskFixture> = {}): TaskFixture {
  return { name, kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true, ...given };
}

/** A resource without limits, and with the breaker that it has when nothing is said. */
export function resource(name: string, given: Partial<ResourceFixture> = {}): ResourceFixture {
  return { name, description: '', concurrency: null, perMinute: null, breaker: { failures: 5, coolSeconds: 30, longestCoolSeconds: 600 }, ...given };
}

/** A transient of which only the position is known. */
export function transient(name: string, given: Partial<TransientFixture> = {}): TransientFixture {
  return {
    name, publicTimestamp: null, priority: 0, raDeg: 10, decDeg: -20, redshift: null, tnsPrefix: null, tnsId: null,
    spectroscopicClass: null, photometricClass: null, milkywayDustReddening: null, data: {}, ...given,
  };
}

/** Fixtures with the five statuses, and no rows but those given. */
export function fixtures(given: Partial<Fixtures> = {}): Fixtures {
  return { statuses: STATUSES, tasks: [], resources: [], transients: [], entries: [], ...given };
}

/** What makes the database's graph that of runners with these prerequisites, task → { task: status }. */
export function syncTo(
  graph: Readonly<Record<string, Record<string, string>>>,
  statuses: readonly Status[] = STATUSES,
  failedStatusMessage = 'no host',
  declared: Partial<Pick<TransientTaskRunner, 'uses' | 'concurrency' | 'retry' | 'requires' | 'version'>> = {},
) {
  const runners = Object.entries(graph).map(([taskName, prerequisites]) => {
    class GraphRunner extends TransientTaskRunner {
      readonly taskName = taskName;
      readonly schedule = 60;
      readonly prerequisites = prerequisites;
      readonly failedStatusMessage = failedStatusMessage;
      runProcess(): string {
        return 'processed';
      }
    }
    return Object.assign(new GraphRunner(), declared);
  });
  return (em: Parameters<typeof syncGraph>[0], options: Parameters<typeof syncGraph>[3] = {}) => syncGraph(em, createStatusMachine(statuses), runners, options);
}

/** Moves an entry as the engine does: claimed, with an attempt, and finished with a status unless that is `processing`. */
export async function work(database: Database, subject: string, taskName: string, status: string): Promise<void> {
  const em = database.em();
  const entry = `from subject u, task t where u.name = ? and t.name = ? and r.subject_id = u.id and r.task_id = t.id`;
  await em.execute(`update task_register r set status_id = 2, attempt = r.attempt + 1, cause = 'claim', actor = 'test' ${entry}`, [subject, taskName]);
  await em.execute(
    `insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version, status_id)
     select u.id, t.id, 1, 1, 1, s.id from subject u, task t, status s where u.name = ? and t.name = ? and s.message = ?`,
    [subject, taskName, status],
  );
  if (status === 'processing') return;
  await em.execute(
    `update task_register r set status_id = (select id from status where message = ?), cause = 'finish', actor = 'test' ${entry}`,
    [status, subject, taskName],
  );
}

/** As it was when it was new: the three built-in statuses and nothing else. */
export async function empty(database: Database): Promise<void> {
  await database.em().execute(`
    truncate subject, transient, task, task_requirement, task_register, attempt, transition, status_move, resource restart identity cascade`);
  await database.em().execute(`delete from status where id > 3`);
}

export interface EntryRow {
  subject: string;
  task: string;
  status: string;
  unmet: number;
  attempt: number;
}

/** The whole register, in the order of objects and tasks. */
export async function register(database: Database): Promise<EntryRow[]> {
  return database.em().execute<EntryRow[]>(
    `select u.name as subject, t.name as task, s.message as status, r.unmet, r.attempt
       from task_register r
       join subject u on u.id = r.subject_id
       join task t on t.id = r.task_id
       join status s on s.id = r.status_id
      order by u.id, t.id`,
  );
}
