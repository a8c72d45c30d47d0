import { statement, type Run } from '../db/hot.ts';
import { explain } from '../engine/explain/obstacles.ts';
import { CAN_RUN, describePlainly } from '../engine/explain/describe.ts';
import { readSnapshot } from '../engine/explain/snapshot.ts';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { Batch, Place } from '../runner/request.ts';
import type { Json } from '../runner/outcome.ts';
import type { StatusType } from '../status/status.ts';

/** Where one task of a request stands, in the words of people. */
export type TaskState =
  /** The request is not approved. */
  | 'inactive'
  /** It runs when it may: see its `waits`. */
  | 'active'
  | 'running'
  | 'success'
  | 'fail'
  | 'omitted';

/** Where a request stands: `closed` is one of which nothing more will be done. */
export type RequestState = Exclude<TaskState, 'omitted'> | 'closed';

/** One task of a request. Times are ISO 8601 texts, UTC. */
export interface RequestTaskReport {
  task: string;
  description: string;
  /** Whom to ask about it. */
  owner: string;
  state: TaskState;
  status: string;
  type: StatusType;
  /** Why it is omitted, or waits, or failed. */
  reason: string | null;
  batch: Batch | null;
  place: Place;
  /** How many tasks it waits for. */
  unmet: number;
  /** How often it was run. */
  attempts: number;
  /** What its last attempt said. */
  message: string | null;
  warning: string | null;
  startedAt: string | null;
  endedAt: string | null;
  /** Seconds that its last attempt took. */
  seconds: number | null;
  /** Of all attempts, in the unit of your accounts. */
  cost: number;
  dueAt: string | null;
}

/** A request with its list of tasks. Times are ISO 8601 texts, UTC. */
export interface RequestReport {
  request: string;
  email: string;
  type: string;
  state: RequestState;
  requestedAt: string;
  deadline: string;
  /** Whether the deadline is over, and the request open. */
  overdue: boolean;
  /** Days until the deadline, less than 0 where it is over. */
  daysLeft: number;
  identifiers: Readonly<Record<string, string>>;
  details: Json;
  notes: string;
  createdAt: string;
  createdBy: string;
  approvedAt: string | null;
  approvedBy: string | null;
  completedAt: string | null;
  closedAt: string | null;
  closedBy: string | null;
  closeReason: string | null;
  /** Of all attempts of all tasks. */
  cost: number;
  tasks: readonly RequestTaskReport[];
}

/** Something that happened to a request. */
export interface RequestEvent {
  id: string;
  at: string;
  by: string;
  kind: string;
  task: string | null;
  text: string;
}

/** A request with all that is known of it. */
export interface WholeRequest extends RequestReport {
  events: readonly RequestEvent[];
  /** By task: whole sentences, why it does not run. */
  waits: Readonly<Record<string, readonly string[]>>;
}

/** One run of a task of a request. */
export interface AttemptReport {
  attempt: number;
  outcome: string;
  status: string | null;
  startedAt: string;
  endedAt: string | null;
  seconds: number | null;
  message: string | null;
  warning: string | null;
  cost: number | null;
  by: string;
  log: Json;
}

/** Which requests a list is of: `open` by deadline; `done` (completed and closed), the last ones first. */
export type Listing = 'open' | 'done';

/** How many requests one list has. */
export const LISTED = 500;

/** @param listing at most {@link LISTED} of them */
export async function readRequests(run: Run, listing: Listing): Promise<RequestReport[]> {
  return (await run<{ report: RequestReport }>(listing === 'open' ? OPEN : DONE, [])).map(({ report }) => report);
}

/**
 * Everything about one request.
 *
 * @throws {UnknownNameError} there is no such request
 */
export async function readRequest(run: Run, name: string): Promise<WholeRequest> {
  const [row] = await run<{ report: RequestReport; events: RequestEvent[] }>(ONE, [name]);
  if (row === undefined) {
    const known = (await run<{ name: string }>(NAMES, [])).map((one) => one.name);
    throw new UnknownNameError('request', name, known, nearest(name, known));
  }
  return { ...row.report, events: row.events, waits: await waitsOf(run, row.report) };
}

/** The runs of one task of a request, the last one first. */
export async function readAttempts(run: Run, name: string, task: string): Promise<AttemptReport[]> {
  return (await run<{ report: AttemptReport }>(ATTEMPTS, [name, task])).map(({ report }) => report);
}

async function waitsOf(run: Run, { request, tasks }: RequestReport): Promise<Record<string, readonly string[]>> {
  const isOpen = new Set(tasks.filter(({ state }) => state === 'active' || state === 'inactive' || state === 'running').map(({ task }) => task));
  if (isOpen.size === 0) return {};
  const snapshot = await readSnapshot(run, [request]);
  const now = new Date(snapshot.now);
  const waiting = explain(snapshot).filter(({ task }) => isOpen.has(task));
  return Object.fromEntries(
    waiting.map(({ subject, task, obstacles }) => [task, obstacles.length === 0 ? [CAN_RUN] : obstacles.map((obstacle) => describePlainly(obstacle, { subject, task, now }))]),
  );
}

