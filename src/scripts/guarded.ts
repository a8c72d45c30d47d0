import { spawn, type ChildProcess } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import path from 'node:path';
import { thisProcess } from '../daemon/process-identity.ts';

/** How long a guard stays when nothing is left to guard, ms. */
const IDLE_MS = 60_000;
/** How soon another one takes the place of a guard that is gone, ms. */
const AGAIN_MS = 500;

let guard: ChildProcess | undefined;
let idle: NodeJS.Timeout | undefined;
const running = new Set<number>();

/**
 * Sees to it that what this process starts from now on does not live on without it, not even after a `kill -9`: a guard, one
 * small process for all scripts, notices that we are gone.
 *
 * @param folder what the guard removes then; the first that is given counts
 */
export function guardFromNowOn(folder: string): void {
  clearTimeout(idle);
  if (guard !== undefined) return;
  const compiled = getCompileCacheDir();
  const started = spawn(process.execPath, [path.join(import.meta.dirname, 'guard.ts'), folder, JSON.stringify(thisProcess())], {
    // A session of its own: Ctrl-C on a terminal and the end of our process group do not reach it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    // What Node has made of the sources is read, not made again: that takes half the time and 20 MB.
    env: compiled === undefined ? {} : { NODE_COMPILE_CACHE: path.dirname(compiled) },
    cwd: '/',
  });
  guard = started;
  started.unref();
  // Neither does it keep us from ending.
  (started.stdin as unknown as { unref(): void }).unref();
  started.stdin!.on('error', () => {});
  const gone = (): void => {
    if (guard !== started) return;
    guard = undefined;
    // Not at once: what ended this one may end the next one too.
    setTimeout(() => {
      if (running.size > 0) guardFromNowOn(folder);
    }, AGAIN_MS).unref();
  };
  started.on('error', gone);
  started.on('exit', gone);
  for (const group of running) started.stdin!.write(`+${group}\n`);
}

/** A process group is running. */
export function guardGroup(group: number): void {
  running.add(group);
  guard?.stdin?.write(`+${group}\n`);
}

/** It is gone. */
export function releaseGroup(group: number): void {
  running.delete(group);
  guard?.stdin?.write(`-${group}\n`);
  if (running.size > 0) return;
  clearTimeout(idle);
  idle = setTimeout(() => {
    const leaving = guard;
    guard = undefined;
    leaving?.stdin?.end('leave\n');
  }, IDLE_MS).unref();
}
