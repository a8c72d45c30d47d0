import type { EntityManager } from '@mikro-orm/postgresql';
import type { Catalogue } from './catalogue.ts';
import { STATES, stateOf, type JobStateName } from './job-state.ts';

export type StateCounts = Record<JobStateName, number>;

/** No job in any state. */
export const noCounts = (): StateCounts => Object.fromEntries(STATES.map((state) => [state, 0])) as StateCounts;

/** The entries of every task by their state on the board, in one pass over the register. Key: the task's id. */
export async function countEntries(em: EntityManager, { tasks, statuses }: Catalogue): Promise<Map<number, StateCounts>> {
  const rows = await em.execute<{ task_id: number; status_id: number; waits: boolean; due: boolean; n: string }[]>(COUNT);
  const counts = new Map(tasks.map(({ id }) => [id, noCounts()]));
  const byId = new Map(tasks.map((task) => [task.id, task]));
  for (const { task_id, status_id, waits, due, n } of rows) {
    const task = byId.get(task_id);
    if (task !== undefined) counts.get(task_id)![stateOf(task, { statusId: status_id, ready: !waits, due }, statuses)] += Number(n);
  }
  return counts;
}

const COUNT = `
select task_id, status_id, not ready as waits, due_at is not null as due, count(*) as n
  from task_register
 group by 1, 2, 3, 4`;
