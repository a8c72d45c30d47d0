import { rename, rm } from 'node:fs/promises';
import type { Database } from '../db/database.ts';
import { cancelEntry, cancelled } from '../engine/cancel.ts';
import { RefusedError } from '../errors.ts';
import { objectFolder } from '../runner/object-folder.ts';
import { countRows, deleteRows } from './delete-rows.ts';
import { filesBelow } from './files.ts';
import type { FoundObject } from './found-object.ts';
import { hangingTables } from './hanging-tables.ts';
import { rehearse } from './rehearse.ts';

/** How objects are deleted. */
export interface DeleteOptions {
  /** Who deletes them. */
  by: string;
  productsFolder: string;
  /** Also the files in their folders; else these stay. */
  withFiles: boolean;
  /** Stop what runs first. */
  cancel: boolean;
  /** Only say what would be deleted, and what runs. */
  dryRun: boolean;
}

/** What was deleted of an object, or would be. */
export interface Deleted {
  kind: string;
  name: string;
  /** By table. */
  rows: Record<string, number>;
  files: { count: number; bytes: number };
  /** Tasks that run, in a dry run. */
  running: readonly string[];
}

/** How long the end of what runs is waited for, seconds. */
const WAIT_SECONDS = 30;

/**
 * Deletes objects with all of their rows, all of them or none.
 *
 * @throws {RefusedError} something of them runs and may not be stopped, or does not stop within half a minute
 */
export async function deleteObjects(database: Pick<Database, 'em' | 'hot'>, objects: readonly FoundObject[], options: DeleteOptions): Promise<Deleted[]> {
  const { by, productsFolder, withFiles, cancel, dryRun } = options;
  if (cancel && !dryRun) for (const object of objects) await stop(database, object, by);
  const folders = objects.map((object) => objectFolder(productsFolder, object));
  const files = await Promise.all(folders.map(filesBelow));
  const deleted = await rehearse(database.em(), dryRun, async (tx) => {
    const tables = await hangingTables(tx);
    const all: Deleted[] = [];
    for (const [place, object] of objects.entries()) {
      const { kind, name } = object;
      const running = dryRun ? await runningOf(database, object) : [];
      const bytes = files[place]!.reduce((sum, one) => sum + one.bytes, 0);
      all.push({ kind, name, rows: await countRows(tx, object, tables), files: { count: files[place]!.length, bytes }, running });
      if (running.length === 0) await deleteRows(tx, object);
    }
    return all;
  });
  // Rows first: files without an object are only litter, an object without its files is broken.
  if (withFiles && !dryRun) for (const folder of folders) await remove(folder);
  return deleted;
}

async function runningOf({ em }: Pick<Database, 'em'>, { id }: FoundObject): Promise<string[]> {
  const rows = await em().execute<{ task: string }[]>(`select t.name as task from task_register r join task t on t.id = r.task_id where r.subject_id = ? and r.status_id = 2 order by t.id`, [id]);
  return rows.map(({ task }) => task);
}

async function stop(database: Pick<Database, 'em' | 'hot'>, object: FoundObject, by: string): Promise<void> {
  for (const task of await runningOf(database, object)) {
    const entry = await cancelEntry(database, { subject: object.name, task, reason: 'the object is to be deleted', by });
    const end = entry.attempt === undefined ? undefined : await cancelled(database.hot.run, { ...entry, attempt: entry.attempt }, WAIT_SECONDS);
    if (entry.attempt !== undefined && end === undefined) throw new RefusedError(`"${task}" of ${object.name} was told to stop and still runs. Nothing was deleted; try again when it has stopped ("afterglow explain ${object.name}").`);
  }
}

/** In one step out of sight, so that nobody finds half of it. */
async function remove(folder: string): Promise<void> {
  const aside = `${folder}.deleted`;
  await rm(aside, { recursive: true, force: true });
  await rename(folder, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rm(aside, { recursive: true, force: true });
}
