import { statement, type Run, type Statement } from '../db/hot.ts';
import type { Json } from '../runner/outcome.ts';
import { REQUEST_KIND, requestOf, type Request } from '../runner/request.ts';
import type { Transient } from '../runner/transient.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** An entry that this daemon has claimed: the attempt is ours until the lease ends. */
export interface ClaimedEntry {
  subjectId: string;
  taskId: number;
  /** The number of this attempt, which fences everything we write. */
  attempt: number;
  /** Failures of the machinery since its last result. */
  setbacks: number;
  /** What this one attempt may take, in place of what its task says; of jobs. */
  timeoutSeconds?: number | undefined;
  /** What the runner gets: a {@link Transient}, a {@link Request}, or the plain subject for other kinds. */
  subject: Transient | Request | Subject;
}

/** An object of a kind that has no columns of its own. */
export type Subject = Pick<Transient, 'id' | 'name' | 'publicTimestamp' | 'priority' | 'data'> & { kind: string };

/** Of a task, what a claim needs. */
export interface ClaimTask {
  id: number;
  name: string;
  kind: string;
  /** Id of the status that the task is claimed from, 1 for nearly all. */
  claimFromId: number;
  /** The runner's; an older one than another daemon has claims nothing. */
  version: number;
}

/** Who claims. */
export interface Claimer {
  daemonId: number;
  actor: string;
  leaseSeconds: number;
}

/**
 * Claims at most `limit` entries of a task whose prerequisites are met: oldest public timestamp first (none last), then
 * higher priority, then the order in which the subjects came. Eligibility, lock, status, attempt number and attempt row
 * are one statement, so nothing can happen between them; entries that another daemon is just claiming are skipped.
 *
 * @param among ids of subjects: no others are claimed
 */
export async function claim(run: Run, task: ClaimTask, by: Claimer, limit: number, among?: readonly string[]): Promise<ClaimedEntry[]> {
  const params = [task.id, by.daemonId, by.leaseSeconds, by.actor, task.version, limit, task.name];
  const rows = await retryDeadlock(() =>
    among === undefined ? run<ClaimRow>(nextStatement(task.claimFromId, limit), params) : run<ClaimRow>(amongStatement(task.claimFromId, limit), [...params, among]));
  return rows.map((row) => toEntry(task, row));
}

/**
 * Claims one given entry, if its prerequisites are met, nobody holds it, nobody has it and no newer runner has advanced the task; paused or not, due or not.
 *
 * @param attempt only if this is the attempt that the claim begins: then what was meant before another claim comes too late
 */
export async function claimOne(run: Run, task: ClaimTask, by: Claimer, subjectId: string, attempt?: number): Promise<ClaimedEntry | undefined> {
  return (await claimListed(run, task, by, [{ subjectId, attempt }]))[0];
}

/** The same for many entries of one task in one statement; those that cannot be claimed are left out. */
export async function claimListed(run: Run, task: ClaimTask, by: Claimer, listed: readonly { subjectId: string; attempt?: number | undefined }[]): Promise<ClaimedEntry[]> {
  const list = JSON.stringify(listed.map(({ subjectId, attempt }) => ({ subject_id: subjectId, attempt })));
  const rows = await retryDeadlock(() => run<ClaimRow>(listedStatement(task.claimFromId), [task.id, by.daemonId, by.leaseSeconds, by.actor, task.version, list]));
  return rows.map((row) => toEntry(task, row));
}

/** The columns of an object that {@link subjectOf} needs, where `s` is a row of `subject` and `t` its row of `transient`, if it has one. */
export const SUBJECT_COLUMNS = `s.name, s.public_timestamp, s.priority, s.data, t.ra_deg, t.dec_deg, t.redshift,
       t.tns_prefix, t.tns_id, t.spectroscopic_class, t.photometric_class, t.milkyway_dust_reddening`;

/** An object as runners get it. */
export function subjectOf(kind: string, row: SubjectColumns): Transient | Request | Subject {
  if (kind === 'transient') return toTransient(row);
  return kind === REQUEST_KIND ? requestOf(toSubject(row)) : { ...toSubject(row), kind };
}

function toEntry(task: { id: number; kind: string }, row: ClaimRow): ClaimedEntry {
  return {
    subjectId: row.subject_id,
    taskId: task.id,
    attempt: row.attempt,
    setbacks: row.setbacks,
    timeoutSeconds: row.timeout_seconds ?? undefined,
    subject: subjectOf(task.kind, row),
  };
}

/**
 * A claim whose snapshot is older than an edit would hand out the value of before it: it reads the object as it was, but the
 * entry, which it locks, as it is now. So an edit leaves its transaction on the entries that read the value, and such a claim passes
 * them over; the next one has them. No claim takes a minute; a database that was restored elsewhere counts transactions anew.
 */
const KNOWS_EDITS = `(r.edit_xid is null or r.edited_at < statement_timestamp() - interval '1 minute' or pg_visible_in_snapshot(r.edit_xid, pg_current_snapshot()))`;

