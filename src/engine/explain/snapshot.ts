import { IS_ALIVE } from '../../db/daemons.ts';
import { statement, type Run } from '../../db/hot.ts';
import type { StatusType } from '../../status/status.ts';
import type { Failure } from '../advance.ts';
import type { LimitState } from '../room.ts';

/** All that decides whether entries run, as it was at one moment. Instants are ISO 8601 texts by the database's clock. */
export interface Snapshot {
  now: string;
  entries: readonly EntryState[];
  tasks: readonly TaskState[];
  holds: readonly HoldState[];
  /** The living ones. */
  daemons: readonly DaemonState[];
  unqualified: readonly UnqualifiedState[];
}

/** An entry of the register. */
export interface EntryState {
  subjectId: string;
  subject: string;
  taskId: number;
  status: string;
  type: StatusType;
  unmet: number;
  held: boolean;
  attempt: number;
  setbacks: number;
  failure: Failure | null;
  reason: string | null;
  waitsFor: string | null;
  dueAt: string | null;
  /** Since when it lies in a queue outside. */
  dispatchedAt: string | null;
  since: string;
  cancelReason: string | null;
  cancelledBy: string | null;
  /** Who runs it; null where nobody does, or who is not known any more. */
  runBy: string | null;
  /** Seconds that its lease still lasts. */
  leaseSeconds: number | null;
  startedAt: string | null;
  progress: number | null;
  /** The message of its last attempt's error. */
  error: string | null;
  /** Of a job, the parents that are not completed. */
  parents: readonly { id: string; name: string; state: string; reason: string | null }[];
  /** Of a job that waits for its turn among those of its key: how many may run at once, and those that are not ended and came before it. */
  parkedBy: { key: string; most: number | null; ahead: number } | null;
  /** Of a script of a run: whether the process that works on the run is alive; null for all else. */
  runIsAlive: boolean | null;
  /** What daemons call it that it does not qualify for, see {@link UnqualifiedState.key}. */
  qualifiesAs: string;
  /** Entries of the task that are eligible and come before it, at most {@link MOST_AHEAD}; counted where the task is limited and this one is eligible. */
  ahead: number | null;
}

/** A task with what limits it. */
export interface TaskState extends LimitState {
  id: number;
  name: string;
  kind: string;
  active: boolean;
  claimFrom: string;
  /** How many attempts its retry policy lets an entry have. */
  mostAttempts: number;
  /** Version of the newest runner that has worked on it. */
  version: number;
  /** Labels. */
  requires: readonly string[];
  /** One for each prerequisite; any of its statuses will do. */
  requirements: readonly { task: string; taskId: number; statuses: readonly string[] }[];
  /** Time of day, `HH:MM:SS`, in the zone; `local` is what the clock shows there. */
  window: { from: string; to: string; zone: string; local: string; opensAt: string } | null;
  schedule: { enabled: boolean; pattern: string; nextAt: string | null; editedBy: string | null } | null;
  /** Who tries resources that did not answer: resource and attempt. */
  probes: readonly { resource: string; task: string; subject: string; by: string | null }[];
  /** What the resources said last, by name. */
  errors: Readonly<Record<string, string>>;
}

/** A person's hold on an object, or on one task of it (the task's id). */
export interface HoldState {
  subjectId: string;
  taskId: number | null;
  reason: string;
  by: string;
  at: string;
  until: string | null;
}

/** A task, or a key of it, that a living daemon does not qualify for now. */
export interface UnqualifiedState {
  daemonId: number;
  taskId: number;
  /** Empty for the task as a whole. */
  key: string;
  reason: string;
  againAt: string;
}

export interface DaemonState {
  id: number;
  role: string;
  host: string;
  pid: number;
  labels: readonly string[];
  running: number;
  concurrency: number;
}

/** Those before an entry are not counted further. */
export const MOST_AHEAD = 1000;

/**
 * Reads all that decides whether the entries of some objects run, in one statement.
 *
 * @param subjects names; whether they are there is for the caller to ask
 */
export async function readSnapshot(run: Run, subjects: readonly string[]): Promise<Snapshot> {
  const [row] = await run<{ snapshot: Snapshot }>(READ, [subjects]);
  return row!.snapshot;
}

