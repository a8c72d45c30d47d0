import { statement, type Run, type Statement } from '../db/hot.ts';
import type { ClaimTask } from '../engine/claim.ts';
import { retryDeadlock } from '../engine/retry-deadlock.ts';
import type { Ticket } from './ticket.ts';

/**
 * Takes entries that may run for the queue, in the order of the claims: they keep their status, and are not looked at again
 * before a lease is over. A ticket that is lost after this, with Redis or with its daemon, costs that time and no attempt.
 *
 * @returns a ticket for each, with the subject's name; to be sent after this has been committed
 */
export async function dispatch(run: Run, task: ClaimTask, leaseSeconds: number, limit: number): Promise<(Ticket & { subject: string })[]> {
  const rows = await retryDeadlock(() => run<{ subject_id: string; attempt: number; subject: string }>(dispatchStatement(task.claimFromId), [task.id, task.version, limit, task.name, leaseSeconds]));
  return rows.map((row) => ({ subjectId: row.subject_id, taskId: task.id, attempt: row.attempt + 1, subject: row.subject }));
}

/** How many entries of a task lie in the queue by the register's account; tickets that were lost are among them until their lease is over. */
export async function dispatched(run: Run, taskId: number): Promise<number> {
  return (await run<{ n: number }>(DISPATCHED, [taskId]))[0]!.n;
}

const DISPATCHED = statement(`select count(*)::int as n from task_register where task_id = $1 and due_at > clock_timestamp() and dispatched_at is not null and status_id <> 2`);

/**
 * Lets entries be dispatched again at once, or after some seconds: their tickets will not be used. Those that were claimed, ended or
 * reset meanwhile stay as they are. It waits for nobody: a person's long transaction must not keep the engine's connections.
 *
 * @returns how many could not be given back now, because somebody else has them locked
 */
export async function giveBack(run: Run, tickets: readonly Ticket[], againInSeconds = 0): Promise<number> {
  const [row] = await run<{ locked: number }>(GIVE_BACK, [JSON.stringify(tickets.map(({ subjectId, taskId, attempt }) => ({ subject_id: subjectId, task_id: taskId, attempt }))), againInSeconds]);
  return row!.locked;
}

const made = new Map<number, Statement>();

// The status id stands in the text for the sake of the partial index.
function dispatchStatement(claimFromId: number): Statement {
  const found = made.get(claimFromId) ?? statement(`
with eligible as materialized (
  select r.subject_id
    from task_register r
   where r.task_id = $1 and r.status_id = ${Number(claimFromId)} and r.ready and r.due_at is null
     and exists (select from task t where t.id = $1 and t.active and t.claim_from_id = ${Number(claimFromId)} and t.runner_version <= $2 and in_window(t.window_from, t.window_to, t.window_zone))
     and not exists (select from schedule s where s.runner = $4 and not s.enabled)
   order by r.public_timestamp, r.priority desc, r.subject_id
   limit $3
     for update of r skip locked),
dispatched as (
  update task_register r
     set dispatched_at = clock_timestamp(), due_at = clock_timestamp() + $5 * interval '1 second'
    from eligible e
   where r.subject_id = e.subject_id and r.task_id = $1
  returning r.subject_id, r.attempt)
select d.subject_id, d.attempt, s.name as subject
  from dispatched d
  join subject s on s.id = d.subject_id
 order by s.public_timestamp, s.priority desc, s.id`);
  made.set(claimFromId, found);
  return found;
}

const GIVE_BACK = statement(`
with given as (
  select * from jsonb_to_recordset($1::jsonb) as g(subject_id bigint, task_id integer, attempt integer)),
theirs as materialized (
  select r.subject_id, r.task_id
    from given g
    join task_register r on r.subject_id = g.subject_id and r.task_id = g.task_id
   where r.attempt = g.attempt - 1 and r.dispatched_at is not null),
free as materialized (
  select r.subject_id, r.task_id
    from given g
    join task_register r on r.subject_id = g.subject_id and r.task_id = g.task_id
   where r.attempt = g.attempt - 1 and r.dispatched_at is not null
   order by r.subject_id, r.task_id
     for update of r skip locked),
back as (
  update task_register r
     set dispatched_at = null, due_at = case when $2::float8 > 0 then clock_timestamp() + $2::float8 * interval '1 second' end
    from free f
   where r.subject_id = f.subject_id and r.task_id = f.task_id
  returning r.task_id, r.due_at),
told as materialized (
  select pg_notify('afterglow_ready', task_id::text) from (select distinct task_id from back where due_at is null) tasks)
select (select count(*)::int from theirs t where not exists (select from free f where f.subject_id = t.subject_id and f.task_id = t.task_id)) as locked,
       (select count(*)::int from told) as told`);
