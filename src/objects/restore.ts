import { cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { EntityManager } from '@mikro-orm/postgresql';
import { MIGRATION_TABLE } from '../db/check-schema.ts';
import { LOAD_LOCK } from '../db/save-transients.ts';
import { ArchiveError } from '../errors.ts';
import { objectFolder } from '../runner/object-folder.ts';
import { deleteRows } from './delete-rows.ts';
import type { FoundObject } from './found-object.ts';
import { hangingTables } from './hanging-tables.ts';
import { rehearse } from './rehearse.ts';
import { DEFAULT_LIMITS, unpack, type Unpacked, type UnpackedObject, type UnpackLimits } from './unpack.ts';
import { writeRows } from './write-rows.ts';

/** How an archive is restored. */
export interface RestoreOptions {
  /** Who restores it. */
  by: string;
  productsFolder: string;
  /** What becomes of an object that is here already: the restore is refused, the object is replaced, or left as it is and that of the archive left out. */
  known: 'refuse' | 'replace' | 'skip';
  /** Say what would be done, with everything checked, and write nothing. */
  dryRun?: boolean;
  limits?: UnpackLimits;
}

/** What a restore did, or would do. */
export interface Restored {
  /** The Afterglow that made the archive, and when. */
  madeBy: string;
  madeAt: string;
  objects: readonly { kind: string; name: string; did: 'restored' | 'replaced' | 'skipped'; rows: number; files: number }[];
}

/**
 * Brings the objects of an archive into this database, with all rows and files, under ids of this database; all of them or none. Everything is
 * checked before anything is written.
 *
 * @throws {ArchiveError} the archive is damaged or hostile, is of another version, or does not fit to what is here
 */
export async function restoreArchive(em: EntityManager, file: string, options: RestoreOptions): Promise<Restored> {
  await mkdir(options.productsFolder, { recursive: true });
  // On the same disk as where the files go, so that they can be moved there in one step.
  const staging = await mkdtemp(path.join(options.productsFolder, '.restore-'));
  const moves: Move[] = [];
  try {
    const unpacked = await unpack(file, staging, options.limits ?? DEFAULT_LIMITS);
    const done = await rehearse(em, options.dryRun === true, (tx) => restoreAll(tx, unpacked, options, staging, moves));
    return { madeBy: unpacked.manifest.afterglow, madeAt: unpacked.manifest.madeAt, objects: done };
  } catch (error) {
    await moveBack(moves);
    throw error;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** A folder that was moved, so that it can be moved back. */
interface Move {
  from: string;
  to: string;
}

async function restoreAll(tx: EntityManager, { manifest, objects }: Unpacked, options: RestoreOptions, staging: string, moves: Move[]): Promise<Restored['objects']> {
  // A deadlock has it done again.
  await moveBack(moves);
  await tx.execute(`select pg_advisory_xact_lock(${LOAD_LOCK})`);
  await checkMigrations(tx, manifest.migrations, manifest.afterglow);
  const tables = await hangingTables(tx);
  const done: Restored['objects'][number][] = [];
  for (const [place, object] of objects.entries()) {
    const { kind, name, lines, files } = object;
    if (/^(?:job|run):/.test(kind)) throw new ArchiveError(`"${name}" is of the kind "${kind}", which is no object: jobs and runs cannot be restored.`);
    const [known] = await tx.execute<FoundObject[]>(`select id, kind, name from subject where kind = ? and name = ?`, [kind, name]);
    const did = known === undefined ? 'restored' : options.known === 'replace' ? 'replaced' : 'skipped';
    if (known !== undefined && options.known === 'refuse') throw new ArchiveError(`There is a ${kind} ${name} here already. Nothing was restored; --replace puts that of the archive in its place, --skip leaves it as it is.`);
    if (did !== 'skipped') {
      if (known !== undefined) await deleteRows(tx, known);
      await writing(object, () => writeRows(tx, object, tables, options.by));
      if (options.dryRun !== true) await placeFiles(object, options.productsFolder, path.join(staging, `old-${place}`), did === 'replaced', moves);
    }
    done.push({ kind, name, did, rows: lines.length, files: files.length });
  }
  return done;
}

/** Errors of the database say which object they are of. */
async function writing(object: UnpackedObject, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    // A deadlock is worth another try, and those who try know it by its code.
    if (error instanceof ArchiveError || (error as { code?: unknown }).code === '40P01') throw error;
    throw new ArchiveError(`The rows of ${object.name} do not fit into this database: ${(error as Error).message.split('\n').at(-1)}. Nothing was restored.`, { cause: error });
  }
}

async function checkMigrations(tx: EntityManager, migrations: readonly string[], version: string): Promise<void> {
  const here = new Set((await tx.execute<{ name: string }[]>(`select name from ${MIGRATION_TABLE}`)).map(({ name }) => name));
  const unknown = migrations.filter((name) => !here.has(name));
  if (unknown.length > 0) throw new ArchiveError(`The archive was made by Afterglow ${version} on a database with migrations that are not here: ${unknown.join(', ')}. Update this installation, or use the same runners.`);
}

async function placeFiles({ kind, name, folder }: UnpackedObject, productsFolder: string, aside: string, replaces: boolean, moves: Move[]): Promise<void> {
  const target = objectFolder(productsFolder, { kind, name });
  if (await isThere(target)) {
    if (!replaces) throw new ArchiveError(`There are files of a ${kind} ${name} here (${target}), though no such object. Move them away first.`);
    await move(target, aside, moves);
  }
  if (!(await isThere(folder))) return;
  await mkdir(path.dirname(target), { recursive: true });
  await move(folder, target, moves);
}

async function move(from: string, to: string, moves: Move[]): Promise<void> {
  await rename(from, to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EXDEV') throw error;
    await cp(from, to, { recursive: true, errorOnExist: true, force: false });
    await rm(from, { recursive: true });
  });
  moves.push({ from, to });
}

async function moveBack(moves: Move[]): Promise<void> {
  for (let last = moves.pop(); last !== undefined; last = moves.pop()) await rename(last.to, last.from).catch(() => {});
}

const isThere = (file: string): Promise<boolean> => stat(file).then(() => true, () => false);
