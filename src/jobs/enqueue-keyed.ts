import { statement, type Run } from '../db/hot.ts';
import { RefusedError, TaskLimitError } from '../errors.ts';
import type { Job, JobType } from '../runner/jobs.ts';
import { enqueueJobs, type NewJob } from './enqueue.ts';
import { keysOf, mergedArguments, type JobKeys } from './keys.ts';

/** A job with what the policies of its class make of it. */
export interface KeyedJob {
  job: NewJob;
  type: JobType | undefined;
  keys: JobKeys | undefined;
}

/** Whether any of these jobs goes by keys, so that they must be enqueued by {@link enqueueKeyed}. */
export function readKeys(jobs: readonly NewJob[], known: ReadonlyMap<string, JobType>): KeyedJob[] | undefined {
  const keyed = jobs.map((job): KeyedJob => {
    const type = typeof job.type === 'string' ? known.get(job.type) : (job.type as JobType);
    return { job, type, keys: type === undefined ? undefined : keysOf(type, job.args) };
  });
  return keyed.some(({ keys }) => keys !== undefined) ? keyed : undefined;
}

/**
 * Enqueues one job by the policies of its class: it is merged into one that is pending, or refused where its key has enough, or added,
 * where it may supersede older ones.
 *
 * @param run in a transaction
 * @returns the job, or the older one that it was merged into; undefined where its limit is reached, and that is to be silent. Who names
 *   the class is told in any case, as a name does not say what may come back
 * @throws {TaskLimitError} its limit is reached
 */
export async function enqueueOneKeyed(run: Run, keyed: KeyedJob, known: ReadonlyMap<string, JobType>, by: string): Promise<Job<never> | undefined> {
  await lock(run, [keyed]);
  const merged = await mergeIntoPending(run, keyed);
  if (merged !== undefined) return merged;
  try {
    return (await add(run, [keyed], known, by))[0];
  } catch (error) {
    const isSilent = keyed.keys?.limit?.action === 'silence' && typeof keyed.job.type !== 'string';
    if (error instanceof TaskLimitError && isSilent) return undefined;
    throw error;
  }
}

/**
 * Enqueues jobs that belong together: each by the limits of its class, and with its key; none is merged into another, as others may
 * wait for it.
 *
 * @param run in a transaction
 * @throws {TaskLimitError} a limit is reached, silent or not; none was enqueued
 */
export async function enqueueAllKeyed(run: Run, jobs: readonly KeyedJob[], known: ReadonlyMap<string, JobType>, by: string): Promise<Job<never>[]> {
  await lock(run, jobs);
  return add(run, jobs, known, by);
}

/**
 * Of jobs that are named, whose class is not known here, none may go by keys.
 *
 * @throws {RefusedError} one does: nobody here could say what its key is
 */
export async function assertUnkeyed(read: Run, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const [keyed] = await read<{ name: string }>(KEYED, [JSON.stringify(names)]);
  if (keyed !== undefined) throw new RefusedError(`The jobs "${keyed.name}" go by keys, which their class makes: enqueue them with the class, or give it to openJobs as one of its types.`);
}

/** From here to the end of the transaction, nobody else enqueues jobs of the same keys. Two of a key may share a lock with others: that costs a wait. */
async function lock(run: Run, jobs: readonly KeyedJob[]): Promise<void> {
  const places = jobs.flatMap(({ job, keys }) => {
    if (keys === undefined) return [];
    const { limitId, key, debounce, supersedes } = keys;
    return [
      ...(limitId === undefined ? [] : [{ task: nameOf(job), text: `limit ${limitId}` }]),
      ...(key === undefined || (debounce === undefined && !supersedes) ? [] : [{ task: nameOf(job), text: `key ${key}` }]),
    ];
  });
  if (places.length > 0) await run(LOCK, [JSON.stringify(places)]);
}

async function mergeIntoPending(run: Run, { job, type, keys }: KeyedJob): Promise<Job<never> | undefined> {
  const { options, args } = job;
  if (type === undefined || keys?.debounce === undefined || keys.key === undefined) return undefined;
  const { debounce } = keys;
  const [pending] = await run<{ id: string; args: object }>(PENDING, [type.taskName, keys.key]);
  if (pending === undefined) return undefined;
  const merged = mergedArguments(type, debounce, pending.args, args);
  const { seconds, longestSeconds, enough } = debounce;
  await run(MERGE, [pending.id, JSON.stringify(merged), Math.max(seconds, options.delaySeconds ?? 0), longestSeconds ?? null, enough ?? null]);
  return { id: pending.id, name: type.taskName, type: type as Job<never>['type'] };
}

