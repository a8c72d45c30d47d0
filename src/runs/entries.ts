import { statement, type Run } from '../db/hot.ts';
import { INITIAL, PROCESSING } from '../status/status.ts';
import type { OpenRun } from './open-run.ts';
import type { ScriptResultJson, TaskView } from './run-view.ts';
import { SKIPPED, SUCCESS, UNCHANGED, type TaskState } from './statuses.ts';

/** Where a script of a run stands in the register. */
export interface RunEntry {
  script: string;
  status: string;
  /** Nobody holds it and its parents have ended. */
  ready: boolean;
  attempt: number;
  reason: string | null;
  /** Seconds until it may be tried again; null where it waits for no time. */
  due_in: number | null;
}

/** The entries of a run, without what their attempts came to; `open` leaves out those that have succeeded or are unchanged. */
export async function readEntries(run: Run, { subjectId, names }: OpenRun, which: 'all' | 'open' = 'all'): Promise<RunEntry[]> {
  const scripts = new Map([...names].map(([script, name]) => [name, script]));
  const rows = await run<Omit<RunEntry, 'script'> & { task: string }>(ENTRIES, [subjectId, which === 'all']);
  return rows.map(({ task, ...row }) => ({ ...row, script: scripts.get(task)! }));
}

/** How the last attempt of a script ended. */
export async function readEnd(run: Run, { subjectId, names }: OpenRun, script: string): Promise<Pick<TaskView, 'state' | 'attempt' | 'seconds' | 'reason' | 'warning' | 'result'> & { dueInSeconds: number | null }> {
  const [row] = await run<EndRow>(END, [subjectId, names.get(script)!]);
  const { status, attempt, seconds, reason, due_in: dueInSeconds, result, warning, error, last_line: lastLine } = row!;
  const state = stateOf(status);
  const said = typeof result?.message === 'string' ? result.message : `it ended with the status "${String(result?.status)}"`;
  const why = state === 'success' ? null : state === 'unchanged' ? lastLine : state === 'failed' ? (error ?? reason ?? said) : reason;
  return { state, attempt, seconds: seconds ?? undefined, reason: why ?? undefined, warning: warning ?? undefined, result: result ?? undefined, dueInSeconds };
}

export function stateOf(status: string): TaskState {
  if (status === INITIAL) return 'waiting';
  if (status === PROCESSING) return 'running';
  return status === SUCCESS || status === UNCHANGED || status === SKIPPED ? status : 'failed';
}

/**
 * Gives up on scripts that nobody has begun.
 *
 * @returns those that were; one that was claimed in the meantime is not
 */
export async function skipEntries(run: Run, { subjectId, subject, names }: OpenRun, skips: readonly { script: string; reason: string }[]): Promise<string[]> {
  if (skips.length === 0) return [];
  const scripts = new Map([...names].map(([script, name]) => [name, script]));
  const given = JSON.stringify(skips.map(({ script, reason }) => ({ task: names.get(script), reason })));
  const rows = await run<{ task: string }>(SKIP, [subjectId, given, `run ${subject}`]);
  return rows.map(({ task }) => scripts.get(task)!);
}

interface EndRow {
  status: string;
  attempt: number;
  seconds: number | null;
  reason: string | null;
  due_in: number | null;
  result: ScriptResultJson | null;
  warning: string | null;
  error: string | null;
  last_line: string | null;
}

const ENTRIES = statement(`
select t.name as task, s.message as status, r.ready, r.attempt, r.reason, extract(epoch from r.due_at - clock_timestamp())::float8 as due_in
  from task_register r
  join task t on t.id = r.task_id
  join status s on s.id = r.status_id
 where r.subject_id = $1 and ($2::boolean or s.message not in ('${SUCCESS}', '${UNCHANGED}'))`);

const END = statement(`
select s.message as status, r.attempt, a.wall_seconds as seconds, r.reason, extract(epoch from r.due_at - clock_timestamp())::float8 as due_in,
       a.result, a.warning, a.error->>'message' as error, a.log->-1->>'message' as last_line
  from task_register r
  join task t on t.id = r.task_id
  join status s on s.id = r.status_id
  left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
 where r.subject_id = $1 and t.name = $2`);

const SKIP = statement(`
update task_register r
   set status_id = (select id from status where message = '${SKIPPED}'), cause = 'load', actor = $3, reason = g.reason, due_at = null, last_modified = clock_timestamp()
  from jsonb_to_recordset($2::jsonb) as g(task text, reason text)
  join task t on t.name = g.task
 where r.subject_id = $1 and r.task_id = t.id and r.status_id = 1
returning t.name as task`);
