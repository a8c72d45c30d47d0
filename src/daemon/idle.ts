import { IS_ALIVE } from '../db/daemons.ts';
import { statement, type Run, type Statement } from '../db/hot.ts';

/** A task, as far as it matters here. */
export interface IdleTask {
  id: number;
  /** Id of the status that its entries are claimed from. */
  claimFromId: number;
}

/**
 * Whether there is nothing left to do for the runners of these tasks, and for others that are alive: nothing runs, nothing is ready, and nothing waits out
 * a delay after a failure of the machinery. Entries whose prerequisites are not met, entries of paused or inactive tasks or outside their task's window, and
 * entries that their own runner sent back for later do not count.
 *
 * @param own the tasks that are done here
 * @param others the tasks that only a daemon with other labels can do; they count while one is alive
 */
export async function isIdle(run: Run, own: readonly IdleTask[], others: readonly IdleTask[]): Promise<boolean> {
  const ids = (tasks: readonly IdleTask[]) => tasks.map(({ id }) => id);
  const starts = [...new Set([...own, ...others].map(({ claimFromId }) => claimFromId))].toSorted((a, b) => a - b);
  const [row] = await run<{ busy: boolean }>(busyStatement(starts), [ids(own), ids(others)]);
  return row?.busy !== true;
}

const made = new Map<string, Statement>();

// The status ids stand in the text: only then are the claims' partial indexes used, of which a million entries that wait for
// their prerequisites are no part. What waits for a time is in an index of its own.
function busyStatement(starts: readonly number[]): Statement {
  const key = starts.join();
  const found = made.get(key) ?? statement(`
with task as materialized (
  select t.id
    from task t
   where (t.id = any ($1::integer[]) or (t.id = any ($2::integer[]) and exists (select from daemon d where ${IS_ALIVE} and d.labels @> t.requires)))
     and t.active and in_window(t.window_from, t.window_to, t.window_zone)
     and not exists (select from schedule s where s.runner = t.name and not s.enabled))
select exists (select from task_register where status_id = 2)
    or exists (
      select from task_register r
       where r.due_at is not null and r.ready and (r.dispatched_at is not null or r.cause in ('rescue', 'release', 'postpone')) and r.status_id <> 2
         and r.task_id in (select id from task))
    ${starts.map((id) => `or exists (
      select
        from task
       cross join lateral (select from task_register r where r.task_id = task.id and r.status_id = ${Number(id)} and r.ready and r.due_at is null limit 1) open)`).join('\n    ')} as busy`);
  made.set(key, found);
  return found;
}
