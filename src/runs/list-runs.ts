import type { EntityManager } from '@mikro-orm/postgresql';
import type { RunCounts, RunEndState } from './close-run.ts';
import { stateOf } from './entries.ts';
import type { ScriptResultJson } from './run-view.ts';
import type { TaskState } from './statuses.ts';
import { isLost, WORKING_PROCESS, type WorkingProcess } from './working-process.ts';

/** A run, as it stands now. */
export interface RunReport {
  name: string;
  number: number;
  /** What the register calls it, e.g. `my-jobs-1`. */
  subject: string;
  /** `crashed` too where its process is gone without a word; the same command takes it up again. */
  state: 'started' | 'running' | RunEndState;
  /** As the user named it. */
  file: string;
  options: { only: readonly string[]; forced: boolean };
  jobs: number;
  counts: RunCounts;
  /** How often it was taken up again. */
  resumed: number;
  message: string | null;
  startedAt: Date;
  endedAt: Date | null;
  /** From its start to its end, or to now. */
  seconds: number;
}

/** A script of a run, as it stands or ended. */
export interface ScriptReport {
  script: string;
  /** What the register calls it: of the entry that it is together with the run's subject. */
  task: string;
  jobs: readonly string[];
  parents: readonly string[];
  state: TaskState;
  attempts: number;
  /** When its last attempt began. */
  startedAt: Date | null;
  seconds: number | null;
  reason: string | null;
  warning: string | null;
  result: ScriptResultJson | null;
}

/**
 * The runs, the latest first.
 *
 * @param filter.name only those of this name
 * @param filter.number only this one
 * @param filter.subject only the one that the register calls so, or whose subject has this id
 * @param filter.startedBefore only those that were started before this instant
 */
export async function listRuns(
  em: EntityManager,
  { name = null, number = null, subject = null, startedBefore, most = 100 }: { name?: string | null; number?: number | null; subject?: string | null; startedBefore?: Date | undefined; most?: number },
): Promise<RunReport[]> {
  const before = startedBefore?.toISOString() ?? null;
  const rows = await em.execute<RunRow[]>(RUNS, [name, name, number, number, subject, subject, subject, before, before, most]);
  return rows.map(({ state, process, alive, options, started_at: startedAt, ended_at: endedAt, tasks, succeeded, failed, skipped, unchanged, ...row }) => ({
    ...row,
    state: (state === 'started' || state === 'running') && isLost({ process, alive }) ? 'crashed' : state,
    options: { only: options.only, forced: options.forced },
    counts: { tasks, succeeded, failed, skipped, unchanged },
    startedAt: new Date(startedAt), endedAt: endedAt === null ? null : new Date(endedAt),
  }));
}

/** The scripts of one run, parents first. */
export async function listScripts(em: EntityManager, { name, number }: Pick<RunReport, 'name' | 'number'>): Promise<ScriptReport[]> {
  const rows = await em.execute<(Omit<ScriptReport, 'state' | 'startedAt'> & { status: string; started_at: string | null; error: string | null; last_line: string | null })[]>(SCRIPTS, [name, number]);
  return rows.map(({ status, started_at: startedAt, error, last_line: lastLine, ...row }) => {
    const state = stateOf(status);
    return { ...row, state, startedAt: startedAt === null ? null : new Date(startedAt), reason: state === 'failed' ? (error ?? row.reason ?? lastLine) : state === 'unchanged' ? lastLine : state === 'success' ? null : row.reason };
  });
}

interface RunRow extends Omit<RunReport, 'counts' | 'startedAt' | 'endedAt' | 'options'>, RunCounts, WorkingProcess {
  options: { only: string[]; forced: boolean };
  started_at: string;
  ended_at: string | null;
}

// What a run that goes on has come to so far is counted.
const RUNS = `
select u.name, u.number, o.name as subject, u.state, u.file, u.options, u.jobs, u.resumed, u.message, u.started_at, u.ended_at,
       extract(epoch from coalesce(u.ended_at, clock_timestamp()) - u.started_at)::float8 as seconds, ${WORKING_PROCESS}, u.tasks,
       ${['succeeded', 'failed', 'skipped', 'unchanged'].map((count) => `case when u.ended_at is null then c.${count} else u.${count} end as ${count}`).join(', ')}
  from run u
  join subject o on o.id = u.subject_id
  left join daemon d on d.id = u.daemon_id
 cross join lateral (
       select (count(*) filter (where s.message = 'success'))::integer as succeeded, (count(*) filter (where s.message = 'failed'))::integer as failed,
              (count(*) filter (where s.message = 'skipped'))::integer as skipped, (count(*) filter (where s.message = 'unchanged'))::integer as unchanged
         from task_register r
         join status s on s.id = r.status_id
        where r.subject_id = u.subject_id) c
 where (?::text is null or u.name = ?) and (?::integer is null or u.number = ?)
   and (?::text is null or o.name = ? or u.subject_id::text = ?) and (?::timestamptz is null or u.started_at < ?::timestamptz)
 order by u.started_at desc, u.subject_id desc
 limit ?`;

const SCRIPTS = `
select p.value->>'script' as script, t.name as task, p.value->'jobs' as jobs, p.value->'parents' as parents, s.message as status, r.attempt as attempts, a.started_at, a.wall_seconds as seconds,
       r.reason, a.warning, a.result, a.error->>'message' as error, a.log->-1->>'message' as last_line
  from run u
 cross join lateral jsonb_array_elements(u.plan) with ordinality as p(value, place)
  join task t on t.name = p.value->>'task'
  join task_register r on r.subject_id = u.subject_id and r.task_id = t.id
  join status s on s.id = r.status_id
  left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
 where u.name = ? and u.number = ?
 order by p.place`;
