import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isSocketFolderName } from './places.ts';
import { commandOf, isAlive, parentOf, worksOn } from './processes.ts';

/**
 * Who has a cluster in use on this machine, going by its `postmaster.pid`:
 * - nobody
 * - stale: the file is there and its process number is in use, but not by a server of this cluster. PostgreSQL would refuse to start
 * - kept: a server whose keeper lives
 * - orphan: a server of ours whose keeper is gone
 * - foreign: a server that was started by other means
 */
export type Holder =
  | { kind: 'nobody' }
  | { kind: 'stale' }
  | { kind: 'kept' | 'orphan' | 'foreign'; pid: number; ready: boolean; socketFolder: string };

/** A cluster's `postmaster.pid`: its first line is the process, the fifth the socket folder, the eighth the state (PostgreSQL's `pidfile.h`). */
export interface PidFile {
  pid: number;
  socketFolder: string;
  ready: boolean;
}

/** Who has the cluster in use. */
export function holderOf(cluster: string): Holder {
  const file = readPidFile(cluster);
  if (file === undefined || !isAlive(file.pid)) return { kind: 'nobody' };
  if (!worksOn(file.pid, cluster)) return { kind: 'stale' };
  if (/keeper\.ts /.test(commandOf(parentOf(file.pid)))) return { kind: 'kept', ...file };
  return { kind: file.socketFolder === '' || isSocketFolderName(file.socketFolder) ? 'orphan' : 'foreign', ...file };
}

/** The cluster's `postmaster.pid`, if a server is running, starting, or was killed. */
export function readPidFile(cluster: string): PidFile | undefined {
  let lines: string[];
  try {
    lines = readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number.parseInt(lines[0] ?? '', 10);
  // A negative number is a single-user backend.
  return Number.isNaN(pid) ? undefined : { pid: Math.abs(pid), socketFolder: lines[4] ?? '', ready: lines[7]?.trim() === 'ready' };
}
