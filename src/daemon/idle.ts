import type { EntityManager } from '@mikro-orm/postgresql';

/**
 * Whether there is nothing left to do for the runners of these tasks: nothing runs, nothing is ready, and nothing waits out
 * a delay after a failure of the machinery. Entries whose prerequisites are not met, entries of paused or inactive tasks, and entries that
 * their own runner sent back for later do not count.
 */
export async function isIdle(em: EntityManager, taskIds: readonly number[]): Promise<boolean> {
  const [row] = await em.execute<{ busy: boolean }[]>(BUSY, [`{${taskIds.join()}}`]);
  return row?.busy !== true;
}

const BUSY = `
select exists (select from task_register where status_id = 2)
    or exists (
      select
        from task t
       cross join lateral (
         select from task_register r
          where r.task_id = t.id and r.status_id = t.claim_from_id and r.ready and (r.due_at is null or r.cause in ('rescue', 'release', 'postpone'))
          limit 1) open
       where t.id = any (?::integer[]) and t.active
         and not exists (select from schedule s where s.runner = t.name and not s.enabled)) as busy`;
