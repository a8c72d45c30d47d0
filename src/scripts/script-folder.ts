import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { thisProcess } from '../daemon/process-identity.ts';

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

const made = new Set<string>();

/** Makes the folder of one run, `<folders>/<process>/<name>-<six letters>`; what is kept of it goes to `<folders>/kept/`. */
export async function makeFolder(folders: string, name: string): Promise<ScriptFolder> {
  const { pid, processStart } = thisProcess();
  const ofProcess = path.resolve(folders, `${pid}-${processStart}`);
  if (!made.has(ofProcess)) {
    await mkdir(ofProcess, { recursive: true });
    made.add(ofProcess);
  }
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
      await rm(own, { recursive: true, force: true });
      return undefined;
    },
  };
}

/** Somebody may have tidied up the data folder while we ran. */
async function makeIn(folder: string, prefix: string): Promise<string> {
  try {
    return await mkdtemp(path.join(folder, prefix));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return mkdtemp(path.join(folder, prefix));
  }
}
