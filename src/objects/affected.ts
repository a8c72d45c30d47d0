import type { EntityManager } from '@mikro-orm/postgresql';
import { concerns } from '../runner/values.ts';

/** What a change of an object concerns. */
export interface Affected {
  /** Tasks that read what was changed, or something that was made of it, by what the graph says. Their entries are to be done again. */
  taskIds: number[];
  /** Tasks that would be among them, but whose result a person gave; what follows from these alone is not affected. */
  kept: { task: string; by: string }[];
}

/** What is changed: figures by name, or the result of a task. */
export type Change = { fields: readonly string[] } | { resultOf: number };

/**
 * Follows a change through the graph: from the runners that read a figure (all that do not say what they read among them), or wait for a
 * task, to all that waits for those, directly or not; but not past an entry whose result a person gave, as that does not change.
 */
export async function affectedBy(em: EntityManager, subjectId: string, change: Change): Promise<Affected> {
  const tasks = await em.execute<TaskRow[]>(TASKS, [subjectId]);
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const open = 'fields' in change
    ? tasks.filter(({ reads }) => reads === null || reads.some((read) => change.fields.some((field) => concerns(read, field))))
    : tasks.filter(({ needs }) => needs.includes(change.resultOf));
  const seen = new Set('resultOf' in change ? [change.resultOf] : []);
  const affected: Affected = { taskIds: [], kept: [] };
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    const { id, name, overridden_by: by } = task;
    if (seen.has(id)) continue;
    seen.add(id);
    if (by !== null) affected.kept.push({ task: name, by });
    else {
      affected.taskIds.push(id);
      open.push(...tasks.filter(({ needs }) => needs.includes(id)));
    }
  }
  const place = new Map([...byId.keys()].map((id, at) => [id, at]));
  affected.taskIds.sort((a, b) => place.get(a)! - place.get(b)!);
  return affected;
}

interface TaskRow {
  id: number;
  name: string;
  reads: string[] | null;
  overridden_by: string | null;
  /** Tasks that it waits for. */
  needs: number[];
}

const TASKS = `
select t.id, t.name, t.reads, r.overridden_by,
       array(select distinct q.prerequisite_id from task_requirement q where q.task_id = t.id) as needs
  from task_register r
  join task t on t.id = r.task_id
 where r.subject_id = ?
 order by t.id`;
