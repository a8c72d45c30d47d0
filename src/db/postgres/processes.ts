import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

/** Whether a process with this id exists; it may be anyone's, and may be dead but not yet collected by its parent. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the process is a PostgreSQL that works on this cluster (a server enters its data folder before anything else). */
export function worksOn(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') return commandOf(pid).includes(cluster);
  try {
    const there = statSync(`/proc/${pid}/cwd`);
    const here = statSync(cluster);
    return there.ino === here.ino && there.dev === here.dev;
  } catch {
    return false;
  }
}

/** The process that started this one, or that took it over; 0 where there is none. */
export function parentOf(pid: number): number {
  if (process.platform !== 'linux') return Number(ps('ppid', pid)) || 0;
  // "pid (name) state ppid …", and the name may hold anything.
  const [, ppid] = /.*\) \S (\d+)/s.exec(readOr(`/proc/${pid}/stat`)) ?? [];
  return Number(ppid ?? 0);
}

/** The words of its command line, by blanks; empty where the process is gone. */
export function commandOf(pid: number): string {
  return process.platform === 'linux' ? readOr(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') : ps('command', pid);
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function ps(column: string, pid: number): string {
  return spawnSync('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? '';
}
