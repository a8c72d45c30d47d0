import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { FoundObject } from './found-object.ts';

/** A person's doubt about an object, or about the result of one of its tasks. Instants are ISO 8601, UTC. */
export interface Flag {
  subject: string;
  /** Null where the object as a whole is meant. */
  task: string | null;
  reason: string;
  by: string;
  at: string;
  resolvedBy: string | null;
  resolvedAt: string | null;
  resolution: string | null;
}

/** Who says what. */
export interface FlagWords {
  by: string;
  reason: string;
}

/**
 * Raises a flag. It changes nothing of the object and stops nothing.
 *
 * @throws {UnknownNameError} the object does not go through such a task
 */
export async function raiseFlag(em: EntityManager, object: FoundObject, task: string | undefined, { by, reason }: FlagWords): Promise<Flag> {
  const taskId = task === undefined ? null : await taskOf(em, object, task);
  const [row] = await em.execute<[{ id: string }]>(`insert into flag (subject_id, task_id, reason, raised_by) values (?, ?, ?, ?) returning id`, [object.id, taskId, reason, by]);
  return (await read(em, 'f.id = ?', [row.id]))[0]!;
}

/**
 * Resolves the open flags of an object, or those of one task of it; what was said is kept.
 *
 * @throws {RefusedError} there is none
 */
export async function resolveFlags(em: EntityManager, object: FoundObject, task: string | undefined, { by, reason }: FlagWords): Promise<Flag[]> {
  const taskId = task === undefined ? null : await taskOf(em, object, task);
  const rows = await em.execute<{ id: string }[]>(
    `update flag set resolved_by = ?, resolved_at = clock_timestamp(), resolution = ? where subject_id = ? and (?::integer is null or task_id = ?::integer) and resolved_at is null returning id`,
    [by, reason, object.id, taskId, taskId]);
  if (rows.length === 0) throw new RefusedError(`${object.name} has no open flag${task === undefined ? '' : ` on "${task}"`}.`);
  return read(em, 'f.id in (select jsonb_array_elements_text(?::jsonb)::bigint)', [JSON.stringify(rows.map(({ id }) => id))]);
}

/** The flags of an object, the resolved ones among them; or all that are open. Oldest first. */
export async function readFlags(em: EntityManager, object?: FoundObject): Promise<Flag[]> {
  return object === undefined ? read(em, 'f.resolved_at is null', []) : read(em, 'f.subject_id = ?', [object.id]);
}

async function taskOf(em: EntityManager, { id }: FoundObject, task: string): Promise<number> {
  const rows = await em.execute<{ id: number; name: string }[]>(`select t.id, t.name from task_register r join task t on t.id = r.task_id where r.subject_id = ? order by t.id`, [id]);
  const names = rows.map(({ name }) => name);
  const found = rows.find(({ name }) => name === task);
  if (found === undefined) throw new UnknownNameError('task', task, names, nearest(task, names));
  return found.id;
}

/** @param where a condition on the flag `f`, of this file's own */
async function read(em: EntityManager, where: string, params: readonly unknown[]): Promise<Flag[]> {
  const rows = await em.execute<(Omit<Flag, 'at' | 'resolvedAt'> & { at: string | Date; resolvedAt: string | Date | null })[]>(
    `select s.name as subject, t.name as task, f.reason, f.raised_by as by, f.raised_at as at, f.resolved_by as "resolvedBy", f.resolved_at as "resolvedAt", f.resolution
       from flag f
       join subject s on s.id = f.subject_id
       left join task t on t.id = f.task_id
      where ${where}
      order by f.id`,
    [...params],
  );
  const iso = (at: string | Date): string => new Date(at).toISOString();
  return rows.map(({ at, resolvedAt, ...row }) => ({ ...row, at: iso(at), resolvedAt: resolvedAt === null ? null : iso(resolvedAt) }));
}
