import { statement, type Run } from '../db/hot.ts';

/** What requests have cost in one month, by the end of their attempts; the unit is that of your accounts. */
export interface MonthOfCosts {
  /** `2026-11`, UTC. */
  month: string;
  cost: number;
  attempts: number;
  /** Requests that had attempts in that month. */
  requests: number;
  tasks: readonly { task: string; cost: number; attempts: number; seconds: number }[];
}

/** The months that had attempts, the last one first; what is older than the kept history is not in them. */
export async function readCosts(run: Run): Promise<MonthOfCosts[]> {
  return run<MonthOfCosts>(COSTS, []);
}

const COSTS = statement(`
with made as (
  select to_char(a.ended_at at time zone 'UTC', 'YYYY-MM') as month, t.name as task, t.id, a.subject_id, coalesce(a.cost, 0) as cost, coalesce(a.wall_seconds, 0) as seconds
    from attempt a
    join task t on t.id = a.task_id
    join request q on q.subject_id = a.subject_id
   where a.ended_at is not null),
by_task as (
  select month, id, task, sum(cost) as cost, count(*) as attempts, sum(seconds) as seconds from made group by month, id, task)
select m.month, sum(m.cost)::float8 as cost, count(*)::integer as attempts, count(distinct m.subject_id)::integer as requests,
       (select jsonb_agg(jsonb_build_object('task', b.task, 'cost', b.cost, 'attempts', b.attempts, 'seconds', b.seconds) order by b.id) from by_task b where b.month = m.month) as tasks
  from made m
 group by m.month
 order by m.month desc
 limit 120`);
