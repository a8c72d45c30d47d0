import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { thisProcess, type ProcessIdentity } from '../daemon/process-identity.ts';
import { readProcess } from '../isolation/process-table.ts';

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
/** Of this process, the folders that it has looked into. */
const seen = new Set<string>();

/** Makes the folder of one run, `<folders>/<process>/<name>-<six letters>`; what is kept of it goes to `<folders>/kept/`. */
export async function makeFolder(folders: string, name: string): Promise<ScriptFolder> {
  const { pid, processStart } = (self ??= thisProcess());
  const ofProcess = path.resolve(folders, `${here()}-${pid}-${processStart}`);
  if (!seen.has(ofProcess)) {
    seen.add(ofProcess);
    await tidy(path.dirname(ofProcess));
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
      await remove(own);
      return undefined;
    },
  };
}

/** Host and process-id namespace: where they are equal, process ids mean the same. Unlike what else tells machines apart, they survive a restart of the machine. */
function here(): string {
  const { host, machine } = (self ??= thisProcess());
  return `${host.replace(/[^\w.]/g, '_')}-${/\[(\d+)\]$/.exec(machine)?.[1] ?? ''}`;
}

/** Removes the folders of processes that died without their guards: the machine lost its power, say. */
async function tidy(folders: string): Promise<void> {
  // Where there is no /proc nobody can tell who is alive.
  if (readProcess(process.pid) === undefined) return;
  const names = await readdir(folders).catch(() => []);
  const dead = names.filter((name) => {
    const [, pid, startedTicks] = /^-(\d+)-(\d+)$/.exec(name.startsWith(here()) ? name.slice(here().length) : '') ?? [];
    return pid !== undefined && readProcess(Number(pid))?.startedTicks !== Number(startedTicks);
  });
  await Promise.all(dead.map((name) => rm(path.join(folders, name), { recursive: true, force: true })));
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
