import type { EntityManager } from '@mikro-orm/postgresql';

/** What still speaks of a status or of a task. */
export interface Use {
  entries: number;
  attempts: number;
  transitions: number;
  /** Of people, on single entries. */
  holds: number;
  /** Tasks that wait for it, start from it or fail to it. */
  tasks: string[];
}

/** The uses of tasks by id. Entries count when something has happened to them; tasks when they are not in question themselves. */
export async function usesOfTasks(tx: EntityManager, ids: readonly number[]): Promise<Map<number, Use>> {
  return usesOf(tx, useOfTasks, [JSON.stringify(ids)]);
}

/** The uses of statuses by id, by tasks other than those that are going to be removed. */
export async function usesOfStatuses(tx: EntityManager, ids: readonly number[], removedTasks: readonly number[]): Promise<Map<number, Use>> {
  return usesOf(tx, useOfStatuses, [JSON.stringify(ids), JSON.stringify(removedTasks)]);
}

/** `12 entries, 1 attempt and 2 tasks ("A", "B") use`, or undefined where nothing does. */
export function describeUse(use: Use | undefined): string | undefined {
  if (use === undefined) return undefined;
  const parts = [
    counted(use.entries, 'entry', 'entries'),
    counted(use.attempts, 'attempt', 'attempts'),
    counted(use.transitions, 'transition', 'transitions'),
    counted(use.holds, 'hold', 'holds'),
    counted(use.tasks.length, 'task', 'tasks', ` (${use.tasks.map((name) => `"${name}"`).join(', ')})`),
  ].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  const last = parts.pop()!;
  const isOne = parts.length === 0 && last.startsWith('1 ');
  return `${parts.length === 0 ? last : `${parts.join(', ')} and ${last}`} ${isOne ? 'uses' : 'use'}`;
}

function counted(count: number, one: string, many: string, more = ''): string | undefined {
  return count === 0 ? undefined : `${count} ${count === 1 ? one : many}${more}`;
}

async function usesOf(tx: EntityManager, sql: string, parameters: unknown[]): Promise<Map<number, Use>> {
  const rows = await tx.execute<({ id: number; tasks: string[] } & Record<'entries' | 'attempts' | 'transitions' | 'holds', string>)[]>(sql, parameters);
  return new Map(
    rows.map((row) => [
      row.id,
      { entries: Number(row.entries), attempts: Number(row.attempts), transitions: Number(row.transitions), holds: Number(row.holds), tasks: row.tasks },
    ]),
  );
}

const useOfTasks = `
with given as (select jsonb_array_elements_text(?::jsonb)::integer as id)
select g.id,
       (select count(*) from task_register r where r.task_id = g.id and (r.status_id <> 1 or r.attempt > 0)) as entries,
       (select count(*) from attempt a where a.task_id = g.id) as attempts,
       (select count(*) from transition x where x.task_id = g.id) as transitions,
       (select count(*) from hold h where h.task_id = g.id) as holds,
       (select coalesce(jsonb_agg(distinct t.name), '[]')
          from task_requirement q
          join task t on t.id = q.task_id
         where q.prerequisite_id = g.id and q.task_id not in (select id from given)) as tasks
  from given g`;

const useOfStatuses = `
with given as (select jsonb_array_elements_text(?::jsonb)::integer as id),
remaining as (
  select * from task where id not in (select jsonb_array_elements_text(?::jsonb)::integer))
select g.id,
       (select count(*) from task_register r where r.status_id = g.id) as entries,
       (select count(*) from attempt a where a.status_id = g.id) as attempts,
       (select count(*) from transition x where g.id in (x.from_id, x.to_id)) as transitions,
       0 as holds,
       (select coalesce(jsonb_agg(distinct t.name), '[]')
          from remaining t
          left join task_requirement q on q.task_id = t.id
         where g.id in (q.status_id, t.claim_from_id, t.failed_status_id)) as tasks
  from given g`;
