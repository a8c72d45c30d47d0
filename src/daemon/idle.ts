import { IS_ALIVE } from '../db/daemons.ts';
import { statement, type Run } from '../db/hot.ts';

/**
 * Whether there is nothing left to do for the runners of these tasks, and for others that are alive: nothing runs, nothing is ready, and nothing waits out
 * a delay after a failure of the machinery. Entries whose prerequisites are not met, entries of paused or inactive tasks, and entries that
 * their own runner sent back for later do not count.
 *
 * @param own ids of the tasks that are done here
 * @param others ids of the tasks that only a daemon with other labels can do; they count while one is alive
 */
export async function isIdle(run: Run, own: readonly number[], others: readonly number[]): Promise<boolean> {
  const [row] = await run<{ busy: boolean }>(BUSY, [own, others]);
  return row?.busy !== true;
}

const BUSY = statement(`
select exists (select from task_register where status_id = 2)
    or exists (
      select
        from task t
       cross join lateral (
         select from task_register r
          where r.task_id = t.id and r.status_id = t.claim_from_id and r.ready and (r.due_at is null or r.dispatched_at is not null or r.cause in ('rescue', 'release', 'postpone'))
          limit 1) open
       where (t.id = any ($1::integer[]) or (t.id = any ($2::integer[]) and exists (select from daemon d where ${IS_ALIVE} and d.labels @> t.requires)))
         and t.active
         and not exists (select from schedule s where s.runner = t.name and not s.enabled)) as busy`);
