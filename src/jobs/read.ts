import { statement, type Run } from '../db/hot.ts';
import { UnknownNameError } from '../errors.ts';
import { idOf } from './enqueue.ts';
import type { JobDetails, JobFilter, JobRef, JobState } from '../runner/jobs.ts';
import type { Json } from '../runner/outcome.ts';

/** Jobs that a list has at most, unless the filter says otherwise. */
const LISTED = 100;

/** How a job ended, or where it stands. */
export interface JobStand {
  id: string;
  name: string;
  state: JobState;
  reason: string | null;
  result: Json | null;
}

/** Where a job stands. @throws {UnknownNameError} there is no such job */
export async function readStand(run: Run, job: JobRef): Promise<JobStand> {
  const id = idOf(job);
  const [row] = await run<JobStand>(STAND, [id]);
  if (row === undefined) throw new UnknownNameError('job', id, []);
  return row;
}

/** Everything about a job. @throws {UnknownNameError} there is no such job */
export async function readJob(run: Run, job: JobRef): Promise<JobDetails> {
  const id = idOf(job);
  const [row] = await run<DetailsRow>(DETAILS, [`{${id}}`]);
  if (row === undefined) throw new UnknownNameError('job', id, []);
  return toDetails(row);
}

/** Jobs, the newest first. */
export async function listJobs(run: Run, { names, states, key, parent, enqueuedBefore, endedBefore, limit = LISTED }: JobFilter): Promise<JobDetails[]> {
  const params: unknown[] = [];
  const $ = (value: unknown): string => `$${params.push(value)}`;
  const conditions = [
    states === undefined ? undefined : inStates(states, $),
    names === undefined ? undefined : `j.task_id in (select id from task where ${$(JSON.stringify(names))}::jsonb @> to_jsonb(name))`,
    parent === undefined ? undefined : `j.subject_id in (select p.job_id from job_parent p where p.parent_id = ${$(idOf(parent))}::bigint)`,
    key === undefined ? undefined : `j.key = ${$(key)}::text`,
    enqueuedBefore === undefined ? undefined : `j.enqueued_at < ${$(enqueuedBefore.toISOString())}::timestamptz`,
    endedBefore === undefined ? undefined : `j.ended_at < ${$(endedBefore.toISOString())}::timestamptz`,
  ].filter((condition) => condition !== undefined);
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  const found = await run<{ id: string }>(statement(`select j.subject_id::text as id from job j${where} order by j.subject_id desc limit ${$(limit)}::integer`), params);
  return (await run<DetailsRow>(DETAILS, [`{${found.map(({ id }) => id).join()}}`])).map(toDetails);
}

/** Which jobs `j` are in some states. Where few are in them, they are found by the statuses of their entries; of the others, the newest by their ids. */
function inStates(states: readonly JobState[], $: (value: unknown) => string): string {
  const given = () => `${$(JSON.stringify(states))}::jsonb`;
  if (states.every((state) => RARE.has(state))) return `j.subject_id in (${idsBy(given())})`;
  const open = ['pending', 'running'].filter((state) => states.includes(state as JobState));
  const either = [
    ...(states.length > open.length ? [`${given()} @> to_jsonb(j.state)`] : []),
    // As in the index of those that have not ended.
    ...(open.length === 2 ? ['j.ended_at is null'] : open.map((state) => `(j.ended_at is null and ${state === 'running' ? '' : 'not '}${RUNS})`)),
  ];
  return `(${either.join(' or ')})`;
}

const RARE: ReadonlySet<JobState> = new Set(['running', 'failed', 'cancelled', 'skipped']);

const RUNS = `exists (select from task_register r where r.subject_id = j.subject_id and r.task_id = j.task_id and r.status_id = 2)`;

/** Ids of the jobs in some states; a list of JSON. `offset 0`: it is looked up before anything else, whatever is thought of how many they are. */
const idsBy = (states: string): string => `
  (select f.subject_id
     from task ft
     join task_register f on f.task_id = ft.id and f.status_id <> 2
     join status fs on fs.id = f.status_id
    where ft.kind like 'job:%'
      and ${states} @> to_jsonb(case when fs.message in ('cancelled', 'skipped') then fs.message when fs.type = 'error' then 'failed' end)
   union all
   select f.subject_id
     from task ft
     join task_register f on f.task_id = ft.id and f.status_id = 2
    where ft.kind like 'job:%' and ${states} @> '"running"')
  offset 0`;

