/**
 * A daemon on the diamond, until it is killed. It says `daemon <id>` when it works.
 *
 * Environment: DATABASE_URL, AFTERGLOW_DATA, and LEASE_SECONDS of its claims.
 */
import { Daemon } from '../../src/daemon/daemon.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createLog } from '../../src/log.ts';
import { optionsFor } from '../daemon/daemon-options.ts';
import { Beat, diamondWorld } from './diamond.ts';

const data = process.env.AFTERGLOW_DATA!;
const database = await openDatabase({ url: process.env.DATABASE_URL! });
const world = diamondWorld(database);
await world.sync();
const { options } = optionsFor(world, {
  config: { leaseSeconds: Number(process.env.LEASE_SECONDS), concurrency: 8 }, folders: { data, products: `${data}/products` }, system: [new Beat()], log: createLog('json'),
});
const daemon = await Daemon.create(options);
await daemon.begin();
process.stdout.write(`daemon ${daemon.id}\n`);
