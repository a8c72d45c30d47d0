import type { EntityManager } from '@mikro-orm/postgresql';
import { isSubjectRunner, type SubjectTaskRunner, type TaskRunner } from '../runner/runner.ts';
import { createStatusMachine } from '../status/machine.ts';
import { RUN_KIND, type StatusType } from '../status/status.ts';
import type { EngineTask, EngineWork } from './engine-options.ts';

/** A task whose runner here is older than another one that has worked on the database. */
export interface OutdatedTask {
  task: string;
  /** Version of the runner that is here, and of the newest that has been there. */
  here: number;
  there: number;
}

/** One sentence for people. */
export const describeOutdated = ({ task, here, there }: OutdatedTask): string =>
  `The runner of "${task}" is version ${here} here, but version ${there} has been at work on this database: nothing of it is done here. ` +
  `Update this installation; to go back to version ${here} on purpose, start a daemon with --accept-older-runners.`;

/** What there is to do in a database, for a set of runners. */
export interface Work extends EngineWork {
  /** Active tasks that need a newer runner than the one that is here; they are not among `tasks`. */
  outdated: readonly OutdatedTask[];
  /** Names of active tasks for objects that no runner here does. */
  withoutRunner: readonly string[];
  /** Names of the active tasks, system tasks among them. */
  active: ReadonlySet<string>;
  /** Task name → seconds, null for none. */
  timeLimits: ReadonlyMap<string, number | null>;
  /** The same for work that is the same. */
  fingerprint: string;
}

/**
 * Reads from the database what a set of runners can do there: statuses, tasks, where they are claimed from. Fixtures are not asked.
 *
 * @returns undefined where no daemon has ever made the database's graph equal to its own
 */
export async function readWork(em: EntityManager, runners: readonly TaskRunner[]): Promise<Work | undefined> {
  const [row] = await em.execute<[Row]>(WORK);
  if (!row.prepared) return undefined;
  const { statuses } = row;
  const messages = new Map(statuses.map(({ id, message }) => [id, message]));
  const byName = new Map(runners.filter(isSubjectRunner).map((runner) => [runner.taskName, runner]));
  const versions = new Map(runners.map(({ taskName, version }) => [taskName, version]));
  // The scripts of a run are for whoever runs it, and no concern of anybody else's.
  const tasks = row.tasks.filter(({ name, kind }) => !kind.startsWith(RUN_KIND) || byName.has(name));
  const active = tasks.filter((task) => task.active);
  const forObjects = active.filter(({ kind }) => kind !== 'system').map((task) => ({ task, runner: byName.get(task.name) }));
  const done = forObjects.filter((pair): pair is { task: TaskRow; runner: SubjectTaskRunner<unknown> } => pair.runner !== undefined);
  const isOutdated = ({ task, runner }: { task: TaskRow; runner: { version: number } }) => runner.version < task.runner_version;
  return {
    machine: createStatusMachine(statuses.map(({ message, type }) => ({ message, type })), tasks.map((task) => messages.get(task.claim_from_id)!)),
    statusIds: new Map(statuses.map(({ id, message }) => [message, id])),
    tasks: done.filter((pair) => !isOutdated(pair)).map(({ task, runner }): EngineTask => {
      const { id, name, kind, claim_from_id: claimFromId, time_limit_seconds: timeLimitSeconds } = task;
      return { id, name, kind, runner, claimFromId, claimFrom: messages.get(claimFromId)!, timeLimitSeconds };
    }),
    outdated: active.map(({ name, runner_version: there }) => ({ task: name, here: versions.get(name) ?? there, there })).filter(({ here, there }) => here < there),
    withoutRunner: forObjects.filter(({ runner }) => runner === undefined).map(({ task }) => task.name),
    active: new Set(active.map(({ name }) => name)),
    timeLimits: new Map(tasks.map((task) => [task.name, task.time_limit_seconds])),
    fingerprint: JSON.stringify({ ...row, tasks }),
  };
}

interface TaskRow {
  id: number;
  name: string;
  kind: string;
  active: boolean;
  claim_from_id: number;
  time_limit_seconds: number | null;
  runner_version: number;
}

interface Row {
  prepared: boolean;
  statuses: { id: number; message: string; type: StatusType }[];
  tasks: TaskRow[];
}

// The legal moves are written when a daemon makes the graph equal to its own, and by nobody else.
const WORK = `
select exists (select from status_move) as prepared,
       (select coalesce(jsonb_agg(to_jsonb(s) order by s.id), '[]') from (select id, message, type from status) s) as statuses,
       (select coalesce(jsonb_agg(to_jsonb(t) order by t.id), '[]')
          from (select id, name, kind, active, claim_from_id, time_limit_seconds, runner_version from task) t) as tasks`;
