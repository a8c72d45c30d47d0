import { statement, type Hot } from '../db/hot.ts';
import { CANCELLED_ID, CANCEL_REASON } from './advance.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** An entry whose attempt was given up because its daemon is gone. */
export interface RescuedEntry {
  subjectId: string;
  taskId: number;
  subject: string;
  task: string;
  attempt: number;
  /** `rescue`: it will be run again. `give up`: that happened too often, it has its failed status. `cancel`: it is a job that was to be cancelled anyway. */
  cause: 'rescue' | 'give up' | 'cancel';
}

/** Entries that one call takes back at most; a full answer means that there may be more. */
export const MOST_AT_ONCE = 1000;

/**
 * Takes entries back whose lease expired, or whose daemon is known to be dead. A survivor does this every few seconds;
 * two at once share the work. The first setback lets an entry run again at once, later ones wait as the runner's retry policy
 * says, so that an entry that kills its daemon cannot take all of them down at once; when its attempts are used up it is given up.
 *
 * While the server is younger than a lease, only the entries of dead daemons are taken: until then nobody could renew.
 *
 * @param deadDaemons ids of daemons that are dead for certain
 * @param leaseSeconds the longest lease of a daemon
 */
export async function rescue(hot: Hot, actor: string, deadDaemons: readonly number[], leaseSeconds: number): Promise<RescuedEntry[]> {
  const rows = await retryDeadlock(() =>
    hot.transaction(async (run) => {
      const taken = await run<TakenRow>(RESCUE, [deadDaemons, actor, leaseSeconds]);
      if (taken.length > 0) await run(END_ATTEMPTS, [`The daemon that ran this attempt is gone; ${actor} took the entry back.`, JSON.stringify(taken)]);
      return taken;
    }),
  );
  return rows.map((row) => ({ subjectId: row.subject_id, taskId: row.task_id, subject: row.subject, task: row.task, attempt: row.attempt, cause: row.cause }));
}

interface TakenRow {
  subject_id: string;
  task_id: number;
  status_id: number;
  subject: string;
  task: string;
  attempt: number;
  cause: RescuedEntry['cause'];
}

// A job that was to be cancelled anyway.
const DOOMED = `(r.cancel_reason is not null and t.kind like 'job:%')`;

const RESCUE = statement(`
with expired as materialized (
  select r.subject_id, r.task_id
    from task_register r
   where r.status_id = 2
     and (r.lease_owner = any ($1::integer[])
          or (r.lease_until < clock_timestamp() and clock_timestamp() > pg_postmaster_start_time() + $3 * interval '1 second'))
   order by r.subject_id, r.task_id
   limit ${MOST_AT_ONCE}
     for update of r skip locked),
taken as (
  update task_register r
     set status_id = case when ${DOOMED} then ${CANCELLED_ID} when j.again then t.claim_from_id else t.failed_status_id end,
         cause = case when ${DOOMED} then 'cancel' when j.again then 'rescue' else 'give up' end,
         failure = case when ${DOOMED} or j.again then null else 'machinery' end,
         reason = case when ${DOOMED} then ${CANCEL_REASON} when j.again then 'the daemon that ran it is gone' else 'given up: its daemons were lost ' || r.setbacks + 1 || ' times' end,
         actor = $2, setbacks = case when j.again and not ${DOOMED} then r.setbacks + 1 else 0 end,
         lease_owner = null, lease_until = null, cancel_reason = case when ${DOOMED} then r.cancel_reason end, last_modified = clock_timestamp(),
         due_at = case when j.again and not ${DOOMED} and r.setbacks > 0 then clock_timestamp()
                    + random() * least(t.retry_base_seconds * t.retry_factor ^ (r.setbacks - 1), t.retry_cap_seconds) * interval '1 second' end
    from expired e
    join task t on t.id = e.task_id
    join task_register o on o.subject_id = e.subject_id and o.task_id = e.task_id
   cross join lateral (select o.setbacks + 1 < t.most_attempts or t.failed_status_id is null as again) j
   where r.subject_id = e.subject_id and r.task_id = e.task_id
  returning r.subject_id, r.task_id, r.attempt, r.cause, r.status_id, t.name as task)
select t.subject_id, t.task_id, t.status_id, t.attempt, t.cause, t.task, s.name as subject
  from taken t
  join subject s on s.id = t.subject_id`);

// A statement of its own: the last claim of a dying daemon may have come after the first one's snapshot, which sees the
// entry that it locks as it is now, but not the attempt's row.
const END_ATTEMPTS = statement(`
update attempt a
   set ended_at = clock_timestamp(), outcome = 'rescued', failure = 'machinery', status_id = t.status_id, progress = null,
       error = jsonb_build_object('name', 'LeaseLostError', 'code', 'LEASE_LOST', 'message', $1::text)
  from jsonb_to_recordset($2::jsonb) as t(subject_id bigint, task_id integer, attempt integer, status_id smallint)
 where a.subject_id = t.subject_id and a.task_id = t.task_id and a.attempt = t.attempt`);
