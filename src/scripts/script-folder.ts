import { mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { thisProcess, type ProcessIdentity } from '../daemon/process-identity.ts';

/** Whether a run's own folder stays when the run is over. */
export type FolderKeeping = 'never' | 'on failure' | 'always';

/** A folder of one run. */
export interface ScriptFolder {
  /** Absolute. */
  path: string;
  /** In which all runs of this process have theirs; nothing of it is of use when this process is gone. */
  ofProcess: string;
  /** The run is over. @returns where the folder is now; undefined where it was removed */
  end(keeping: FolderKeeping, succeeded: boolean): Promise<string | undefined>;
}

let self: ProcessIdentity | undefined;

/** Makes the folder of one run, `<folders>/<process>/<name>-<six letters>`; what is kept of it goes to `<folders>/kept/`. */
export async function makeFolder(folders: string, name: string): Promise<ScriptFolder> {
  const { pid, processStart } = (self ??= thisProcess());
  const ofProcess = path.resolve(folders, `${pid}-${processStart}`);
  const own = await makeIn(ofProcess, `${name}-`);
  return {
    path: own,
    ofProcess,
    async end(keeping, succeeded) {
      if (keeping === 'always' || (keeping === 'on failure' && !succeeded)) {
        const kept = path.join(path.resolve(folders, 'kept'), path.basename(own));
        await mkdir(path.dirname(kept), { recursive: true });
        await rename(own, kept);
        return kept;
      }
      await remove(own);
      return undefined;
    },
  };
}

/** Most scripts leave nothing in it, and to look what is there takes longer than to remove it. */
async function remove(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first run makes the folder that it is in, as does one after somebody has tidied up the data folder. */
async function makeIn(folder: string, prefix: string): Promise<string> {
  try {
    return await mkdtemp(path.join(folder, prefix));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return mkdtemp(path.join(folder, prefix));
  }
}
