import type { EntityManager } from '@mikro-orm/postgresql';
import type { Json } from '../runner/outcome.ts';
import type { FoundObject } from './found-object.ts';

/** What a person changed. */
export interface Edit {
  /** ISO 8601, UTC. */
  at: string;
  by: string;
  /** A figure, or a task. */
  what: string;
  /** Of a task: its status and result. */
  old: Json;
  new: Json;
  reason: string | null;
}

/** All that people changed of an object, oldest first. */
export async function readEdits(em: EntityManager, { id }: FoundObject): Promise<Edit[]> {
  const rows = await em.execute<(Omit<Edit, 'at'> & { at: string | Date })[]>(
    `select e.at, e.edited_by as by, coalesce(e.field, t.name) as what, e.old_value as old, e.new_value as new, e.reason
       from edit e
       left join task t on t.id = e.task_id
      where e.subject_id = ?
      order by e.id`,
    [id],
  );
  return rows.map(({ at, ...rest }) => ({ at: new Date(at).toISOString(), ...rest }));
}
