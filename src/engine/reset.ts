import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError } from '../errors.ts';
import { PROCESSING } from '../status/status.ts';
import { assertKnown, textArray } from './known-names.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** Which entries a person means; what is left out means all. */
export interface EntryFilter {
  /** Names of subjects. */
  subjects?: readonly string[];
  tasks?: readonly string[];
  statuses?: readonly string[];
}

/** An entry that was, or would be, sent back to `not processed`. */
export interface ResetEntry {
  subject: string;
  task: string;
  status: string;
}

/**
 * Has failed entries done again: those with a status of type error, or with the statuses named. Where none are named, those
 * too that wait for their next attempt after a failure of the machinery.
 *
 * @param dryRun only says which
 * @throws {UnknownNameError} the filter names what is not there
 * @throws {RefusedError} a status is named that is not of type error
 */
export async function retryEntries(em: EntityManager, filter: EntryFilter, actor: string, dryRun = false): Promise<ResetEntry[]> {
  const statuses = await em.execute<{ message: string; type: string }[]>(`select message, type from status`);
  const wrong = filter.statuses?.find((name) => statuses.some(({ message, type }) => message === name && type !== 'error'));
  if (wrong !== undefined) throw new RefusedError(`Only a status of type error can be retried; "${wrong}" is none. Use reset.`);
  const failed = filter.statuses ?? statuses.filter(({ type }) => type === 'error').map(({ message }) => message);
  return sendBack(em, { ...filter, statuses: failed }, 'retry', actor, dryRun, filter.statuses === undefined);
}

/**
 * Starts entries afresh, whatever they are: their status becomes `not processed`. What runs is told to stop and writes nothing.
 *
 * @param withDependents also the entries of every task that waits, directly or not, for one of the tasks named
 * @throws {UnknownNameError} the filter names what is not there
 */
export async function resetEntries(em: EntityManager, filter: EntryFilter, actor: string, options: { dryRun?: boolean; withDependents?: boolean } = {}): Promise<ResetEntry[]> {
  if (options.withDependents !== true || filter.tasks === undefined) return sendBack(em, filter, 'reset', actor, options.dryRun ?? false);
  await assertKnown(em, filter);
  const tasks = await em.execute<{ name: string }[]>(
    `with recursive cone as (
       select id from task where name = any (?::text[])
       union
       select q.task_id from task_requirement q join cone c on q.prerequisite_id = c.id)
     select t.name from cone c join task t on t.id = c.id`,
    [textArray(filter.tasks)],
  );
  return sendBack(em, { ...filter, tasks: tasks.map(({ name }) => name) }, 'reset', actor, options.dryRun ?? false);
}

async function sendBack(
  em: EntityManager, filter: EntryFilter, cause: 'retry' | 'reset', actor: string, dryRun: boolean, waitingToo = false,
): Promise<ResetEntry[]> {
  await assertKnown(em, filter);
  const params = [optional(filter.subjects), optional(filter.subjects), optional(filter.tasks), optional(filter.tasks), optional(filter.statuses), optional(filter.statuses), waitingToo];
  const rows = dryRun
    ? await em.execute<ResetEntry[]>(`with chosen as materialized (${CHOSEN}) select subject, task, status from chosen order by subject, task`, params)
    : await retryDeadlock(() => em.transactional((tx) => sendBackNow(tx, [...params, cause, actor])));
  return rows.map(({ subject, task, status }) => ({ subject, task, status }));
}

async function sendBackNow(tx: EntityManager, params: readonly unknown[]): Promise<ResetEntry[]> {
  const rows = await tx.execute<(ResetEntry & { subject_id: string; task_id: number; attempt: number })[]>(SEND_BACK, [...params]);
  const ran = rows.filter(({ status }) => status === PROCESSING);
  if (ran.length > 0) await tx.execute(END_ATTEMPTS, [JSON.stringify(ran)]);
  return rows;
}

// The table of statuses is not joined: where an entry moves while we wait for its lock, PostgreSQL checks it again with the
// joined rows of before, so that the entry would be passed over.
const CHOSEN = `
select r.subject_id, r.task_id, r.attempt, s.name as subject, t.name as task, (select message from status where id = r.status_id) as status
  from task_register r
  join subject s on s.id = r.subject_id
  join task t on t.id = r.task_id
 where (r.status_id <> 1 or r.due_at is not null)
   and (?::text[] is null or s.name = any (?::text[]))
   and (?::text[] is null or t.name = any (?::text[]))
   and (?::text[] is null or r.status_id = any (array(select id from status where message = any (?::text[])))
        or (?::boolean and r.due_at is not null and r.failure = 'machinery'))
 order by r.subject_id, r.task_id`;

const SEND_BACK = `
with chosen as materialized (${CHOSEN} for update of r),
sent as (
  update task_register r
     set status_id = 1, cause = ?, actor = ?, due_at = null, setbacks = 0, failure = null, reason = null, waits_for = null, lease_owner = null, lease_until = null, warning = null,
         last_modified = clock_timestamp()
    from chosen c
   where r.subject_id = c.subject_id and r.task_id = c.task_id
  returning r.task_id),
-- What only waited for its time makes no move, so the trigger keeps silent.
woken as (
  select pg_notify('afterglow_ready', task_id::text) from (select distinct task_id from sent) tasks)
select subject_id, task_id, attempt, subject, task, status from chosen where (select count(*) from woken) >= 0 order by subject, task`;

// A statement of its own: an entry may have been claimed after the first one's snapshot, which sees the entry that it locks
// as it is now, but not the attempt's row.
const END_ATTEMPTS = `
update attempt a
   set ended_at = clock_timestamp(), outcome = 'superseded', progress = null
  from jsonb_to_recordset(?::jsonb) as c(subject_id bigint, task_id integer, attempt integer)
 where a.subject_id = c.subject_id and a.task_id = c.task_id and a.attempt = c.attempt and a.outcome = 'running'`;

const optional = (names: readonly string[] | undefined): string | null => (names === undefined ? null : textArray(names));
