import type { EntityManager } from '@mikro-orm/postgresql';
import { retryDeadlock } from './retry-deadlock.ts';

/** An entry whose attempt was given up because its daemon is gone. */
export interface RescuedEntry {
  subjectId: string;
  taskId: number;
  subject: string;
  task: string;
  attempt: number;
  /** `rescue`: it will be run again. `give up`: that happened too often, it has its failed status. */
  cause: 'rescue' | 'give up';
}

/** How often one entry may be rescued before it is taken for the killer of its daemons. */
export const MOST_RESCUES = 5;
/** Entries that one call takes back at most; a full answer means that there may be more. */
export const MOST_AT_ONCE = 1000;

/**
 * Takes entries back whose lease expired, or whose daemon is known to be dead. A survivor does this every few seconds;
 * two at once share the work. The first rescue is immediate, later ones wait 10 s, 20 s, 40 s, …, so that an entry that
 * kills its daemon cannot take all of them down at once.
 *
 * @param deadDaemons ids of daemons that are dead for certain
 */
export async function rescue(em: EntityManager, actor: string, deadDaemons: readonly number[]): Promise<RescuedEntry[]> {
  const rows = await retryDeadlock(() =>
    em.transactional(async (tx) => {
      const taken = await tx.execute<TakenRow[]>(RESCUE, [`{${deadDaemons.join()}}`, MOST_RESCUES, MOST_RESCUES, actor]);
      if (taken.length > 0) await tx.execute(END_ATTEMPTS, [`The daemon that ran this attempt is gone; ${actor} took the entry back.`, JSON.stringify(taken)]);
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
  cause: 'rescue' | 'give up';
}

const RESCUE = `
with expired as materialized (
  select r.subject_id, r.task_id
    from task_register r
   where r.status_id = 2 and (r.lease_until < clock_timestamp() or r.lease_owner = any (?::integer[]))
   order by r.subject_id, r.task_id
   limit ${MOST_AT_ONCE}
     for update of r skip locked),
taken as (
  update task_register r
     set status_id = case when r.rescues < ? then t.claim_from_id else coalesce(t.failed_status_id, t.claim_from_id) end,
         cause = case when r.rescues < ? or t.failed_status_id is null then 'rescue' else 'give up' end,
         actor = ?, rescues = r.rescues + 1, lease_owner = null, lease_until = null, last_modified = clock_timestamp(),
         due_at = case when r.rescues = 0 then null else clock_timestamp() + least(10 * 2 ^ (r.rescues - 1), 3600) * interval '1 second' end
    from expired e
    join task t on t.id = e.task_id
   where r.subject_id = e.subject_id and r.task_id = e.task_id
  returning r.subject_id, r.task_id, r.attempt, r.cause, r.status_id, t.name as task)
select t.subject_id, t.task_id, t.status_id, t.attempt, t.cause, t.task, s.name as subject
  from taken t
  join subject s on s.id = t.subject_id`;

// A statement of its own: the last claim of a dying daemon may have come after the first one's snapshot, which sees the
// entry that it locks as it is now, but not the attempt's row.
const END_ATTEMPTS = `
update attempt a
   set ended_at = clock_timestamp(), outcome = 'rescued', status_id = t.status_id, progress = null,
       error = jsonb_build_object('name', 'LeaseLostError', 'code', 'LEASE_LOST', 'message', ?::text)
  from jsonb_to_recordset(?::jsonb) as t(subject_id bigint, task_id integer, attempt integer, status_id smallint)
 where a.subject_id = t.subject_id and a.task_id = t.task_id and a.attempt = t.attempt`;
