import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { openEntries, prepareDiamond } from './diamond.ts';
import { finish } from './finish.ts';
import { ownServer, type OwnServer } from './own-server.ts';
import { startDiamond, type DiamondProcess } from './start-diamond.ts';
import { untilOr } from './until.ts';

const PROCESSES = 3;
const SUBJECTS = 60;
const LEASE_SECONDS = 1.5;

/**
 * Daemons on a diamond of tasks, whose PostgreSQL is stopped with `immediate` and started again while one daemon was killed
 * and another takes its entries back; a second one is killed while results of its wait in the spool that they share. After each round everything has to be
 * done, once, in its order, and schedules have to fire again.
 *
 * @throws {Error} naming what broke
 */
export async function run({ rounds, log }: { rounds: number; log: (line: string) => void }): Promise<void> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'afterglow-restarts-'));
  const server = await ownServer();
  const daemons: DiamondProcess[] = [];
  const all: DiamondProcess[] = [];
  let database: Database | undefined;
  try {
    database = await openDatabase(server.address);
    const world = await prepareDiamond(database);
    // A rescue that takes long enough to be met in the middle.
    await database.em().execute(SLOW_RESCUE);
    const start = async (place: number) => {
      daemons[place] = await startDiamond({ url: server.url, data: folder, leaseSeconds: LEASE_SECONDS });
      all.push(daemons[place]);
    };
    await Promise.all(Array.from({ length: PROCESSES }, (_, place) => start(place)));
    const sums = { inRescue: 0, spooled: 0 };
    for (let round = 0; round < rounds; round += 1) {
      await world.add(...Array.from({ length: SUBJECTS }, (_, n) => `round ${round} object ${n}`));
      const [first, second] = [round % PROCESSES, (round + 1) % PROCESSES];
      const began = performance.now();
      const inRescue = await crashInRescue(server, database, daemons[first]!);
      const downSince = performance.now();
      // The other one's results come to lie in its spool while the database is away.
      await untilOr(1500, () => daemons[second]!.kept() > 0);
      const spooled = daemons[second]!.kept();
      await daemons[second]!.kill();
      await server.start();
      const backAt = performance.now();
      await Promise.all([start(first), start(second)]);
      await finish(database, daemons, 'pg_postmaster_start_time()');
      sums.inRescue += inRescue ? 1 : 0;
      sums.spooled += spooled;
      log(`round ${round + 1}: ${inRescue ? 'in the middle of a rescue' : 'no rescue was met'}, ${spooled} results of a killed daemon on disk; ${seconds(began, downSince)} s until it was down, ${seconds(downSince, backAt)} s down, ${seconds(backAt)} s until all was done`);
    }
    if (sums.inRescue === 0) throw new Error('The database was never stopped in the middle of a rescue: nothing was tried.');
    const delivered = all.reduce((sum, daemon) => sum + daemon.said('was delivered from the spool'), 0);
    if (sums.spooled > 0 && delivered === 0) throw new Error(`Killed daemons left ${sums.spooled} results in the spool, and none was delivered.`);
    log(`${rounds} rounds, ${sums.inRescue} in the middle of a rescue; of ${sums.spooled} results that killed daemons left in the spool, ${delivered} were delivered`);
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.kill()));
    await database?.close();
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns whether a rescue was on its way */
async function crashInRescue(server: OwnServer, database: Database, victim: DiamondProcess): Promise<boolean> {
  const all = await openEntries(database);
  await untilOr(20_000, async () => (await openEntries(database)) < all * 0.8);
  const looking = new pg.Client('url' in server.address ? server.address.url : server.address);
  looking.on('error', () => {});
  await looking.connect();
  await victim.kill();
  const inRescue = await untilOr(3000, async () => (await looking.query(IN_RESCUE)).rowCount! > 0, 1);
  await server.crash();
  await looking.end().catch(() => {});
  return inRescue;
}

const seconds = (from: number, to = performance.now()) => ((to - from) / 1000).toFixed(1);

const IN_RESCUE = `select from pg_stat_activity where state = 'active' and query like '%then ''rescue'' else ''give up''%' and pid <> pg_backend_pid()`;

const SLOW_RESCUE = `
create function slow_rescue() returns trigger language plpgsql as $$
begin
  perform pg_sleep(0.05);
  return new;
end $$;
create trigger slow_rescue before update on task_register for each row when (new.cause = 'rescue' and old.cause <> 'rescue') execute function slow_rescue()`;