async function add(run: Run, jobs: readonly KeyedJob[], known: ReadonlyMap<string, JobType>, by: string): Promise<Job<never>[]> {
  const superseded = await supersededBy(run, jobs);
  await assertRoom(run, jobs, superseded);
  const enqueued = await enqueueJobs(run, jobs.map(putOff), known, by);
  const keys = jobs.flatMap(({ keys: one }, place) => (one === undefined ? [] : [{ id: enqueued[place]!.id, key: one.key, limit_id: one.limitId }]));
  await run(KEY, [JSON.stringify(keys)]);
  if (superseded.length > 0) {
    const newest = new Map(jobs.map(({ job, keys: one }, place) => [`${nameOf(job)} ${one?.key}`, enqueued[place]!.id]));
    await run(SUPERSEDE, [JSON.stringify(superseded.map(({ id, task, key }) => ({ id, by: newest.get(`${task} ${key}`) }))), by]);
  }
  return enqueued;
}

interface Superseded {
  id: string;
  task: string;
  key: string;
}

/** Pending jobs that these make superfluous. One that is just being claimed is none: it runs. */
async function supersededBy(run: Run, jobs: readonly KeyedJob[]): Promise<Superseded[]> {
  const given = jobs.flatMap(({ job, keys }) => (keys?.supersedes === true && keys.key !== undefined ? [{ task: nameOf(job), key: keys.key }] : []));
  return given.length === 0 ? [] : run<Superseded>(SUPERSEDED, [JSON.stringify(given)]);
}

async function assertRoom(run: Run, jobs: readonly KeyedJob[], superseded: readonly Superseded[]): Promise<void> {
  const limited = jobs.flatMap(({ job, keys }) => (keys?.limit === undefined ? [] : [{ task: nameOf(job), limitId: keys.limitId!, limit: keys.limit }]));
  if (limited.length === 0) return;
  const asked = new Map(limited.map(({ task, limitId, limit }) => [`${task} ${limitId}`, { task, limit_id: limitId, within_seconds: limit.withinSeconds }]));
  const rows = await run<{ task: string; limit_id: string; jobs: string[] }>(COUNT, [JSON.stringify([...asked.values()])]);
  const gone = new Set(superseded.map(({ id }) => id));
  const there = new Map(rows.map((row) => [`${row.task} ${row.limit_id}`, row.jobs.filter((id) => !gone.has(id))]));
  const together = new Map<string, number>();
  for (const { task, limitId, limit } of limited) {
    const place = `${task} ${limitId}`;
    const [found, more] = [there.get(place) ?? [], together.get(place) ?? 0];
    if (found.length + more >= limit.most) throw new TaskLimitError(task, limitId, limit.most, found, limit.withinSeconds, more);
    together.set(place, more + 1);
  }
}

/** A debounced job waits for others of its key. */
function putOff({ job, keys }: KeyedJob): NewJob {
  const { delaySeconds = 0, at } = job.options;
  const { debounce, key } = keys ?? {};
  if (debounce === undefined || key === undefined || at !== undefined || debounce.enough === 1) return job;
  const seconds = Math.min(debounce.seconds, debounce.longestSeconds ?? Infinity);
  return { ...job, options: { ...job.options, delaySeconds: Math.max(seconds, delaySeconds) } };
}

const nameOf = ({ type }: NewJob): string => (typeof type === 'string' ? type : type.taskName);

// None of them may look like a plain select, see src/jobs/enqueue.ts.
/** Locks per task: one transaction may enqueue thousands of keys, and a server has room for a few thousand locks. */
const LOCKS = 1024;
const LOCK = statement(`
with places as materialized (
  select distinct t.id as task_id, abs(hashtext(g.text) % ${LOCKS}) as place
    from jsonb_to_recordset($1::jsonb) as g(task text, text text)
    join task t on t.name = g.task
   order by 1, 2)
select pg_advisory_xact_lock(p.task_id, p.place) from places p`);