// The status ids stand in the text: the planner uses a partial index only for literals. A schedule that is switched off
// (a person paused the task), a task that is not active or outside its window, one that a newer runner has advanced, and one
// that is claimed from another status since, of which we have not heard yet, yield nothing.
const nextSql = (claimFromId: number, most: number, more = '') => claimSql(`
  select subject_id from (
  select r.subject_id
    from task_register r
   where r.task_id = $1 and r.status_id = ${claimFromId} and r.ready and r.due_at is null and ${KNOWS_EDITS}
     and exists (
       select from task t
        where t.id = $1 and t.active and t.claim_from_id = ${claimFromId} and t.runner_version <= $5 and in_window(t.window_from, t.window_to, t.window_zone))
     and not exists (select from schedule s where s.runner = $7 and not s.enabled)${more}
   order by r.public_timestamp, r.priority desc, r.subject_id
   limit $6
     for update of r skip locked) next
   limit ${most}`);
const nextStatement = perStatus((claimFromId, most) => nextSql(claimFromId, most));
const amongStatement = perStatus((claimFromId, most) => nextSql(claimFromId, most, ' and r.subject_id = any ($8::bigint[])'));

const listedStatement = perStatus((claimFromId) => claimSql(`
  select r.subject_id
    from jsonb_to_recordset($6::jsonb) as g(subject_id bigint, attempt integer)
    join task_register r on r.subject_id = g.subject_id and r.task_id = $1
   where r.status_id = ${claimFromId} and r.ready and (g.attempt is null or r.attempt = g.attempt - 1) and ${KNOWS_EDITS}
     and exists (select from task t where t.id = $1 and t.claim_from_id = ${claimFromId} and t.runner_version <= $5)
   order by r.subject_id
     for update of r skip locked`));

/**
 * The planner knows no parameter of a prepared statement, and would plan a claim of ten entries for a tenth of the register. So
 * the number stands in the text once more, rounded up.
 */
const MOST: readonly number[] = [16, 128, 1024, 1_000_000];

/** One statement for each status that entries are claimed from, and each magnitude of a claim. */
function perStatus(text: (claimFromId: number, most: number) => string): (claimFromId: number, limit?: number) => Statement {
  const made = new Map<string, Statement>();
  return (claimFromId, limit = 0) => {
    const most = MOST.find((one) => limit <= one)!;
    const found = made.get(`${claimFromId} ${most}`) ?? statement(text(Number(claimFromId), most));
    made.set(`${claimFromId} ${most}`, found);
    return found;
  };
}

function claimSql(eligible: string): string {
  return `
with eligible as materialized (${eligible}),
claimed as (
  update task_register r
     set status_id = 2, attempt = r.attempt + 1, lease_owner = $2, lease_until = clock_timestamp() + $3 * interval '1 second', due_at = null,
         cause = 'claim', actor = $4, reason = null, waits_for = null, cancel_reason = null, dispatched_at = null, last_modified = clock_timestamp()
    from eligible e
   where r.subject_id = e.subject_id and r.task_id = $1
  returning r.subject_id, r.attempt, r.setbacks, r.ready_at),
logged as (
  -- Not now(): that is when the statement came, and a prerequisite may have ended since.
  insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version, started_at, queue_seconds)
  select subject_id, $1, attempt, $2, $5, clock_timestamp(), greatest(0, extract(epoch from clock_timestamp() - ready_at)) from claimed)
select c.subject_id, c.attempt, c.setbacks, case when s.kind like 'job:%' then (select j.timeout_seconds from job j where j.subject_id = c.subject_id) end as timeout_seconds, ${SUBJECT_COLUMNS}
  from claimed c
  join subject s on s.id = c.subject_id
  left join transient t on t.subject_id = c.subject_id
 order by s.public_timestamp, s.priority desc, s.id`;
}

/** A subject's columns, as the claim reads them. */
export interface SubjectColumns {
  subject_id: string;
  name: string;
  public_timestamp: string | Date | null;
  priority: number;
  data: Record<string, Json>;
  ra_deg: number;
  dec_deg: number;
  redshift: number | null;
  tns_prefix: string | null;
  tns_id: string | null;
  spectroscopic_class: string | null;
  photometric_class: string | null;
  milkyway_dust_reddening: number | null;
}
type ClaimRow = SubjectColumns & { attempt: number; setbacks: number; timeout_seconds: number | null };

function toSubject(row: SubjectColumns): Omit<Subject, 'kind'> {
  return {
    id: row.subject_id,
    name: row.name,
    publicTimestamp: row.public_timestamp === null ? null : new Date(row.public_timestamp),
    priority: row.priority,
    data: row.data,
  };
}

function toTransient(row: SubjectColumns): Transient {
  return {
    ...toSubject(row),
    raDeg: row.ra_deg,
    decDeg: row.dec_deg,
    redshift: row.redshift,
    tnsPrefix: row.tns_prefix,
    tnsId: row.tns_id === null ? null : Number(row.tns_id),
    spectroscopicClass: row.spectroscopic_class,
    photometricClass: row.photometric_class,
    milkywayDustReddening: row.milkyway_dust_reddening,
  };
}