/** The message of an attempt: its error's, or its result where that is a text or has a field `message`, else the result as JSON. */
const messageOf = (attempt: string) => `
coalesce(${attempt}.error ->> 'message', case jsonb_typeof(${attempt}.result) when 'string' then ${attempt}.result #>> '{}' when 'object' then coalesce(${attempt}.result ->> 'message', ${attempt}.result::text)
         else nullif(${attempt}.result::text, 'null') end)`;

const TASKS = `
  select t.name as task, t.description, t.owner,
         case when st.message = 'omitted' then 'omitted' when r.status_id = 2 then 'running' when st.type = 'success' then 'success' when st.type = 'error' then 'fail'
              when q.approved_at is null then 'inactive' else 'active' end as state,
         st.message as status, st.type, r.reason, d.batch, coalesce(d.place, 'any') as place, r.unmet, r.attempt as attempts, ${messageOf('a')} as message, r.warning,
         a.started_at as "startedAt", a.ended_at as "endedAt", a.wall_seconds as seconds,
         (select coalesce(sum(o.cost), 0) from attempt o where o.subject_id = r.subject_id and o.task_id = r.task_id) as cost, r.due_at as "dueAt"
    from task_register r
    join task t on t.id = r.task_id
    join status st on st.id = r.status_id
    left join request_task d on d.task_id = r.task_id
    left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
   where r.subject_id = q.subject_id
   order by array_position(array['any', 'last', 'closing'], coalesce(d.place, 'any')), t.id`;

const REPORT = `
  select s.name as request, q.email, q.type, x.state, q.requested_at as "requestedAt", q.deadline, q.identifiers, q.details, q.notes,
         q.deadline < clock_timestamp() and x.completed_at is null and q.closed_at is null as overdue,
         floor(extract(epoch from q.deadline - clock_timestamp()) / 86400)::integer as "daysLeft",
         q.created_at as "createdAt", q.created_by as "createdBy", q.approved_at as "approvedAt", q.approved_by as "approvedBy", x.completed_at as "completedAt",
         q.closed_at as "closedAt", q.closed_by as "closedBy", q.close_reason as "closeReason",
         (select coalesce(sum(o.cost), 0) from attempt o where o.subject_id = q.subject_id) as cost,
         (select coalesce(jsonb_agg(to_jsonb(k)), '[]') from (${TASKS}) k) as tasks`;

const FROM = `
    from request q
    join subject s on s.id = q.subject_id
    join lateral (select state, completed_at from request_state x where x.subject_id = q.subject_id offset 0) x on true`;

// Which requests, first: the view is computed for all of them at once, and everything else for those on the list alone.
const listSql = (which: string, order: string) => `
with listed as materialized (
  select q.subject_id, row_number() over (order by ${order}) as place
    from request q
    join request_state x on x.subject_id = q.subject_id
   where ${which}
   order by place
   limit ${LISTED})
select to_jsonb(report) - 'place' as report
  from (${REPORT}, l.place
    from listed l
    join request q on q.subject_id = l.subject_id
    join subject s on s.id = q.subject_id
    join lateral (select state, completed_at from request_state x where x.subject_id = q.subject_id offset 0) x on true
   order by l.place) report`;

const OPEN = statement(listSql('q.closed_at is null and x.completed_at is null', 'q.deadline, q.subject_id'));

const DONE = statement(listSql('q.closed_at is not null or x.completed_at is not null', 'coalesce(q.closed_at, x.completed_at) desc, q.subject_id desc'));

const ONE = statement(`
select to_jsonb(report) as report,
       (select coalesce(jsonb_agg(jsonb_build_object('id', e.id::text, 'at', e.at, 'by', e.by, 'kind', e.kind, 'task', t.name, 'text', e.text) order by e.id), '[]')
          from request_event e
          join subject es on es.id = e.subject_id
          left join task t on t.id = e.task_id
         where es.kind = 'request' and es.name = $1) as events
  from (${REPORT} ${FROM}
   where s.kind = 'request' and s.name = $1) report`);

const NAMES = statement(`select name from subject where kind = 'request' order by id desc limit 1000`);

const ATTEMPTS = statement(`
select to_jsonb(report) as report
  from (
select a.attempt, a.outcome, st.message as status, a.started_at as "startedAt", a.ended_at as "endedAt", a.wall_seconds as seconds, ${messageOf('a')} as message,
       a.warning, a.cost, coalesce(d.role || ' ' || d.id || ' (' || d.host || ')', 'daemon ' || a.daemon_id) as by, coalesce(a.log, '[]') as log
  from attempt a
  join subject s on s.id = a.subject_id
  join task t on t.id = a.task_id
  left join status st on st.id = a.status_id
  left join daemon d on d.id = a.daemon_id
 where s.kind = 'request' and s.name = $1 and t.name = $2
 order by a.attempt desc) report`);
