import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../clock.ts';
import type { ProcessIdentity } from '../daemon/process-identity.ts';
import type { Logger } from '../log.ts';
import { isOrphan, keptNow, nameOf, readName } from './file-name.ts';
import { readKept, textOf, type KeptEnding } from './kept-ending.ts';
import { setAside, type Aside } from './set-aside.ts';
import { writeDurably } from './write-durably.ts';

/** A file of the spool that is ours. */
export interface KeptFile {
  /** For after the commit. It never throws: a file that stays is found to be recorded the next time. */
  remove(): Promise<void>;
  /** For what will never be delivered. @returns where it lies now; undefined where it could not be moved */
  setAside(why: Aside): Promise<string | undefined>;
  /** Leaves it to whoever looks next, this process too. */
  leave(): void;
}

/** What a process was killed over, or left when it ended. */
export interface Orphan {
  ending: KeptEnding;
  file: KeptFile;
}

/** Keeps results on disk that cannot be written to the database. Any number of processes may use one folder. */
export interface Spool {
  /** Who we are, for the files. */
  readonly me: ProcessIdentity;
  readonly folder: string;
  /**
   * Writes an ending to a file of its own, and to disk.
   *
   * @throws {Error} the disk is full, the folder cannot be made, …; nothing half-written is left
   */
  keep(ending: KeptEnding): Promise<KeptFile>;
  /**
   * Takes the files that no living process is known to care for, oldest first, each when it is asked for. What cannot be read is set
   * aside with a line in the log; it never throws.
   */
  orphans(): AsyncGenerator<Orphan>;
}

/** An unfinished file may still be written by a process that we know nothing of; after this, nobody does. Milliseconds. */
const UNFINISHED_MS = 60_000;

// Files that somebody in this process cares for, whichever spool made them: absolute paths.
const cared = new Set<string>();

/** The spool in a folder, which is made when there is something to keep. */
export function openSpool(options: { folder: string; me: ProcessIdentity; clock: Clock; log: Logger }): Spool {
  const { me, clock, log } = options;
  const folder = path.resolve(options.folder);
  const complained = new Set<string>();
  // The spool is looked through every few seconds; what is wrong is said once.
  const complain = (error: unknown, message: string, file?: string): void => {
    if (complained.has(`${message}${file}`)) return;
    complained.add(`${message}${file}`);
    log.error({ file, err: error }, message);
  };

  const ours = (name: string): KeptFile => {
    const file = path.join(folder, name);
    cared.add(file);
    return {
      async remove() {
        await rm(file, { force: true }).catch((error: unknown) => complain(error, 'a delivered file of the spool cannot be removed', file));
        cared.delete(file);
      },
      async setAside(why) {
        const moved = await setAside(folder, name, why).catch((error: unknown) => complain(error, 'a file of the spool cannot be set aside', file));
        // One that could not be moved is not tried again and again while this process lives.
        if (moved !== undefined) cared.delete(file);
        return moved ?? undefined;
      },
      leave: () => void cared.delete(file),
    };
  };

  const take = async (name: string): Promise<Orphan | undefined> => {
    const read = readName(name);
    if (read === undefined || cared.has(path.join(folder, name))) return undefined;
    const mine = nameOf(read.kept, me);
    if (name !== mine && !isOrphan(read, me)) return undefined;
    if (read.unfinished && clock.now().getTime() - (await stat(path.join(folder, name))).mtimeMs < UNFINISHED_MS) return undefined;
    const reading = readKept(await readFile(path.join(folder, name), 'utf8'));
    if ('newerVersion' in reading) {
      complain(undefined, `a file of the spool was made by a newer version (format ${reading.newerVersion}); it is left for that one`, name);
      return undefined;
    }
    await rename(path.join(folder, name), path.join(folder, mine));
    const file = ours(mine);
    if ('ending' in reading) return { ending: reading.ending, file };
    const at = await file.setAside('unreadable');
    if (at !== undefined) log.error({ file: at }, `a file of the spool cannot be read and was set aside, nothing of it is delivered: ${reading.problem}`);
    return undefined;
  };

  return {
    me, folder,
    async keep(ending) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const name = nameOf(keptNow(clock.now()), me);
      const file = ours(name);
      try {
        await writeDurably(path.join(folder, name), textOf(ending));
      } catch (error) {
        file.leave();
        throw error;
      }
      return file;
    },
    async *orphans() {
      for (const name of await namesIn(folder, (error) => complain(error, 'the folder of the spool cannot be read', folder))) {
        let orphan: Orphan | undefined;
        try {
          orphan = await take(name);
        } catch (error) {
          // Somebody else was faster.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') complain(error, 'a file of the spool cannot be taken', name);
        }
        if (orphan !== undefined) yield orphan;
      }
    },
  };
}

async function namesIn(folder: string, onError: (error: unknown) => void): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error);
    return [];
  }
}
