import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresBinaries } from './binaries.ts';
import { plainEnvironment } from './environment.ts';
import { readServerFile } from './holder.ts';
import { PORT, type Places } from './places.ts';
import type { RunAs } from './run-as.ts';

/** What a server is started with. */
export interface ServerSetting {
  places: Places;
  socketFolder: string;
  binaries: PostgresBinaries;
  runAs: RunAs;
}

/** A server that answers. */
export interface Server {
  readonly pid: number;
  /** Resolves when the process is gone, however it went. */
  readonly exited: Promise<void>;
  /** Ends its connections, brings everything to disk, and resolves when the process is gone. */
  stop(): Promise<void>;
}

/** Why there is no server: somebody holds the cluster's lock, or it stopped by itself. */
export type NoServer = { kind: 'locked' } | { kind: 'failed'; how: string };

// The code that flock(1) is told to leave with.
const LOCKED = 75;
// A fast shutdown writes out up to shared_buffers; if it hangs, an immediate one leaves the rest to recovery.
const FAST_SHUTDOWN_MS = 120_000;

/**
 * Starts a server as a child of this process and waits until it is ready, which takes as long as recovery takes.
 *
 * Besides PostgreSQL's own check, which trusts process numbers, it holds a file lock that also works between containers, and between
 * machines which share the folder: the lock is inherited by every server process and gone with the last of them. It is on PG_VERSION,
 * which is in every cluster and never written again.
 */
export async function startServer(setting: ServerSetting): Promise<Server | NoServer> {
  const { places, socketFolder, binaries, runAs } = setting;
  // Files in the cluster instead of /dev/shm, which is tiny in containers and which systemd empties when a user logs out (RemoveIPC).
  const sharedMemory = 'dynamic_shared_memory_type=mmap';
  const settings = ['listen_addresses=', 'unix_socket_permissions=0700', sharedMemory].flatMap((pair) => ['-c', pair]);
  const program = [binaries.postgres, '-D', places.cluster, '-k', socketFolder, '-p', String(PORT), ...settings];
  const words = [...lockWords(path.join(places.cluster, 'PG_VERSION')), ...runAs.prefix, ...program];
  const child = spawnWithLog(words, places.logFile, binaries);
  const exited = new Promise<{ code: number | null; how: string }>((resolve) => {
    child.once('error', (error) => resolve({ code: null, how: error.message }));
    child.once('exit', (code, signal) => resolve({ code, how: code === null ? `was ended by ${signal}` : `left with code ${code}` }));
  });
  let gone: { code: number | null; how: string } | undefined;
  void exited.then((end) => (gone = end));
  while (gone === undefined) {
    const file = readServerFile(places.cluster);
    if (file !== undefined && file !== 'empty' && file.pid === child.pid && file.ready) return running(child, exited);
    await Promise.race([delay(10), exited]);
  }
  return gone.code === LOCKED ? { kind: 'locked' } : { kind: 'failed', how: gone.how };
}

function running(child: ChildProcess, exited: Promise<unknown>): Server {
  const gone = exited.then(() => undefined);
  return {
    pid: child.pid!,
    exited: gone,
    async stop() {
      child.kill('SIGINT');
      const impatience = setTimeout(() => child.kill('SIGQUIT'), FAST_SHUTDOWN_MS);
      await gone;
      clearTimeout(impatience);
    },
  };
}

// Its own session: what is sent to a terminal's processes does not reach it.
function spawnWithLog(words: readonly string[], logFile: string, binaries: PostgresBinaries): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    const env = plainEnvironment(binaries.environment);
    return spawn(words[0]!, words.slice(1), { stdio: ['ignore', log, log], env, cwd: '/', detached: true });
  } finally {
    closeSync(log);
  }
}

// Nothing where flock(1) is missing, is another flock, or the file system has no locks.
function lockWords(file: string): string[] {
  const words = ['flock', '--nonblock', '--conflict-exit-code', String(LOCKED), '--no-fork', file];
  const { status } = spawnSync(words[0]!, [...words.slice(1), 'true'], { stdio: 'ignore' });
  return status === 0 || status === LOCKED ? words : [];
}
