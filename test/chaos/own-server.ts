import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { findBinaries } from '../../src/db/postgres/binaries.ts';
import { removeStale } from '../../src/db/postgres/holder.ts';
import { initialise, USER } from '../../src/db/postgres/initialise.ts';
import { ensureSocketFolder, PORT, socketFolderOf } from '../../src/db/postgres/places.ts';
import { runAs } from '../../src/db/postgres/run-as.ts';
import { startServer, type Server } from '../../src/db/postgres/server.ts';
import { lastLines } from '../../src/db/postgres/log-file.ts';

/** A PostgreSQL that nobody starts again but we. */
export interface OwnServer {
  address: DatabaseAddress;
  /** What processes need in DATABASE_URL. */
  url: string;
  start(): Promise<void>;
  /** An immediate shutdown: what is not committed is lost, and the next start recovers. */
  crash(): Promise<void>;
  /** False once the server has ended by itself. */
  runs(): boolean;
  /** Stops it, and removes all of it. */
  remove(): Promise<void>;
}

/** Makes a cluster and starts it. @param dataDir where; a new folder unless given */
export async function ownServer(dataDir = mkdtempSync(path.join(os.tmpdir(), 'afterglow-chaos-'))): Promise<OwnServer> {
  const found = await initialise(dataDir, () => {});
  const places = { ...found, cluster: realpathSync(found.cluster) };
  const binaries = findBinaries({ linkFolder: places.linkFolder });
  const socketFolder = socketFolderOf(places.cluster);
  const setting = { places, binaries, socketFolder, runAs: runAs(places, binaries) };
  let server: Server | undefined;
  let isRunning = false;
  const start = async (): Promise<void> => {
    removeStale(places.cluster, socketFolder);
    ensureSocketFolder(socketFolder, setting.runAs.owner);
    const started = await startServer(setting);
    if ('kind' in started) throw new Error(`PostgreSQL does not start: ${JSON.stringify(started)}\n${lastLines(places.logFile).join('\n')}`);
    server = started;
    isRunning = true;
    void started.exited.then(() => (isRunning = false));
  };
  await start();
  const admin = new pg.Client({ host: socketFolder, port: PORT, user: USER, database: 'postgres' });
  await admin.connect();
  await admin.query('create database chaos');
  await admin.end();
  return {
    address: { host: socketFolder, port: PORT, user: USER, database: 'chaos' },
    url: `postgresql://${USER}@/chaos?host=${encodeURIComponent(socketFolder)}&port=${PORT}`,
    start,
    async crash() {
      process.kill(server!.pid, 'SIGQUIT');
      await server!.exited;
    },
    runs: () => isRunning,
    async remove() {
      await server!.stop();
      for (const folder of [dataDir, socketFolder]) rmSync(folder, { recursive: true, force: true });
    },
  };
}
