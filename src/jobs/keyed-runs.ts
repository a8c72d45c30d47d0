import { statement, type Run } from '../db/hot.ts';
import type { JobDetails } from '../runner/jobs.ts';
import { readJob } from './read.ts';

/** The newest job of a key that is not failed or cancelled; undefined where there is none, or none that was enqueued within so many seconds. */
export async function lastRun(run: Run, name: string, key: string, withinSeconds: number | undefined): Promise<JobDetails | undefined> {
  const [last] = await run<{ id: string }>(LAST, [name, key, withinSeconds ?? null]);
  return last === undefined ? undefined : readJob(run, last.id);
}

/** Why jobs were skipped, and how many of each, the most frequent first. */
export async function skipReasons(run: Run, names?: readonly string[], endedAfter?: Date): Promise<{ name: string; reason: string; count: number }[]> {
  return run(REASONS, [names === undefined ? null : JSON.stringify(names), endedAfter?.toISOString() ?? null]);
}

/** Whether a newer job of the same key is there that is pending, runs or is completed. */
export async function isSuperseded(run: Run, jobId: string): Promise<boolean> {
  return (await run(NEWER, [jobId])).length > 0;
}

// Where a class has no key, its limit is what it goes by.
const LAST = statement(`
select f.subject_id::text as id
  from task t
 cross join lateral (
   (select j.subject_id, j.enqueued_at
      from job j
     where j.task_id = t.id and j.key = $2 and coalesce(j.state, 'open') not in ('failed', 'cancelled')
     order by j.subject_id desc
     limit 1)
   union all
   (select j.subject_id, j.enqueued_at
      from job j
     where j.task_id = t.id and j.limit_id = $2 and j.key is null and coalesce(j.state, 'open') not in ('failed', 'cancelled')
     order by j.subject_id desc
     limit 1)) f
 where t.name = $1 and ($3::float8 is null or f.enqueued_at > clock_timestamp() - $3::float8 * interval '1 second')
 order by f.subject_id desc
 limit 1`);

const REASONS = statement(`
select t.name, coalesce(case when r.cause = 'skip' then j.skip else a.result end ->> 'reason', 'unknown') as reason, count(*)::integer as count
  from job j
  join task t on t.id = j.task_id
  join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id
  left join attempt a on a.subject_id = j.subject_id and a.task_id = j.task_id and a.attempt = r.attempt
 where j.state = 'skipped' and ($1::jsonb is null or $1::jsonb @> to_jsonb(t.name)) and ($2::timestamptz is null or j.ended_at > $2::timestamptz)
 group by 1, 2
 order by 3 desc, 1, 2`);

const NEWER = statement(`
select 1 as newer
  from job j
  join job n on n.task_id = j.task_id and n.key = j.key and n.subject_id > j.subject_id and coalesce(n.state, 'completed') = 'completed'
 where j.subject_id = $1::bigint and j.key is not null
 limit 1`);
