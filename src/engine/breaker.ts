import { statement, type Run } from '../db/hot.ts';

/** What a failure means for those that use the resource. */
export interface ServiceFailure {
  resource: string;
  /** For how long nobody asks it, seconds; undefined where it is asked on. */
  openSeconds: number | undefined;
}

/**
 * The circuit breaker of a resource. After so many failures in a row nobody asks it for a while (`open`); then one attempt at
 * a time tries (see limits.ts); the first that succeeds closes it and wakes all that wait, one that fails doubles the while.
 *
 * Hears that a service failed.
 *
 * @param failed the attempt that it failed; one that began before the breaker opened does not make the while longer
 * @returns undefined where the service is no resource of the fixtures
 */
export async function noteFailure(
  run: Run, failed: { subjectId: string; taskId: number; attempt: number; service: string; message: string },
): Promise<ServiceFailure | undefined> {
  const [row] = await run<{ state: string; open_seconds: number | null }>(FAILED, [failed.service, failed.message, failed.subjectId, failed.taskId, failed.attempt]);
  if (row === undefined) return undefined;
  return { resource: failed.service, openSeconds: row.state === 'closed' ? undefined : Math.max(0, row.open_seconds ?? 0) };
}

/** Hears that an attempt of a task came to a result, so whatever it used answers. */
export async function noteAnswer(run: Run, taskId: number): Promise<void> {
  const closed = await run<{ name: string }>(ANSWERED, [taskId]);
  if (closed.length > 0) await run(DRAIN, [closed.map(({ name }) => name)]);
}

const FAILED = statement(`
update resource r
   set failures = r.failures + 1, last_error = left($2, 500), last_failed_at = clock_timestamp(), state = n.state,
       opened_at = case when n.opens then clock_timestamp() else r.opened_at end,
       cooling_seconds = case when n.opens then n.cooling else r.cooling_seconds end,
       open_until = case when n.opens then clock_timestamp() + n.cooling * interval '1 second' else r.open_until end
  from (select c.name,
               case when c.state = 'open' or c.failures + 1 >= c.failures_to_open then 'open' else 'closed' end as state,
               (c.state = 'closed' and c.failures + 1 >= c.failures_to_open) or (c.state = 'open' and a.started_at >= c.open_until) as opens,
               case when c.state = 'open' then least(c.cooling_seconds * 2, c.longest_cool_seconds) else c.cool_seconds end as cooling
          from resource c
          left join attempt a on a.subject_id = $3 and a.task_id = $4 and a.attempt = $5
         where c.name = $1
           for update of c) n
 where r.name = n.name
returning r.state, extract(epoch from r.open_until - clock_timestamp())::float8 as open_seconds`);

const ANSWERED = statement(`
with used as (
  select r.name, r.state from resource r join task_use u on u.resource = r.name
   where u.task_id = $1 and (r.failures > 0 or r.state = 'open')
   order by r.name
     for update of r),
closed as (
  update resource r
     set state = 'closed', failures = 0, opened_at = null, open_until = null, cooling_seconds = null
    from used u
   where r.name = u.name)
select name from used where state = 'open'`);

const DRAIN = statement(`
with drained as (
  update task_register set due_at = null, waits_for = null where due_at is not null and waits_for = any ($1) returning task_id)
select pg_notify('afterglow_ready', task_id::text) from (
  select task_id from drained
  union
  select task_id from task_use where resource = any ($1)) woken`);
