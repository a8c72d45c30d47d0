import { setTimeout as delay } from 'node:timers/promises';
import type { Graph } from '../graph.ts';
import { Calls } from '../peers/calls.ts';
import type { Item, Peer } from '../peers/peer.ts';
import type { RedisServer } from '../peers/redis-server.ts';
import { assertAllProcessed, makeStatusTable } from '../peers/status-table.ts';
import { withClient, type BenchServer } from '../server.ts';
import { commitsOf, commitsSettled, measured, type Run, type Usage } from './measured.ts';

/** Runs of a peer that are the same but for what they say here. */
export interface PeerRun {
  /** The tasks of every object; undefined: each object is one item of a plain queue, and there is no status table. */
  graph: Graph | undefined;
  objects: number;
  /** Items at once. */
  concurrency: number;
  /** What every runner does: milliseconds that it sleeps, 0 for nothing at all. */
  sleepMs: number;
}

/**
 * Takes all objects through the graph, or through a plain queue, with a peer, in this process and in a database of its own. What is
 * ready at the start is enqueued before the clock starts; it stops when the peer has recorded every item as done.
 *
 * @throws {DeliveryError} an item was lost, done twice or left over
 */
export async function runPeer(peer: Peer, server: BenchServer, redis: RedisServer | undefined, { graph, objects, concurrency, sleepMs }: PeerRun): Promise<Run> {
  const address = await server.create();
  try {
    const tasks = graph?.tasks.length ?? 1;
    const first = graph === undefined ? Array.from({ length: objects }, (_, at) => ({ subject: at + 1, task: 1 })) : await makeStatusTable(address, graph, objects);
    const calls = new Calls(objects, tasks);
    const run = sleepMs === 0 ? (item: Item) => calls.count(item) : async (item: Item) => {
      calls.count(item);
      await delay(sleepMs);
    };
    const open = await peer.open({ address, redisSocket: redis?.socket }, concurrency);
    let usage: Usage;
    let before: number;
    try {
      await open.add(first);
      // As autovacuum would have done by the time that so much has gathered.
      await withClient(address, (client) => client.query('vacuum analyze'));
      await server.checkpoint();
      before = await commitsOf(server.admin, address);
      usage = await measured(server, async () => {
        await (graph === undefined ? open.work(run) : open.workGraph(run));
        await calls.untilAll();
        while (await open.hasLeft()) await delay(5);
      }, redis);
    } finally {
      await open.close();
    }
    const transactions = (await commitsSettled(server, address)) - before;
    calls.assertOnceEach();
    if (graph !== undefined) await assertAllProcessed(address, objects * tasks);
    return { ...usage, transactions };
  } finally {
    await server.drop(address);
  }
}
