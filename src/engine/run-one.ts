import type { Database } from '../db/database.ts';
import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { claimOne } from './claim.ts';
import type { ClaimedEntry } from './claim.ts';
import type { EngineTask } from './engine-options.ts';

/** Why an entry cannot be run now: what it waits for, as people say it. */
interface Obstacle {
  status: string;
  unmet: { task: string; wanted: string; found: string }[];
  /** Who holds it and why. */
  holds: { placed_by: string; reason: string }[];
}

/**
 * Claims one entry for a person, in its turn or not.
 *
 * @throws {UnknownNameError} there is no such transient
 * @throws {RefusedError} its prerequisites are not met, it runs already, or it is done; says which
 */
export async function claimNamed(database: Pick<Database, 'em' | 'hot'>, task: EngineTask, subject: string, by: { daemonId: number; actor: string; leaseSeconds: number }): Promise<ClaimedEntry> {
  const em = database.em();
  const [found] = await em.execute<{ id: string }[]>(`select id from subject where kind = ? and name = ?`, [task.kind, subject]);
  if (found === undefined) {
    const names = (await em.execute<{ name: string }[]>(`select name from subject where kind = ? order by name limit 5000`, [task.kind])).map(({ name }) => name);
    throw new UnknownNameError(task.kind, subject, names, nearest(subject, names));
  }
  const entry = await claimOne(database.hot.run, { ...task, version: task.runner.version }, by, found.id);
  if (entry === undefined) throw new RefusedError(describe(task.name, subject, await obstacle(em, task.id, found.id), task.claimFrom));
  return entry;
}

async function obstacle(em: EntityManager, taskId: number, subjectId: string): Promise<Obstacle> {
  const [row] = await em.execute<{ status: string }[]>(
    `select s.message as status from task_register r join status s on s.id = r.status_id where r.subject_id = ? and r.task_id = ?`, [subjectId, taskId],
  );
  const unmet = await em.execute<Obstacle['unmet']>(
    `select t.name as task, w.message as wanted, f.message as found
       from task_requirement q
       join task t on t.id = q.prerequisite_id
       join status w on w.id = q.status_id
       left join task_register r on r.subject_id = ? and r.task_id = q.prerequisite_id
       left join status f on f.id = r.status_id
      where q.task_id = ? and r.status_id is distinct from q.status_id
      order by t.id`,
    [subjectId, taskId],
  );
  const holds = await em.execute<Obstacle['holds']>(
    `select placed_by, reason from hold where subject_id = ? and (task_id is null or task_id = ?) order by id`, [subjectId, taskId],
  );
  return { status: row?.status ?? 'not in the register', unmet, holds };
}

function describe(task: string, subject: string, { status, unmet, holds }: Obstacle, claimFrom: string): string {
  if (unmet.length > 0) {
    return `"${task}" of ${subject} cannot run yet: ${unmet.map((one) => `"${one.task}" must be "${one.wanted}", it is "${one.found}"`).join('; ')}.`;
  }
  if (holds.length > 0) return `"${task}" of ${subject} is held by ${holds.map(({ placed_by, reason }) => `${placed_by}: ${reason}`).join('; ')}. Use "afterglow unhold" first.`;
  if (status !== claimFrom) return `"${task}" of ${subject} is "${status}"; it is run from "${claimFrom}". Use "afterglow reset" first.`;
  return `"${task}" of ${subject} is being claimed by somebody else, waits for a later time, or its schedule is off.`;
}
