import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { statement, type Run } from '../db/hot.ts';
import { RefusedError } from '../errors.ts';
import { assertKnown } from './known-names.ts';
import { keyOf, type Leases } from './leases.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** Tells daemons that a person wants an attempt stopped; the payload is its key, see {@link keyOf}. */
export const CANCEL_CHANNEL = 'afterglow_cancel';

/** An entry that a person wants stopped. */
export interface CancelOrder {
  subject: string;
  task: string;
  reason: string;
  by: string;
}

/** An entry that was to be stopped: it is held now, and what ran of it has been told. */
export interface CancelledEntry {
  subjectId: string;
  taskId: number;
  subject: string;
  task: string;
  /** Its status at that moment. */
  status: string;
  /** The attempt that runs, or ran; undefined where none does. */
  attempt: number | undefined;
  /** Who runs it, and how long its lease still lasts, seconds. */
  daemon: string | undefined;
  leaseSeconds: number | undefined;
}

/** How the attempt ended after all. */
export interface CancelEnd {
  outcome: 'cancelled' | 'finished' | 'failed' | 'timed out' | 'released' | 'rescued' | 'superseded';
  /** The status of its entry now. */
  status: string;
}

/**
 * Holds an entry, so that it is not run again by itself, and tells whoever runs it to stop; both or neither. Nothing of the
 * attempt is taken away here: its daemon ends it, or, if that is dead, the entry is rescued and stays held.
 *
 * @throws {UnknownNameError} there is no such object or task
 * @throws {RefusedError} the object does not go through the task
 */
export async function cancelEntry({ em, hot }: Pick<Database, 'em' | 'hot'>, { subject, task, reason, by }: CancelOrder): Promise<CancelledEntry> {
  await assertKnown(em(), { subjects: [subject], tasks: [task] });
  return retryDeadlock(() => hot.transaction(async (run) => {
    const [held] = await run<{ subject_id: string; task_id: number }>(HOLD, [subject, task, reason, by]);
    if (held === undefined) throw new RefusedError(`${subject} does not go through "${task}", which is for objects of another kind.`);
    const { subject_id: subjectId, task_id: taskId } = held;
    // Statements of their own: a claim that was on its way when the hold was placed is over by now, and seen.
    await run(TELL, [subjectId, taskId, reason, by]);
    const [entry] = await run<{ status: string; attempt: number | null; daemon: string | null; lease_seconds: number | null }>(READ, [subjectId, taskId]);
    return {
      subjectId, taskId, subject, task, status: entry!.status, attempt: entry!.attempt ?? undefined, daemon: entry!.daemon ?? undefined,
      leaseSeconds: entry!.lease_seconds ?? undefined,
    };
  }));
}

/**
 * Waits until an attempt has ended.
 *
 * @returns undefined where it still runs after that time
 */
export async function cancelled(run: Run, { subjectId, taskId, attempt }: Pick<CancelledEntry, 'subjectId' | 'taskId'> & { attempt: number }, seconds: number): Promise<CancelEnd | undefined> {
  const deadlineMs = performance.now() + seconds * 1000;
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 1.5, 1000)) {
    const [row] = await run<{ outcome: CancelEnd['outcome'] | 'running'; status: string }>(END, [subjectId, taskId, attempt]);
    if (row !== undefined && row.outcome !== 'running') return { outcome: row.outcome, status: row.status };
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) return undefined;
    await delay(Math.min(waitMs, leftMs));
  }
}

/** Tells one of our attempts to stop, if the key that came over {@link CANCEL_CHANNEL} is its. A lost notification is made up for by the next renewal of the leases. */
export async function hearCancel(run: Run, leases: Leases, key: string): Promise<void> {
  const attempt = leases.all.find((one) => keyOf(one) === key);
  if (attempt === undefined) return;
  const [wish] = await run<{ by: string; reason: string }>(WISH, [attempt.subjectId, attempt.taskId, attempt.attempt]);
  if (wish !== undefined) leases.cancelled(key, wish.by, wish.reason);
}

// It lasts until a person lifts it, whatever hold was there before.
const HOLD = statement(`
insert into hold (subject_id, task_id, reason, placed_by)
select r.subject_id, r.task_id, $3, $4
  from task_register r
  join subject s on s.id = r.subject_id
  join task t on t.id = r.task_id
 where s.name = $1 and t.name = $2
on conflict (subject_id, task_id) do update
   set reason = excluded.reason, placed_by = excluded.placed_by, placed_at = excluded.placed_at, until = null
returning subject_id, task_id`);

const TELL = statement(`
with told as (
  update task_register
     set cancel_reason = $3, cancelled_by = $4
   where subject_id = $1 and task_id = $2 and status_id = 2
  returning subject_id, task_id, attempt)
select pg_notify('${CANCEL_CHANNEL}', subject_id || '/' || task_id || '/' || attempt) from told`);

const READ = statement(`
select s.message as status, case when r.status_id = 2 then r.attempt end as attempt,
       case when r.status_id = 2 then extract(epoch from r.lease_until - clock_timestamp())::float8 end as lease_seconds,
       case when r.status_id = 2 then d.role || ' ' || d.id || ' (' || d.host || ':' || d.pid || ')' end as daemon
  from task_register r
  join status s on s.id = r.status_id
  left join daemon d on d.id = r.lease_owner
 where r.subject_id = $1 and r.task_id = $2`);

const END = statement(`
select a.outcome, s.message as status
  from attempt a
  join task_register r on r.subject_id = a.subject_id and r.task_id = a.task_id
  join status s on s.id = r.status_id
 where a.subject_id = $1 and a.task_id = $2 and a.attempt = $3`);

const WISH = statement(`
select cancel_reason as reason, coalesce(cancelled_by, 'somebody') as by
  from task_register
 where subject_id = $1 and task_id = $2 and attempt = $3 and status_id = 2 and cancel_reason is not null`);
