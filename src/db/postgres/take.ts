import { spawnSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUnavailableError } from '../../errors.ts';
import { holderOf, removeStale, type ServerFile } from './holder.ts';
import { evidence, lastLines, sizeOf } from './log-file.ts';
import { ensureSocketFolder, ownerOf, type Owner } from './places.ts';
import { isAlive } from './processes.ts';
import { startServer, type Server, type ServerSetting } from './server.ts';

const POLL_MS = 50;
// How long somebody may hold the lock, or a server without our reaching its keeper, before we call it out of reach.
const OUT_OF_REACH_MS = 10_000;
const LOCK_HOLDER = 'a PostgreSQL of another machine or container that shares the folder, or one that was killed and has not ended yet';
const FAILURES = 5;
const ORPHAN_STOPS_WITHIN_MS = 120_000;

/**
 * Starts the server of a cluster as ours, after whoever had it before us: waits for a server that is stopping, stops an orphan,
 * clears away a stale file, and lets the processes of a killed server finish.
 *
 * Of several keepers that do this at once one gets the server, since PostgreSQL and the lock allow only one.
 *
 * @param shouldLeave asked again and again whether to give up, given the folder where another keeper would be found
 * @returns the server, or undefined if it was given up
 * @throws {DatabaseUnavailableError} it does not start, or somebody out of our reach has the cluster
 */
export async function takeServer(setting: ServerSetting, shouldLeave: (socketFolder: string) => Promise<boolean>): Promise<Server | undefined> {
  const { cluster, logFile } = setting.places;
  const logStart = sizeOf(logFile);
  const heldUp = new Patience(OUT_OF_REACH_MS);
  for (let failures = 0; ; ) {
    if (await shouldLeave(setting.socketFolder)) return undefined;
    const holder = holderOf(cluster);
    if (holder.kind === 'foreign') throw foreign(holder, cluster);
    if (holder.kind === 'kept') {
      if (await shouldLeave(holder.socketFolder)) return undefined;
      if (!holder.ready) heldUp.reset();
      if (heldUp.isOver()) throw outOfReach(cluster, `process ${holder.pid}, whose sockets are in ${holder.socketFolder}`);
      await delay(POLL_MS);
      continue;
    }
    if (holder.kind === 'orphan') {
      await stopOrphan(holder, cluster);
      heldUp.reset();
      continue;
    }

    removeStale(cluster, setting.socketFolder);
    makeAcceptable(cluster, setting.runAs.owner);
    ensureSocketFolder(setting.socketFolder, setting.runAs.owner);
    const server = await startServer(setting);
    if (!('kind' in server)) {
      if (!(await shouldLeave(setting.socketFolder))) return server;
      await server.stop(); // another keeper may have been between two servers
      return undefined;
    }
    if (server.kind === 'locked') {
      if (heldUp.isOver()) throw outOfReach(cluster, LOCK_HOLDER);
      await delay(POLL_MS);
      continue;
    }
    failures += 1;
    if (failures === FAILURES) {
      throw new DatabaseUnavailableError(
        `PostgreSQL ${setting.binaries.version} ${server.how} on ${cluster}.${evidence(cluster, logFile, lastLines(logFile, logStart))}`,
      );
    }
    await delay(POLL_MS * 2 ** failures);
  }
}

// PostgreSQL insists on both: a copy may have lost the mode, and root may run it as another user than last time.
function makeAcceptable(cluster: string, { uid, gid }: Owner): void {
  if (ownerOf(cluster).uid !== uid) spawnSync('chown', ['-R', `${uid}:${gid}`, cluster], { stdio: 'inherit' });
  if ((statSync(cluster).mode & 0o077) !== 0) chmodSync(cluster, 0o700);
}

async function stopOrphan(orphan: ServerFile, cluster: string): Promise<void> {
  process.kill(orphan.pid, 'SIGINT');
  const patience = new Patience(ORPHAN_STOPS_WITHIN_MS);
  while (isAlive(orphan.pid) && holderOf(cluster).kind === 'orphan') {
    if (patience.isOver()) {
      throw new DatabaseUnavailableError(
        `The PostgreSQL (process ${orphan.pid}) that an earlier run left on ${cluster} does not stop. End it, and start again.`,
      );
    }
    await delay(POLL_MS);
  }
}

function foreign(server: ServerFile, cluster: string): DatabaseUnavailableError {
  return new DatabaseUnavailableError(
    `A PostgreSQL that Afterglow did not start (process ${server.pid}) runs on ${cluster}. Stop it, or set DATABASE_URL to use it.`,
  );
}

function outOfReach(cluster: string, who: string): DatabaseUnavailableError {
  return new DatabaseUnavailableError(
    `${cluster} is in use by ${who}, which cannot be reached from here. Stop what uses it there, or start everything on one machine with the ` +
      `same TMPDIR, or set DATABASE_URL to a PostgreSQL that all can reach.`,
  );
}

/** A span that has run out or not. */
class Patience {
  readonly #ms: number;
  #since = performance.now();
  constructor(ms: number) {
    this.#ms = ms;
  }
  isOver(): boolean {
    return performance.now() - this.#since > this.#ms;
  }
  reset(): void {
    this.#since = performance.now();
  }
}
