import { statement, type Run } from '../../db/hot.ts';

/** Jobs of one type, counted. */
export interface JobTypeCounts {
  name: string;
  description: string;
  active: boolean;
  pending: number;
  running: number;
  completed: number;
  failed: number;
  cancelled: number;
  skipped: number;
  /** Since when the pending job waits that has waited longest (since it came back, if it was tried before). */
  pendingSince: Date | null;
  lastCompletedAt: Date | null;
}

/** Counts the jobs by type and state. Every figure is read from an index, so a page may ask for them. */
export async function readJobTypes(run: Run): Promise<JobTypeCounts[]> {
  const rows = await run<Omit<JobTypeCounts, 'pendingSince' | 'lastCompletedAt'> & { pending_since: Date | null; last_completed_at: Date | null }>(TYPES, []);
  return rows.map(({ pending_since: pendingSince, last_completed_at: lastCompletedAt, ...row }) => ({ ...row, pendingSince, lastCompletedAt }));
}

const TYPES = statement(`
with counted as (
  select r.task_id, r.status_id, count(*)::int as n, min(r.last_modified) as oldest, max(r.last_modified) as newest
    from task_register r
    join task t on t.id = r.task_id
   where t.kind like 'job:%' and r.status_id <> 2
   group by r.task_id, r.status_id
   union all
  select r.task_id, 2, count(*)::int, min(r.last_modified), max(r.last_modified)
    from task_register r
    join task t on t.id = r.task_id
   where t.kind like 'job:%' and r.status_id = 2
   group by r.task_id),
named as (
  select c.*, case c.status_id when 1 then 'pending' when 2 then 'running' else case when s.message in ('cancelled', 'skipped') then s.message when s.type = 'error' then 'failed' else 'completed' end end as state
    from counted c
    join status s on s.id = c.status_id)
select t.name, t.description, t.active,
       ${['pending', 'running', 'completed', 'failed', 'cancelled', 'skipped'].map((state) => `coalesce(sum(n.n) filter (where n.state = '${state}'), 0)::int as ${state}`).join(', ')},
       min(n.oldest) filter (where n.state = 'pending') as pending_since, max(n.newest) filter (where n.state = 'completed') as last_completed_at
  from task t
  left join named n on n.task_id = t.id
 where t.kind like 'job:%'
 group by t.id
 order by t.name`);
