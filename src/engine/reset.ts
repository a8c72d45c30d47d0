import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError } from '../errors.ts';
import { valueOf } from '../db/value-of.ts';
import { REQUEST_KIND } from '../runner/request.ts';
import { OMITTED, PROCESSING } from '../status/status.ts';
import { assertKnown, textArray } from './known-names.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** Which entries a person means; what is left out means all. */
export interface EntryFilter {
  /** Names of subjects. */
  subjects?: readonly string[];
  tasks?: readonly string[];
  statuses?: readonly string[];
  kinds?: readonly string[];
  /** Only objects, and neither jobs nor runs nor requests, which have entries in the register as well. */
  objectsOnly?: boolean;
  /** Objects whose name is like this: `*` stands for any characters, `?` for one, everything else for itself. */
  nameLike?: string;
  /** Entries whose status is from then or later. */
  since?: Date;
  /** Objects that have no such figure, see src/runner/values.ts. */
  whereMissing?: string;
  /** Also entries whose result a person gave, or these only; they are left alone otherwise, as what a person said would be lost. */
  overridden?: boolean | 'only';
}

/** An entry that was, or would be, sent back to `not processed`. */
export interface ResetEntry {
  subject: string;
  task: string;
  status: string;
}

/**
 * Has failed entries done again: those with a status of type error, or with the statuses named. Where none are named, those
 * too that wait for their next attempt after a failure of the machinery, and those whose lease ran out and nobody took back.
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
  const { sql, params } = chosen(filter, waitingToo);
  const rows = dryRun
    ? await em.execute<ResetEntry[]>(`with chosen as materialized (${sql}) select subject, task, status from chosen order by subject, task`, params)
    : await retryDeadlock(() => em.transactional((tx) => sendBackNow(tx, sql, [...params, cause, actor])));
  return rows.map(({ subject, task, status }) => ({ subject, task, status }));
}

type SentBack = ResetEntry & { subject_id: string; task_id: number; attempt: number };

async function sendBackNow(tx: EntityManager, sql: string, params: readonly unknown[]): Promise<SentBack[]> {
  const rows = await tx.execute<SentBack[]>(sendBackSql(sql), [...params]);
  const ran = rows.filter(({ status }) => status === PROCESSING);
  if (ran.length > 0) await tx.execute(END_ATTEMPTS, [JSON.stringify(ran)]);
  return rows;
}

/** The entries that a filter means and that are not at the beginning anyhow. A condition stands there only if it is asked for, so that PostgreSQL can use the index of a name. */
function chosen(filter: EntryFilter, waitingToo: boolean): { sql: string; params: unknown[] } {
  const { subjects, tasks, statuses, kinds, objectsOnly, nameLike, since, whereMissing, overridden } = filter;
  // What does not apply to a request stays so: whoever means it puts the task on the request's list.
  const conditions: [sql: string, ...params: unknown[]][] = [
    ['(r.status_id <> 1 or r.due_at is not null)'],
    [`(s.kind <> '${REQUEST_KIND}' or r.status_id <> all (array(select id from status where message = '${OMITTED}')))`],
  ];
  if (subjects !== undefined) conditions.push(['s.name = any (?::text[])', textArray(subjects)]);
  if (tasks !== undefined) conditions.push(['t.name = any (?::text[])', textArray(tasks)]);
  if (kinds !== undefined) conditions.push(['s.kind = any (?::text[])', textArray(kinds)]);
  if (objectsOnly === true) conditions.push([`s.kind !~ '^(job:|run:|request$)'`]);
  if (nameLike !== undefined) conditions.push(['s.name like ?', likePattern(nameLike)]);
  if (since !== undefined) conditions.push(['r.last_modified >= ?::timestamptz', since.toISOString()]);
  if (whereMissing !== undefined) conditions.push([`exists (select from (select ?::text as name) f where coalesce(${valueOf('f.name')}, 'null') = 'null')`, whereMissing]);
  if (overridden !== true) conditions.push([`r.overridden_by is ${overridden === 'only' ? 'not ' : ''}null`]);
  if (statuses !== undefined) {
    const waiting = waitingToo ? ` or r.due_at is not null and r.failure = 'machinery' or r.status_id = 2 and r.lease_until < clock_timestamp()` : '';
    // What runs has an index of its own.
    const atRest = statuses.includes(PROCESSING) ? '' : 'r.status_id <> 2 and ';
    conditions.push([`(${atRest}r.status_id = any (array(select id from status where message = any (?::text[])))${waiting})`, textArray(statuses)]);
  }
  return { sql: `${CHOSEN}\n where ${conditions.map(([sql]) => sql).join('\n   and ')}\n order by r.subject_id, r.task_id`, params: conditions.flatMap(([, ...params]) => params) };
}

// The table of statuses is not joined: where an entry moves while we wait for its lock, PostgreSQL checks it again with the
// joined rows of before, so that the entry would be passed over.
const CHOSEN = `
select r.subject_id, r.task_id, r.attempt, s.name as subject, t.name as task, (select message from status where id = r.status_id) as status
  from task_register r
  join subject s on s.id = r.subject_id
  join task t on t.id = r.task_id`;

const sendBackSql = (sql: string): string => `
with chosen as materialized (${sql} for update of r),
sent as (
  update task_register r
     set status_id = 1, cause = case when status_id = 2 then 'reset' else ? end, actor = ?, overridden_by = null, due_at = null, setbacks = 0,
         failure = null, reason = null, waits_for = null, lease_owner = null, lease_until = null, warning = null, last_modified = clock_timestamp()
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

/** `2010*` as a pattern of SQL's `like`. */
const likePattern = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%').replaceAll('?', '_');
