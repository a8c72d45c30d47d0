import type { EntityManager } from '@mikro-orm/postgresql';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { statusesOf } from '../runner/prerequisites.ts';
import { isSubjectRunner, type TaskRunner } from '../runner/runner.ts';
import type { StatusMachine } from '../status/machine.ts';
import { JOB_STATUSES, RUN_STATUSES } from '../status/status.ts';
import { JOB_WAITS } from './job-waits.ts';
import { lockDefinitions } from './lock-definitions.ts';
import { syncDeclarations, syncUses, syncVersions, type Ids } from './sync-declarations.ts';

/** What the sync did. */
export interface GraphSync {
  /** `recounted` entries of these tasks got a new count of unmet prerequisites. */
  changedTasks: readonly { task: string; recounted: number }[];
  /** Tasks that keep what they have, because a newer version of their runner has been here: during a rolling deploy, say. */
  newerElsewhere: readonly { task: string; here: number; there: number }[];
}

export interface GraphOptions {
  /** Goes back to older runners on purpose: their word is in force again. Daemons that have newer ones work on until they are stopped. */
  acceptOlderRunners?: boolean;
}

/** Says that the graph may have changed; the payload is empty. */
export const GRAPH_CHANNEL = 'afterglow_graph';

// Everybody who changes the graph takes this lock first.
const GRAPH_LOCK = 7_216_002;

/**
 * Makes the database's picture of the graph equal to the code's: the legal moves, where each task is claimed from, its
 * retry policy, limits and labels, and the prerequisites. Only tasks whose prerequisites changed have their entries counted
 * anew; no change costs a few reads and writes nothing.
 * Tasks that have no runner here, or an older one than they had, keep what they have.
 *
 * @throws {UnknownNameError} a runner names a task, status or resource that is not in the database (`checkGraph` finds this earlier)
 */
export async function syncGraph(em: EntityManager, machine: StatusMachine, runners: readonly TaskRunner[], options: GraphOptions = {}): Promise<GraphSync> {
  return em.transactional(async (tx) => {
    await tx.execute(`select pg_advisory_xact_lock(${GRAPH_LOCK})`);
    await lockDefinitions(tx);
    const ids: Ids = {
      status: await idsByName(tx, 'status', `select id, message as name from status`),
      task: await idsByName(tx, 'task', `select id, name from task`),
    };
    const newerElsewhere = options.acceptOlderRunners ? [] : await newerThanHere(tx, runners);
    const current = runners.filter(isSubjectRunner).filter(({ taskName }) => !newerElsewhere.some(({ task }) => task === taskName));
    await syncMoves(tx, machine, ids.status, newerElsewhere.length > 0);
    await syncDeclarations(tx, current, ids);
    await syncVersions(tx, runners.filter((runner) => !isSubjectRunner(runner) && !newerElsewhere.some(({ task }) => task === runner.taskName)), ids);
    await syncUses(tx, current, ids);
    const changedTasks: { task: string; recounted: number }[] = [];
    for (const { taskName, prerequisites } of current) {
      const others = Object.entries(prerequisites).filter(([task]) => task !== taskName);
      const wanted = others.flatMap(([task, given]) => statusesOf(given).map((status) => ({ prerequisite_id: ids.task(task), status_id: ids.status(status) })));
      const recounted = await syncRequirements(tx, ids.task(taskName), wanted);
      if (recounted !== undefined) changedTasks.push({ task: taskName, recounted });
    }
    await syncReadyIndexes(tx);
    await tx.execute(`select pg_notify('${GRAPH_CHANNEL}', '')`);
    return { changedTasks, newerElsewhere };
  });
}

/** How many entries have a wrong count of unmet prerequisites. Always 0; anything else is a defect of ours or a write behind the triggers. */
export async function countDrift(em: EntityManager): Promise<number> {
  const rows = await em.execute<{ count: string }[]>(`select count(*) as count from (${wantedCounts('')}) w where w.unmet <> w.wanted`);
  return Number(rows[0]?.count ?? 0);
}

async function newerThanHere(tx: EntityManager, runners: readonly TaskRunner[]): Promise<GraphSync['newerElsewhere']> {
  const rows = await tx.execute<{ name: string; runner_version: number }[]>(`select name, runner_version from task`);
  const there = new Map(rows.map((row) => [row.name, row.runner_version]));
  return runners
    .map(({ taskName, version }) => ({ task: taskName, here: version, there: there.get(taskName) ?? 0 }))
    .filter((task) => task.there > task.here);
}