// The status stands in the text, as it does in the claim, so that the partial index is used where nearly all are claimed from; that of all statuses leaves out what runs.
const aheadSql = (status: string) => `
  select count(*)
    from (
      select
        from task_register o
       where o.task_id = r.task_id and o.status_id = ${status} and o.status_id <> 2 and o.ready and o.due_at is null and o.public_timestamp <= r.public_timestamp
         and (o.public_timestamp < r.public_timestamp or o.priority > r.priority or (o.priority = r.priority and o.subject_id < r.subject_id))
       limit ${MOST_AHEAD}) before`;

const PARENTS = `
  select coalesce(jsonb_agg(jsonb_build_object('id', j.subject_id::text, 'name', jt.name, 'reason', f.reason,
           'state', coalesce(j.state, case when f.status_id = 2 then 'running' else 'pending' end)) order by p.place), '[]')
    from job_parent p
    join job j on j.subject_id = p.parent_id
    join task jt on jt.id = j.task_id
    join task_register f on f.subject_id = j.subject_id and f.task_id = j.task_id
   where p.job_id = r.subject_id and t.kind = 'job:' || t.name and coalesce(j.state, 'open') not in ('completed', 'skipped')`;

const PARKED = `
  select jsonb_build_object('key', j.key, 'most', t.concurrency_per_key, 'ahead', (
           select count(*) from job o where o.task_id = j.task_id and o.key = j.key and o.ended_at is null and o.subject_id < j.subject_id))
    from job j
   where j.subject_id = r.subject_id and j.task_id = r.task_id and j.parked`;

const ENTRIES = `
  select r.subject_id::text as "subjectId", s.name as subject, r.task_id as "taskId", st.message as status, st.type, r.unmet, r.held, r.attempt, r.setbacks, r.failure,
         r.reason, r.waits_for as "waitsFor", r.due_at as "dueAt", r.dispatched_at as "dispatchedAt", r.last_modified as since, r.cancel_reason as "cancelReason",
         r.cancelled_by as "cancelledBy", case when r.status_id = 2 then d.role || ' ' || d.id || ' (' || d.host || ':' || d.pid || ')' end as "runBy",
         case when r.status_id = 2 then extract(epoch from r.lease_until - clock_timestamp()) end as "leaseSeconds",
         case when r.status_id = 2 then a.started_at end as "startedAt", case when r.status_id = 2 then a.progress end as progress, a.error->>'message' as error,
         case when r.unmet > 0 then (${PARENTS}) else '[]' end as parents,
         case when r.unmet > 0 then (${PARKED}) end as "parkedBy",
         (select exists (select from daemon d where d.id = u.daemon_id and ${IS_ALIVE}) from run u where u.subject_id = s.id) as "runIsAlive",
         coalesce((select 'key ' || j.key from job j where j.subject_id = r.subject_id and j.task_id = r.task_id), 'id ' || r.subject_id) as "qualifiesAs",
         case when not (r.ready and r.due_at is null and r.status_id = t.claim_from_id and (t.concurrency is not null or exists (select from task_use u where u.task_id = t.id))) then null
              when t.claim_from_id = 1 then (${aheadSql('1')})
              else (${aheadSql('t.claim_from_id')})
         end as ahead
    from subject s
    join task_register r on r.subject_id = s.id
    join task t on t.id = r.task_id
    join status st on st.id = r.status_id
    left join daemon d on d.id = r.lease_owner
    left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
   where s.name = any ($1::text[])
   order by s.name, s.id, r.task_id`;

const RESOURCES = `
  select u.resource as name, u.units, q.concurrency, q.per_minute as "perMinute", q.state, extract(epoch from q.open_until - clock_timestamp()) as "openSeconds",
         (select coalesce(sum(o.units * n.n), 0) from task_use o cross join lateral (select count(*) as n from task_register where task_id = o.task_id and status_id = 2) n where o.resource = u.resource) as "usedUnits",
         (select coalesce(sum(n.n), 0) from task_use o cross join lateral (select count(*) as n from task_register where task_id = o.task_id and status_id = 2) n where o.resource = u.resource) as attempts,
         (select coalesce(sum(b.units), 0) from resource_start b where b.resource = u.resource and b.at > clock_timestamp() - interval '1 minute') as "startedUnits",
         (select extract(epoch from min(b.at) + interval '1 minute' - clock_timestamp()) from resource_start b where b.resource = u.resource and b.at > clock_timestamp() - interval '1 minute') as "nextSeconds"
    from task_use u
    join resource q on q.name = u.resource
   where u.task_id = t.id
   order by u.resource`;

