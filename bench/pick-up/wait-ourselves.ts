import { systemClock } from '../../src/clock.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createLog } from '../../src/log.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { VERSION } from '../../src/version.ts';
import { storeGraph, type Graph } from '../graph.ts';
import { OURS } from '../pipeline/describe.ts';
import type { BenchServer } from '../server.ts';
import { CONCURRENCY, type Waiting } from './pick-ups.ts';

/** A daemon of ours that has nothing to do. */
export async function waitOurselves(server: BenchServer, graph: Graph, adds: Waiting['adds']): Promise<Waiting> {
  const database = await openDatabase(await server.create());
  const { machine, statusIds, tasks } = await storeGraph(database.em(), graph);
  await syncSchedules(database.em(), graph.runners, systemClock);
  const daemon = await Daemon.create({
    database, machine, statusIds, tasks, runners: graph.runners, timeLimits: new Map(), clock: systemClock, log: createLog('silent'), version: VERSION,
    config: { concurrency: CONCURRENCY, leaseSeconds: 20, graceSeconds: 1, log: 'silent' }, folders: { data: server.folder, products: server.folder },
  });
  await daemon.begin();
  return {
    name: OURS,
    adds,
    address: database.address,
    async stop() {
      await daemon.stop();
      await database.close();
    },
  };
}
