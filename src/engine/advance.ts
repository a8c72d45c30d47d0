import { statement, type Run } from '../db/hot.ts';
import type { Json } from '../runner/outcome.ts';

/** What failed: the machinery around the runner, which is worth another attempt, or the science itself. */
export type Failure = 'machinery' | 'science';

/** How an attempt ended, ready to be written. All JSON is text already, free of what jsonb cannot hold. */
export interface Ending {
  subjectId: string;
  attempt: number;
  statusId: number;
  cause: 'finish' | 'fail' | 'time out' | 'release' | 'postpone' | 'give up' | 'cancel';
  outcome: 'finished' | 'failed' | 'timed out' | 'released' | 'cancelled';
  failure?: Failure | undefined;
  wallSeconds: number;
  cpuSeconds: number;
  result: Json | undefined;
  warning: string | undefined;
  cost: number | undefined;
  error: Json | undefined;
  log: Json | undefined;
  /** Seconds from now before the entry may be claimed again; undefined: at once. For endings that lead back to where the entry was claimed from. */
  dueInSeconds: number | undefined;
  /** Failures of the machinery since the last result, this one included; 0 after a result. */
  setbacks: number;
  /** Why the entry stands where it stands, for people. */
  reason?: string | undefined;
  /** The resource that the entry waits for. */
  waitsFor?: string | undefined;
  /** Names of the subject and the status, for what is kept outside the database. */
  names?: { subject: string; status: string };
}

/**
 * Writes how attempts of one task ended: the register's next status and the attempt's row, in one statement. The trigger
 * then lowers the dependents' counters and wakes them. A job that was to be cancelled is cancelled, however its attempt ended.
 *
 * @returns the endings whose attempt still held its lease, and who had wanted it stopped, where that is what was written in place
 * of its end; of the others nothing was written
 */
export async function advance(run: Run, taskId: number, actor: string, endings: readonly Ending[]): Promise<Map<Ending, Overruled | undefined>> {
  const rows = await run<MovedRow>(ADVANCE, [JSON.stringify(endings.map(toRow)), taskId, actor]);
  // Two attempts of one entry may end at once, one of them late.
  const moved = new Map(rows.map((row) => [`${row.subject_id}/${row.attempt}`, row]));
  return new Map(endings.flatMap((ending) => {
    const row = moved.get(`${ending.subjectId}/${ending.attempt}`);
    return row === undefined ? [] : [[ending, row.overruled ? { by: row.cancelled_by ?? 'somebody', reason: row.cancel_reason ?? '' } : undefined]];
  }));
}

/** Who had a job cancelled before its end was written. */
export interface Overruled {
  by: string;
  reason: string;
}

interface MovedRow {
  subject_id: string;
  attempt: number;
  overruled: boolean;
  cancelled_by: string | null;
  cancel_reason: string | null;
}

/** Of a job that was to be cancelled, `r`: what its entry gets then. Both are looked up for such a job alone. */
export const [CANCELLED_ID, CANCEL_REASON] = [
  `(select s.id from status s where s.message = 'cancelled')`,
  `left('Cancelled by ' || coalesce(r.cancelled_by, 'somebody') || ': ' || r.cancel_reason, 1000)`,
];

// What is written of an end, and in its place where the entry is a job that was to be cancelled: the word to stop may have come too late.
function unlessCancelled(own: string, instead: string): string {
  return `case when r.cancel_reason is null or not (select t.kind like 'job:%' from task t where t.id = $2) then ${own} else ${instead} end`;
}

const ADVANCE = statement(`
with ending as materialized (
  select *
    from jsonb_to_recordset($1::jsonb) as e(
      subject_id bigint, attempt integer, status_id smallint, cause text, outcome text, failure text, wall_seconds double precision,
      cpu_seconds double precision, result jsonb, warning text, cost double precision, error jsonb, log jsonb, due_in_seconds double precision,
      setbacks smallint, reason text, waits_for text)),
moved as (
  update task_register r
     set status_id = ${unlessCancelled('e.status_id', CANCELLED_ID)}, cause = ${unlessCancelled('e.cause', `'cancel'`)}, actor = $3, lease_owner = null, lease_until = null,
         reason = ${unlessCancelled('e.reason', CANCEL_REASON)}, cancel_reason = ${unlessCancelled('null', 'r.cancel_reason')},
         setbacks = ${unlessCancelled('e.setbacks', '0')}, failure = ${unlessCancelled('e.failure', 'null')}, waits_for = ${unlessCancelled('e.waits_for', 'null')},
         due_at = ${unlessCancelled(`clock_timestamp() + e.due_in_seconds * interval '1 second'`, 'null')},
         warning = e.warning, wall_seconds = e.wall_seconds, last_modified = clock_timestamp()
    from ending e
   where r.subject_id = e.subject_id and r.task_id = $2 and r.attempt = e.attempt and r.status_id = 2
  returning r.subject_id, r.attempt, r.due_at, r.status_id, r.cancelled_by, r.cancel_reason, r.cause = 'cancel' and e.cause <> 'cancel' as overruled),
ended as (
  update attempt a
     set ended_at = clock_timestamp(), outcome = case when m.overruled then 'cancelled' else e.outcome end, failure = e.failure, status_id = m.status_id,
         wall_seconds = e.wall_seconds, cpu_seconds = e.cpu_seconds, result = case when not m.overruled then e.result end, warning = e.warning, cost = e.cost, error = e.error, log = e.log, progress = null,
         retry_at = case when e.cause = 'postpone' and not m.overruled then coalesce(m.due_at, clock_timestamp()) end
    from moved m
    join ending e on e.subject_id = m.subject_id and e.attempt = m.attempt
   where a.subject_id = e.subject_id and a.task_id = $2 and a.attempt = e.attempt)
select subject_id, attempt, overruled, cancelled_by, cancel_reason from moved`);

/** An ending as `jsonb_to_recordset` reads it. */
export function toRow(ending: Ending): object {
  return {
    subject_id: ending.subjectId,
    attempt: ending.attempt,
    status_id: ending.statusId,
    cause: ending.cause,
    outcome: ending.outcome,
    failure: ending.failure,
    wall_seconds: ending.wallSeconds,
    cpu_seconds: ending.cpuSeconds,
    result: ending.result,
    warning: ending.warning,
    cost: ending.cost,
    error: ending.error,
    log: ending.log,
    due_in_seconds: ending.dueInSeconds,
    setbacks: ending.setbacks,
    reason: ending.reason,
    waits_for: ending.waitsFor,
  };
}
