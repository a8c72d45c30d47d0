import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError } from '../errors.ts';
import type { FoundObject } from './found-object.ts';
import { belongsTo, quoted, type HangingTable } from './hanging-tables.ts';

/** Rows of an object by table; tables that have none are left out. */
export async function countRows(em: EntityManager, { id }: FoundObject, tables: readonly HangingTable[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = async (table: string, where: string): Promise<void> => {
    const [row] = await em.execute<[{ n: string }]>(`select count(*) as n from ${quoted(table)} t where ${where}`, [id]);
    if (Number(row.n) > 0) counts[table] = Number(row.n);
  };
  await count('subject', 't.id = ?');
  for (const table of ['task_register', 'attempt', 'transition']) await count(table, 't.subject_id = ?');
  for (const table of tables) await count(table.name, belongsTo(table, tables));
  return counts;
}

/**
 * Deletes an object with all of its rows. A late result finds no entry and changes nothing.
 *
 * @throws {RefusedError} something of it runs, or rows that are not its own refer to it
 */
export async function deleteRows(tx: EntityManager, { id, name }: FoundObject): Promise<void> {
  await tx.execute(`select from subject where id = ? for update`, [id]);
  // Claims skip what is locked, so nothing of it can begin from here on.
  const rows = await tx.execute<{ task: string; status_id: number }[]>(
    `select t.name as task, r.status_id from task_register r join task t on t.id = r.task_id where r.subject_id = ? order by r.task_id for update of r`, [id]);
  const running = rows.filter(({ status_id }) => status_id === 2).map(({ task }) => `"${task}"`);
  if (running.length > 0) throw new RefusedError(`${running.join(' and ')} of ${name} ${running.length === 1 ? 'runs' : 'run'}. Wait until that is done, or say --cancel.`);
  try {
    await tx.execute(`delete from subject where id = ?`, [id]);
  } catch (error) {
    if ((error as { code?: string }).code !== '23503') throw error;
    throw new RefusedError(`${name} cannot be deleted: ${(error as Error).message.split('\n').at(-1)}. Let that table delete its rows with the object ("on delete cascade"), or delete them first.`, { cause: error });
  }
}