const KEYED = statement(`select t.name from task t join jsonb_array_elements_text($1::jsonb) as g(name) on g.name = t.name where t.goes_by_keys limit 1`);

// The one that is locked cannot be claimed meanwhile; one that is being claimed is waited for, and is no pending one then.
const PENDING = statement(`
with found as materialized (
  select j.subject_id
    from job j
    join task t on t.id = j.task_id
    join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id
   where t.name = $1 and j.key = $2 and j.ended_at is null and r.status_id = 1
   order by j.subject_id desc
   limit 1
     for update of r)
select f.subject_id::text as id, s.data as args from found f join subject s on s.id = f.subject_id`);

/**
 * A claim that began before must not hand out the arguments of before, so it is told of the edit (src/engine/claim.ts). What
 * waits for another attempt waits on; what lies in a queue outside is taken from there.
 */
const MERGE = statement(`
with merged as (
  update job j
     set merged = j.merged + 1
   where j.subject_id = $1::bigint
  returning j.subject_id, j.task_id, j.merged, j.enqueued_at),
told as (
  update subject s
     set data = $2::jsonb
    from merged m
   where s.id = m.subject_id)
update task_register r
   set edit_xid = pg_current_xact_id(), edited_at = clock_timestamp(),
       due_at = case when r.dispatched_at is not null or (r.attempt > 0 and r.due_at is not null) then r.due_at
                     when m.merged + 1 >= $5::integer or w.at <= clock_timestamp() then null
                     else w.at end
  from merged m
 cross join lateral (
   select least(clock_timestamp() + $3::float8 * interval '1 second', m.enqueued_at + $4::float8 * interval '1 second') as at) w
 where r.subject_id = m.subject_id and r.task_id = m.task_id
returning case when r.due_at is null then pg_notify('afterglow_ready', r.task_id::text)
               else pg_notify('afterglow_due', greatest(0, extract(epoch from r.due_at - clock_timestamp()))::text) end`);

const KEY = statement(`
with given as materialized (select $1::jsonb as keys)
select key_jobs(given.keys) from given`);

// What others wait for is done, superseded or not.
const SUPERSEDED = statement(`
with found as materialized (
  select j.subject_id, g.task, g.key
    from (select distinct task, key from jsonb_to_recordset($1::jsonb) as g(task text, key text)) g
    join task t on t.name = g.task
    join job j on j.task_id = t.id and j.key = g.key and j.ended_at is null
    join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id and r.status_id = 1
   where not exists (select from job_parent p where p.parent_id = j.subject_id)
   order by j.subject_id
     for update of r skip locked)
select f.subject_id::text as id, f.task, f.key from found f`);

const SUPERSEDE = statement(`
with given as materialized (
  select * from jsonb_to_recordset($1::jsonb) as g(id bigint, by text)),
told as (
  update job j
     set skip = jsonb_build_object('reason', 'superseded', 'by', g.by)
    from given g
   where j.subject_id = g.id)
update task_register r
   set status_id = (select s.id from status s where s.message = 'skipped'), cause = 'skip', actor = $2, reason = 'superseded by job ' || g.by,
       due_at = null, waits_for = null, last_modified = clock_timestamp()
  from given g
  join job j on j.subject_id = g.id
 where r.subject_id = g.id and r.task_id = j.task_id and r.status_id = 1`);

const COUNT = statement(`
with given as materialized (
  select t.id as task_id, g.task, g.limit_id, g.within_seconds
    from jsonb_to_recordset($1::jsonb) as g(task text, limit_id text, within_seconds double precision)
    join task t on t.name = g.task)
select g.task, g.limit_id, array_agg(f.id::text order by f.id) as jobs
  from given g
 cross join lateral (
   select j.subject_id as id from job j where j.task_id = g.task_id and j.limit_id = g.limit_id and j.ended_at is null
    union all
   select j.subject_id
     from job j
    where j.task_id = g.task_id and j.limit_id = g.limit_id and j.ended_at > clock_timestamp() - g.within_seconds * interval '1 second'
      and j.enqueued_at > clock_timestamp() - g.within_seconds * interval '1 second' and j.state in ('completed', 'skipped')) f
 group by g.task, g.limit_id`);
