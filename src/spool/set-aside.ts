import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** Files that each of the folders keeps; the oldest go. */
export const MOST_SET_ASIDE = 1000;

/** Why a file is set aside, which is the name of the folder that it goes to: it came too late, or nobody can read it. */
export type Aside = 'late' | 'unreadable';

/**
 * Moves a file of the spool to the folder of those that nobody will deliver, for people to look at.
 *
 * @returns where it is now
 */
export async function setAside(spoolFolder: string, name: string, why: Aside): Promise<string> {
  const folder = path.join(spoolFolder, why);
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, name);
  await rename(path.join(spoolFolder, name), file);
  // Names begin with the time.
  const names = (await readdir(folder)).toSorted();
  await Promise.all(names.slice(0, Math.max(0, names.length - MOST_SET_ASIDE)).map((old) => rm(path.join(folder, old), { force: true })));
  return file;
}
