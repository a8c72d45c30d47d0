import { Queue, Worker } from 'bullmq';
import pg from 'pg';
import { clientConfig, nameOf } from '../server.ts';
import { installed } from './installed.ts';
import type { Item, Peer, Run } from './peer.ts';

const ADDED_AT_ONCE = 1_000;
/** Connections to PostgreSQL for the status table. */
const CONNECTIONS = 16;

const FINISH = `select subject_id::integer as subject, task_id as task from finish_entry($1, $2)`;

/** BullMQ on Redis, with the status table in PostgreSQL. */
export const bullmq: Peer = {
  name: 'BullMQ on Redis',
  version: installed('bullmq'),
  needsRedis: true,
  setUp:
    'one worker with the concurrency as its `concurrency`; Redis on a unix socket with `appendonly yes`, `appendfsync everysec`, `maxmemory-policy noeviction`, as its page “Going to production” advises, and no snapshots; ' +
    `the last 1,000 completed jobs are kept; for the graph one statement over a pool of ${CONNECTIONS} connections writes the status and says what became ready, which \`addBulk\` then enqueues: two stores, so that a crash between the two loses work`,
  async open({ address, redisSocket }, concurrency) {
    if (redisSocket === undefined) throw new TypeError('BullMQ needs a redis-server.');
    const connection = { path: redisSocket, maxRetriesPerRequest: null };
    // Of its own, so that runs do not find each other's jobs.
    const name = nameOf(address);
    const queue = new Queue<Item>(name, { connection });
    const pool = new pg.Pool({ ...clientConfig(address), max: CONNECTIONS });
    pool.on('error', () => {});
    let worker: Worker<Item> | undefined;
    let failure: Error | undefined;
    const add = async (items: readonly Item[]) => void (await queue.addBulk(items.map((data) => ({ name: 'entry', data }))));
    const start = async (run: Run) => {
      worker = new Worker<Item>(name, async ({ data }) => run(data), { connection, concurrency, removeOnComplete: { count: 1_000 }, removeOnFail: { count: 5_000 } });
      worker.on('failed', (_job, error) => (failure ??= error));
      worker.on('error', (error) => (failure ??= error));
      await worker.waitUntilReady();
    };
    return {
      async add(items) {
        for (let at = 0; at < items.length; at += ADDED_AT_ONCE) await add(items.slice(at, at + ADDED_AT_ONCE));
      },
      work: start,
      workGraph: (run) =>
        start(async (item) => {
          await run(item);
          const { rows } = await pool.query<Item>({ name: 'finish', text: FINISH, values: [item.subject, item.task] });
          if (rows.length > 0) await add(rows);
        }),
      async hasLeft() {
        if (failure !== undefined) throw failure;
        const { active, waiting, delayed, prioritized } = await queue.getJobCounts('active', 'waiting', 'delayed', 'prioritized');
        return [active, waiting, delayed, prioritized].some((count) => count! > 0);
      },
      async close() {
        await worker?.close();
        await queue.close();
        await pool.end();
      },
    };
  },
};
