import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Writes a file that is there as a whole or not at all, whatever happens meanwhile, and is on disk when this resolves.
 *
 * @throws {Error} the disk is full, the folder is not there, …; nothing is left behind then, as far as that is possible
 */
export async function writeDurably(file: string, text: string): Promise<void> {
  const unfinished = `${file}.tmp`;
  try {
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(path.dirname(file));
}

/** Brings the names in a folder to disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