/** What the parents of a job gave, in their order; null for those that gave nothing. */
export async function parentResults(run: Run, jobId: string): Promise<(Json | null)[]> {
  return (await run<{ result: Json | null }>(PARENT_RESULTS, [jobId])).map(({ result }) => result);
}

interface DetailsRow extends Omit<JobDetails, 'enqueuedAt' | 'dueAt' | 'startedAt' | 'endedAt'> {
  enqueuedAt: string;
  dueAt: string | null;
  startedAt: string | null;
  endedAt: string | null;
}

function toDetails(row: DetailsRow): JobDetails {
  const { enqueuedAt, dueAt, startedAt, endedAt } = row;
  return { ...row, enqueuedAt: new Date(enqueuedAt), dueAt: toDate(dueAt), startedAt: toDate(startedAt), endedAt: toDate(endedAt) };
}

const toDate = (at: string | null): Date | null => (at === null ? null : new Date(at));

const STATE = `coalesce(j.state, case when r.status_id = 2 then 'running' else 'pending' end)`;

/** Of a job `j` with its entry \`r\`, the last attempt. */
const LAST = `left join attempt a on a.subject_id = j.subject_id and a.task_id = j.task_id and a.attempt = r.attempt`;
const ENTRY = `join task t on t.id = j.task_id join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id`;
const RESULT = `case when r.cause = 'skip' then j.skip when j.state in ('completed', 'skipped') then a.result end`;
const REASON = `case when r.cause = 'skip' then j.skip ->> 'reason' when j.state = 'skipped' then a.result ->> 'reason' else coalesce(r.reason, case when j.state = 'failed' then a.error ->> 'message' end) end`;

const STAND = statement(`
select j.subject_id::text as id, t.name, ${STATE} as state, ${REASON} as reason, ${RESULT} as result
  from job j ${ENTRY} ${LAST}
 where j.subject_id = $1::bigint`);

const DETAILS = statement(`
select j.subject_id::text as id, t.name, ${STATE} as state, s.data as args, j.enqueued_at::text as "enqueuedAt", j.enqueued_by as "enqueuedBy",
       r.due_at::text as "dueAt", a.started_at::text as "startedAt", j.ended_at::text as "endedAt", s.priority, j.timeout_seconds as "timeoutSeconds", j.key, j.merged,
       r.attempt as attempts, j.requeues, ${REASON} as reason, a.progress, ${RESULT} as result,
       coalesce((select jsonb_agg(p.parent_id::text order by p.place) from job_parent p where p.job_id = j.subject_id), '[]') as parents,
       coalesce((select jsonb_agg(p.job_id::text order by p.job_id) from job_parent p where p.parent_id = j.subject_id), '[]') as children,
       case when r.unmet = 0 then '[]' else coalesce((
         select jsonb_agg(jsonb_build_object('id', k.subject_id::text, 'name', kt.name,
                  'state', coalesce(k.state, case when kr.status_id = 2 then 'running' else 'pending' end)) order by p.place)
           from job_parent p
           join job k on k.subject_id = p.parent_id
           join task kt on kt.id = k.task_id
           join task_register kr on kr.subject_id = k.subject_id and kr.task_id = k.task_id
          where p.job_id = j.subject_id and coalesce(k.state, 'open') not in ('completed', 'skipped')), '[]') end as "waitsFor"
  from unnest($1::bigint[]) as given(id)
  join job j on j.subject_id = given.id ${ENTRY} ${LAST}
  join subject s on s.id = j.subject_id
 order by j.subject_id desc`);

const PARENT_RESULTS = statement(`
select case when j.state = 'completed' then a.result end as result
  from job_parent p
  join job j on j.subject_id = p.parent_id ${ENTRY} ${LAST}
 where p.job_id = $1::bigint
 order by p.place`);