const PROBES = `
  select u.resource, ot.name as task, os.name as subject, d.role || ' ' || d.id || ' (' || d.host || ':' || d.pid || ')' as by
    from task_use u
    join resource q on q.name = u.resource and q.state = 'open'
    join task_use o on o.resource = u.resource
    join task_register r on r.task_id = o.task_id and r.status_id = 2
    join task ot on ot.id = r.task_id
    join subject os on os.id = r.subject_id
    left join daemon d on d.id = r.lease_owner
   where u.task_id = t.id
   order by u.resource, r.last_modified
   limit 5`;

const TASKS = `
  select t.id, t.name, t.kind, t.active, c.message as "claimFrom", t.most_attempts as "mostAttempts", t.runner_version as version, t.requires, t.concurrency,
         case when t.concurrency is null then 0 else (select count(*) from task_register where task_id = t.id and status_id = 2) end as running,
         (select coalesce(jsonb_agg(jsonb_build_object('task', p.name, 'taskId', p.id, 'statuses', q.statuses) order by p.id), '[]')
            from (select prerequisite_id, jsonb_agg(w.message order by w.id) as statuses
                    from task_requirement
                    join status w on w.id = status_id
                   where task_id = t.id
                   group by prerequisite_id) q
            join task p on p.id = q.prerequisite_id) as requirements,
         case when t.window_from is not null then jsonb_build_object(
           'from', t.window_from, 'to', t.window_to, 'zone', t.window_zone, 'local', l.at::time,
           'opensAt', case when l.at::time < t.window_from then (l.at::date + t.window_from) at time zone t.window_zone
                           else (l.at::date + 1 + t.window_from) at time zone t.window_zone end) end as "window",
         (select jsonb_build_object('enabled', h.enabled, 'pattern', h.pattern, 'nextAt', h.next_at, 'editedBy', h.edited_by) from schedule h where h.runner = t.name) as schedule,
         (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (${RESOURCES}) x) as resources,
         (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (${PROBES}) x) as probes,
         (select coalesce(jsonb_object_agg(q.name, q.last_error) filter (where q.last_error is not null), '{}') from task_use u join resource q on q.name = u.resource where u.task_id = t.id) as errors
    from task t
    join status c on c.id = t.claim_from_id
   cross join lateral (select clock_timestamp() at time zone t.window_zone as at) l
   where t.kind in (select kind from subject where name = any ($1::text[]))
   order by t.id`;

const HOLDS = `
  select h.subject_id::text as "subjectId", h.task_id as "taskId", h.reason, h.placed_by as by, h.placed_at as at, h.until
    from hold h
    join subject s on s.id = h.subject_id
   where s.name = any ($1::text[])
   order by h.id`;

const DAEMONS = `
  select d.id, d.role, d.host, d.pid, d.labels, d.running, d.concurrency
    from daemon d
   where ${IS_ALIVE}
   order by d.id`;

const UNQUALIFIED = `
  select u.daemon_id as "daemonId", u.task_id as "taskId", u.key, u.reason, u.again_at as "againAt"
    from unqualified u
    join daemon d on d.id = u.daemon_id and ${IS_ALIVE}
   where u.key = ''
      or u.key in (
        select coalesce('key ' || j.key, 'id ' || s.id)
          from subject s
          left join job j on j.subject_id = s.id
         where s.name = any ($1::text[]))
   order by u.daemon_id, u.task_id, u.key`;

const all = (rows: string) => `(select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (${rows}) x)`;

const READ = statement(`
select jsonb_build_object(
  'now', clock_timestamp(), 'entries', ${all(ENTRIES)}, 'tasks', ${all(TASKS)}, 'holds', ${all(HOLDS)}, 'daemons', ${all(DAEMONS)}, 'unqualified', ${all(UNQUALIFIED)}) as snapshot`);
