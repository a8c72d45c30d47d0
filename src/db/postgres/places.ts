import { createHash } from 'node:crypto';
import { chownSync, closeSync, lstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseUnavailableError } from '../../errors.ts';

/** Where the embedded PostgreSQL of one data folder keeps its things; absolute paths. */
export interface Places {
  /** What the user calls the data folder; `./data` by default. */
  dataDir: string;
  /** PostgreSQL's own data folder. */
  cluster: string;
  logFile: string;
  /** Holds links to shared libraries, where node_modules may not be written to. */
  linkFolder: string;
}

/** Names the server's socket file and nothing else, as there is no TCP. */
export const PORT = 5432;

/** A user and group by number. */
export interface Owner {
  uid: number;
  gid: number;
}

// sockaddr_un has room for 107 bytes on Linux and 103 elsewhere; ours adds at most 38 to the folder of temporary files.
const LONGEST_TEMPORARY_FOLDER = 60;

/** The places below a data folder. Nothing is made. */
export function placesIn(dataDir: string): Places {
  const root = path.resolve(dataDir);
  return {
    dataDir: root,
    cluster: path.join(root, 'postgres'),
    logFile: path.join(root, 'postgres.log'),
    linkFolder: path.join(root, 'postgres.lib'),
  };
}

/**
 * The folder of the server's and the keeper's sockets: short, in the folder of temporary files, and another one for every cluster,
 * since the name has the cluster's path and its system identifier (unique to one initdb) in it. A cluster that was deleted and made
 * again therefore never meets the server of the old one.
 *
 * @param cluster an initialised data folder, as a real path
 */
export function socketFolderOf(cluster: string): string {
  const temporary = os.tmpdir();
  const name = createHash('sha256').update(`${cluster}\0${systemIdentifier(cluster)}`).digest('hex').slice(0, 12);
  return path.join(Buffer.byteLength(temporary) > LONGEST_TEMPORARY_FOLDER ? '/tmp' : temporary, `afterglow-${name}`);
}

/** Whether a path looks like one that {@link socketFolderOf} gave, perhaps under another folder of temporary files. */
export function isSocketFolderName(folder: string): boolean {
  return /^afterglow-[0-9a-f]{12}$/.test(path.basename(folder));
}

/** The keeper's own socket in a socket folder. */
export function keeperSocketIn(socketFolder: string): string {
  return path.join(socketFolder, 'keeper');
}

/**
 * Makes the socket folder where it is missing, closed to everybody but the cluster's owner.
 *
 * @throws {DatabaseUnavailableError} somebody else made it first, or it is open to others
 */
export function ensureSocketFolder(folder: string, owner: Owner): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
    if (process.getuid?.() !== owner.uid) chownSync(folder, owner.uid, owner.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new DatabaseUnavailableError(`The folder ${folder} for the database's sockets cannot be made: ${(error as Error).message}`, { cause: error });
    }
  }
  if (!isPrivate(folder, owner.uid)) {
    throw new DatabaseUnavailableError(
      `The folder ${folder} for the database's sockets must belong to user ${owner.uid} and be closed to others, which it is not. ` +
        'Remove it, or set TMPDIR to a folder of your own.',
    );
  }
}

/** Whether a folder exists, is no link, belongs to this user and lets nobody else in. */
export function isPrivate(folder: string, uid: number): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found !== undefined && found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0;
}

/** Who owns a file or folder. */
export function ownerOf(file: string): Owner {
  const { uid, gid } = statSync(file);
  return { uid, gid };
}

// The first eight bytes of the control file (ControlFileData.system_identifier in PostgreSQL's pg_control.h).
function systemIdentifier(cluster: string): string {
  const bytes = Buffer.alloc(8);
  const file = openSync(path.join(cluster, 'global', 'pg_control'), 'r');
  try {
    readSync(file, bytes, 0, 8, 0);
  } finally {
    closeSync(file);
  }
  return bytes.toString('hex');
}
