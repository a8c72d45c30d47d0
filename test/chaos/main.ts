import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { launchPostgres } from '../../src/db/postgres/launch.ts';
import { run as misbehave } from '../isolation/unruly/run.ts';
import { hasRedis, startRedis } from '../redis.ts';
import { run as restartDatabase } from './database-restarts.ts';
import { run as fillDisk } from './disk-full.ts';
import { run as killJobs } from './killed-jobs.ts';
import { run as killWorkers } from './killed-workers.ts';
import { run as fireSchedules } from './schedules.ts';

/** One way of breaking it, in its long form. */
interface Breaking {
  name: string;
  what: string;
  run(log: (line: string) => void): Promise<void>;
}

const workers = (engine: 'local' | 'bullmq', redisUrl?: string): Breaking => ({
  name: `killed-workers-${engine}`,
  what: 'three workers, a diamond, 1,000 objects; two are killed, 2 % of the runs fail, 1 % hang',
  run: (log) => inDatabase((address) => killWorkers({ address, engine, redisUrl, objects: 1000, withinSeconds: 300, log })),
});

const jobs = (engine: 'local' | 'bullmq', redisUrl?: string): Breaking => ({
  name: `killed-jobs-${engine}`,
  what: 'three workers, 300 jobs that are added up, jobs that take turns, scripts, requests; two are killed, 2 % of the runs fail, 1 % hang',
  run: (log) => inDatabase((address) => killJobs({ address, engine, redisUrl, objects: 300, withinSeconds: 300, log })),
});

// `npm run chaos`, or `npm run chaos -- disk-full schedules`: everything in its long form, one after the other.
const redis = hasRedis ? await startRedis() : undefined;
const all: readonly Breaking[] = [
  workers('local'),
  ...(redis === undefined ? [] : [workers('bullmq', redis.url)]),
  jobs('local'),
  ...(redis === undefined ? [] : [jobs('bullmq', redis.url)]),
  { name: 'unruly-attempts', what: 'two workers, 200 isolated attempts that spin, hang, crash, eat memory and leave processes behind; one is killed', run: (log) => inDatabase((address) => misbehave({ address, objects: 200, withinSeconds: 600, log })) },
  { name: 'database-restarts', what: 'PostgreSQL stopped with immediate and started again in the middle of a rescue, 20 rounds', run: (log) => restartDatabase({ rounds: 20, log }) },
  { name: 'schedules', what: 'three daemons and one schedule a second, for two minutes', run: (log) => fireSchedules({ seconds: 120, log }) },
  { name: 'disk-full', what: 'no room left under PostgreSQL', run: (log) => fillDisk({ log }) },
];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !all.some((one) => one.name === name));
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(', ')}. There are: ${all.map(({ name }) => name).join(', ')}.\n`);
  process.exit(2);
}
let failed = 0;
for (const { name, what, run } of all.filter((one) => asked.length === 0 || asked.includes(one.name))) {
  const started = performance.now();
  process.stdout.write(`${name}: ${what}\n`);
  try {
    await run((line) => process.stdout.write(`  ${line}\n`));
    process.stdout.write(`  held, after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`  BROKE: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
}
if (redis === undefined) process.stdout.write('There is no redis-server here, so BullMQ was not tried.\n');
await redis?.close();
process.exit(failed > 0 ? 1 : 0);

/** An empty database on a server of its own. */
async function inDatabase(act: (address: DatabaseAddress) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-chaos-'));
  const server = await launchPostgres({ dataDir: folder });
  const { host, port, user, database } = server;
  try {
    const admin = new pg.Client({ host, port, user, database });
    await admin.connect();
    await admin.query('create database chaos');
    await admin.end();
    await act({ host, port, user, database: 'chaos' });
  } finally {
    await server.release();
    await rm(folder, { recursive: true, force: true });
  }
}
