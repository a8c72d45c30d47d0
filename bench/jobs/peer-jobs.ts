import { setTimeout as delay } from 'node:timers/promises';
import { Calls } from '../peers/calls.ts';
import type { Peer } from '../peers/peer.ts';
import type { RedisServer } from '../peers/redis-server.ts';
import { measured, type Usage } from '../pipeline/measured.ts';
import { withClient, type BenchServer } from '../server.ts';

/** Jobs that are enqueued by one call. */
export const BATCH = 1_000;

/** What a side used for so many jobs: first they were all enqueued, then run. */
export interface JobsRun {
  enqueue: Usage;
  work: Usage;
}

/**
 * The same with a peer, in this process and in a database of its own.
 *
 * @throws {DeliveryError} an item was lost, done twice or left over
 */
export async function runPeerJobs(peer: Peer, server: BenchServer, redis: RedisServer | undefined, items: number, concurrency: number): Promise<JobsRun> {
  const address = await server.create();
  try {
    const calls = new Calls(items, 1);
    const open = await peer.open({ address, redisSocket: redis?.socket }, concurrency);
    try {
      await open.hasLeft();
      const enqueue = await measured(server, async () => {
        for (let at = 0; at < items; at += BATCH) await open.add(Array.from({ length: Math.min(BATCH, items - at) }, (_, place) => ({ subject: at + place + 1, task: 1 })));
      }, redis);
      await withClient(address, (client) => client.query('vacuum analyze'));
      await server.checkpoint();
      const work = await measured(server, async () => {
        await open.work((item) => calls.count(item));
        await calls.untilAll();
        while (await open.hasLeft()) await delay(5);
      }, redis);
      calls.assertOnceEach();
      return { enqueue, work };
    } finally {
      await open.close();
    }
  } finally {
    await server.drop(address);
  }
}
