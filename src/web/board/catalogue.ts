import type { EntityManager } from '@mikro-orm/postgresql';
import type { Status } from '../../status/status.ts';

/** A task as the board shows it: a queue. */
export interface BoardTask {
  id: number;
  name: string;
  kind: string;
  description: string;
  claimFromId: number;
  /** Labels that a daemon must have. */
  requires: readonly string[];
  /** What its runner waits for, any of the statuses each; its own status is not among them. */
  requirements: readonly { task: string; statuses: readonly string[] }[];
}

/** The tasks and statuses of the database. */
export interface Catalogue {
  /** Prerequisites first; the tasks without an object last. */
  tasks: readonly BoardTask[];
  statuses: ReadonlyMap<number, Status>;
}

/**
 * Reads the tasks and statuses.
 *
 * @param order names of tasks in the order that they are shown in; others follow in the order of the fixtures
 */
export async function readCatalogue(em: EntityManager, order: readonly string[]): Promise<Catalogue> {
  const statuses = await em.execute<(Status & { id: number })[]>(`select id, message, type from status order by id`);
  const tasks = await em.execute<TaskRow[]>(TASKS);
  const place = new Map(order.map((name, at) => [name, at]));
  const placeOf = ({ name, kind }: TaskRow) => (place.get(name) ?? order.length) + (kind === 'system' ? order.length : 0);
  return {
    statuses: new Map(statuses.map(({ id, message, type }) => [id, { message, type }])),
    tasks: tasks
      .toSorted((a, b) => placeOf(a) - placeOf(b) || a.id - b.id)
      .map(({ id, name, kind, description, claim_from_id, requires, requirements }) => ({
        id, name, kind, description, claimFromId: claim_from_id, requires, requirements: requirements ?? [],
      })),
  };
}

interface TaskRow {
  id: number;
  name: string;
  kind: string;
  description: string;
  claim_from_id: number;
  requires: string[];
  requirements: { task: string; statuses: string[] }[] | null;
}

const TASKS = `
select t.id, t.name, t.kind, t.description, t.claim_from_id, t.requires,
       (select jsonb_agg(jsonb_build_object('task', p.name, 'statuses', q.statuses) order by p.id)
          from (select prerequisite_id, jsonb_agg(s.message order by s.id) as statuses
                  from task_requirement
                  join status s on s.id = status_id
                 where task_id = t.id
                 group by prerequisite_id) q
          join task p on p.id = q.prerequisite_id) as requirements
  from task t
 order by t.id`;
