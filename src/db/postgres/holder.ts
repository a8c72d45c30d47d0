import { readFileSync, rmSync, statSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { isSocketFolderName, PORT } from './places.ts';
import { commandOf, isAlive, parentOf, worksOn } from './processes.ts';

/** What a server wrote into its cluster's `postmaster.pid` (its lines 1, 5 and 8, see PostgreSQL's `pidfile.h`). */
export interface ServerFile {
  pid: number;
  /** Empty as long as the server has no socket. */
  socketFolder: string;
  ready: boolean;
}

/**
 * Who has a cluster in use on this machine:
 * - nobody
 * - stale: there is a `postmaster.pid` that no server of this cluster stands behind, yet PostgreSQL would refuse to start because of it
 * - kept: a server whose keeper lives, or one that has only begun to start
 * - orphan: a server of ours whose keeper is gone
 * - foreign: a server that was started by other means
 */
export type Holder = { kind: 'nobody' } | { kind: 'stale' } | ({ kind: 'kept' | 'orphan' | 'foreign' } & ServerFile);

// Between making the file and writing to it a server takes microseconds.
const EMPTY_IS_STALE_AFTER_MS = 2000;

/** Who has the cluster in use, going by its `postmaster.pid` and the processes of this machine. */
export function holderOf(cluster: string): Holder {
  const server = readServerFile(cluster);
  if (server === undefined) return { kind: 'nobody' };
  if (server === 'empty') {
    const isStale = ageMs(serverFile(cluster)) > EMPTY_IS_STALE_AFTER_MS;
    return isStale ? { kind: 'stale' } : { kind: 'kept', pid: 0, socketFolder: '', ready: false };
  }
  if (!isAlive(server.pid)) return { kind: 'nobody' };
  // The number was given to another process, or the server is dead and its parent has not noticed. Common in containers.
  if (!worksOn(server.pid, cluster)) return { kind: 'stale' };
  if (isKeeper(parentOf(server.pid)) || (server.socketFolder === '' && !server.ready)) return { kind: 'kept', ...server };
  return { kind: isSocketFolderName(server.socketFolder) ? 'orphan' : 'foreign', ...server };
}

/** The cluster's `postmaster.pid`, if a server is running or starting, or was killed. */
export function readServerFile(cluster: string): ServerFile | 'empty' | undefined {
  const lines = readLines(serverFile(cluster));
  if (lines === undefined) return undefined;
  // Negative for a single-user server.
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10));
  if (!(pid > 0)) return 'empty';
  return { pid, socketFolder: lines[4] ?? '', ready: lines[7]?.trim() === 'ready' };
}

/**
 * Removes the files by which PostgreSQL would take a dead server for a living one: it asks only whether the process number in them is
 * in use, and the number may be another process by now, or a dead one that its parent has not collected.
 */
export function removeStale(cluster: string, socketFolder: string): void {
  if (holderOf(cluster).kind === 'stale') unlinkSync(serverFile(cluster));
  const socketLock = path.join(socketFolder, `.s.PGSQL.${PORT}.lock`);
  const socketHolder = readLines(socketLock)?.[0];
  if (socketHolder !== undefined && !worksOn(Number.parseInt(socketHolder, 10), cluster)) rmSync(socketLock, { force: true });
}

function serverFile(cluster: string): string {
  return path.join(cluster, 'postmaster.pid');
}

function isKeeper(pid: number): boolean {
  return commandOf(pid).includes('/keeper.ts ');
}

function ageMs(file: string): number {
  return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

function readLines(file: string): string[] | undefined {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return undefined;
  }
}