/** @param addOnly whether a newer graph than this one may need moves that this one does not know */
async function syncMoves(tx: EntityManager, machine: StatusMachine, statusId: (message: string) => number, addOnly: boolean): Promise<void> {
  const moves = JSON.stringify(machine.moves.map(({ from, cause, to }) => ({ from_id: statusId(from), cause, to_id: statusId(to) })));
  await tx.execute(
    `insert into status_move select m.* from jsonb_to_recordset(?::jsonb) as m(from_id smallint, cause text, to_id smallint) on conflict do nothing`,
    [moves],
  );
  if (addOnly) return;
  // This machine may not know the statuses of runs of scripts and of jobs; the moves from and to them stay.
  const foreign = JSON.stringify([...RUN_STATUSES, ...JOB_STATUSES].map(({ message }) => message).filter((name) => machine.statuses.every(({ message }) => message !== name)));
  await tx.execute(
    `delete from status_move s
      where not exists (select from jsonb_to_recordset(?::jsonb) as m(from_id smallint, cause text, to_id smallint)
                         where m.from_id = s.from_id and m.cause = s.cause and m.to_id = s.to_id)
        and not exists (select from status t where t.id in (s.from_id, s.to_id) and t.message in (select jsonb_array_elements_text(?::jsonb)))`,
    [moves, foreign],
  );
}

/** Undefined where nothing changed, else how many entries were counted anew. */
async function syncRequirements(
  tx: EntityManager,
  task: number,
  wanted: readonly { prerequisite_id: number; status_id: number }[],
): Promise<number | undefined> {
  const text = (rows: readonly { prerequisite_id: number; status_id: number }[]) =>
    rows.map((row) => `${row.prerequisite_id}:${row.status_id}`).sort().join();
  const present = await tx.execute<{ prerequisite_id: number; status_id: number }[]>(
    `select prerequisite_id, status_id from task_requirement where task_id = ?`,
    [task],
  );
  if (text(present) === text(wanted)) return undefined;
  // Nobody may move a status between the change of the prerequisites and the new count.
  await tx.execute(`lock table task_register in share row exclusive mode`);
  await tx.execute(`delete from task_requirement where task_id = ?`, [task]);
  await tx.execute(
    `insert into task_requirement (task_id, prerequisite_id, status_id)
     select ?, m.prerequisite_id, m.status_id from jsonb_to_recordset(?::jsonb) as m(prerequisite_id integer, status_id smallint)`,
    [task, JSON.stringify(wanted)],
  );
  const recounted = await tx.execute<{ subject_id: string }[]>(
    `update task_register r set unmet = w.wanted from (${wantedCounts('where r.task_id = ?')}) w
      where r.subject_id = w.subject_id and r.task_id = w.task_id and r.unmet <> w.wanted returning 1`,
    [task],
  );
  return recounted.length;
}

// The prerequisites less those that are met, and what jobs wait for: of the alternatives of one at most one is, as an entry has one status.
const wantedCounts = (where: string) => `
select r.subject_id, r.task_id, r.unmet,
       coalesce(n.prerequisites, 0) - count(*) filter (where p.status_id = q.status_id) + coalesce(max(j.waits), 0) as wanted
  from task_register r
  left join (${JOB_WAITS}) j on j.subject_id = r.subject_id and j.task_id = r.task_id
  left join (select task_id, count(distinct prerequisite_id) as prerequisites from task_requirement group by task_id) n on n.task_id = r.task_id
  left join task_requirement q on q.task_id = r.task_id
  left join task_register p on p.subject_id = r.subject_id and p.task_id = q.prerequisite_id
 ${where}
 group by r.subject_id, r.task_id, n.prerequisites`;

/** Runners that start from another status than the initial one claim through a partial index for that status. */
async function syncReadyIndexes(tx: EntityManager): Promise<void> {
  const starts = await tx.execute<{ id: number }[]>(`select distinct claim_from_id as id from task where claim_from_id <> 1`);
  const present = await tx.execute<{ name: string }[]>(`select indexname as name from pg_indexes where tablename = 'task_register' and indexname ~ '^ready_[0-9]+$'`);
  const wanted = new Set(['ready_1', ...starts.map(({ id }) => `ready_${id}`)]);
  for (const { name } of present) if (!wanted.has(name)) await tx.execute(`drop index ${name}`);
  for (const { id } of starts) {
    await tx.execute(
      `create index if not exists ready_${id} on task_register (task_id, public_timestamp, priority desc, subject_id)
        where status_id = ${id} and ready and due_at is null`,
    );
  }
}

async function idsByName(tx: EntityManager, what: string, sql: string): Promise<(name: string) => number> {
  const rows = await tx.execute<{ id: number; name: string }[]>(sql);
  const ids = new Map(rows.map(({ id, name }) => [name, id]));
  return (name) => {
    const id = ids.get(name);
    if (id === undefined) throw new UnknownNameError(what, name, [...ids.keys()], nearest(name, [...ids.keys()]));
    return id;
  };
}
