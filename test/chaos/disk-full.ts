import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { tinyDisk } from '../tiny-disk.ts';
import { openEntries, prepareDiamond } from './diamond.ts';
import { finish } from './finish.ts';
import { ownServer, type OwnServer } from './own-server.ts';
import { startDiamond, type DiamondProcess } from './start-diamond.ts';
import { untilOr } from './until.ts';

const PROCESSES = 2;
const SUBJECTS = 60;
const LEASE_SECONDS = 5;
const MEGABYTES = 200;

/**
 * Daemons on a diamond of tasks, whose PostgreSQL runs out of room on its disk: statements fail, or the server ends. The daemons
 * have to say so and live on; when there is room again (and the server was started, where it had ended), everything has to be done,
 * once, in its order. Where no small disk can be mounted nothing is tried, and the log says why.
 *
 * @throws {Error} naming what broke
 */
export async function run({ rounds = 4, log }: { rounds?: number; log: (line: string) => void }): Promise<void> {
  const disk = tinyDisk(MEGABYTES);
  if (typeof disk === 'string') return log(`skipped: ${disk}`);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'afterglow-full-'));
  const daemons: DiamondProcess[] = [];
  let server: OwnServer | undefined;
  let database: Database | undefined;
  try {
    server = await ownServer(path.join(disk.folder, 'data'));
    database = await openDatabase(server.address);
    const world = await prepareDiamond(database);
    for (let place = 0; place < PROCESSES; place += 1) daemons.push(await startDiamond({ url: server.url, data: folder, leaseSeconds: LEASE_SECONDS }));
    for (let round = 0; round < rounds; round += 1) {
      await world.add(...Array.from({ length: SUBJECTS }, (_, n) => `round ${round} object ${n}`));
      const all = await openEntries(database);
      await untilOr(20_000, async () => (await openEntries(database!)) < all * 0.9);
      const before = complaints(daemons);
      disk.fill();
      // Every second time its log has no room either, of which PostgreSQL ends.
      for (let segments = 0; round % 2 === 1 && segments < 10; segments += 1) await database.em().execute(`select pg_switch_wal()`).catch(() => {});
      const isTold = await untilOr(30_000, () => complaints(daemons) > before);
      // The rest of what runs comes to its end, and is kept.
      await untilOr(2000, () => false);
      const kept = daemons.reduce((sum, daemon) => sum + daemon.kept(), 0);
      disk.free();
      const hasEnded = !server.runs();
      if (hasEnded) await server.start();
      const backAt = performance.now();
      if (!isTold) throw new Error('The disk was full for half a minute, and no daemon said that the database takes nothing.');
      const [{ now }] = (await database.em().execute<{ now: string }[]>(`select now()::text as now`)) as [{ now: string }];
      await finish(database, daemons, `'${now}'`);
      log(`round ${round + 1}: ${hasEnded ? 'the server ended' : 'statements failed'}, ${kept} results on the daemons' disk, all done ${((performance.now() - backAt) / 1000).toFixed(1)} s after there was room`);
      if (daemons.some((daemon) => daemon.isGone())) throw new Error(`A daemon ended by itself:\n${daemons.flatMap((daemon) => daemon.log).join('\n')}`);
    }
  } finally {
    disk.free();
    await Promise.all(daemons.map((daemon) => daemon.kill()));
    await database?.close();
    await server?.remove();
    disk.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

const complaints = (daemons: readonly DiamondProcess[]): number =>
  daemons.reduce((sum, daemon) => sum + daemon.said('could not claim') + daemon.said('does not take how attempts ended'), 0);
