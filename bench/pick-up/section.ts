import { fork } from 'node:child_process';
import path from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { createLog } from '../../src/log.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { VERSION } from '../../src/version.ts';
import { storeGraph } from '../graph.ts';
import { oneTask } from '../one-task.ts';
import { availablePeers, describePeers } from '../peers/peers.ts';
import { OURS } from '../pipeline/describe.ts';
import { DeliveryError } from '../pipeline/delivery-error.ts';
import type { Bench, Section } from '../section.ts';
import { quantile } from '../statistics.ts';
import { nowMs, OBJECT, type Added, type Orders } from './producer.ts';

const GOAL = 2;
const GOAL_OVER = ['pg-boss', 'BullMQ on Redis'];
/** Items at once, at most. */
const CONCURRENCY = 16;
/** Items of each system that are not counted. */
const WARM_UPS = 5;
/** An item that has not begun by then is lost. */
const WAIT_MS = 60_000;

/** A system that waits for items. */
interface Waiting {
  name: string;
  address: DatabaseAddress;
  stop(): Promise<void>;
}

/** How long an item waits on an idle system until its handler begins. */
export async function pickUpSection(bench: Bench): Promise<Section> {
  const { server, redis, quick, signal, progress } = bench;
  const samples = quick ? 5 : 400;
  const everyMs = quick ? 100 : 250;
  const starts = new Starts();
  const waiting: Waiting[] = [];
  try {
    waiting.push(await waitOurselves(bench, starts));
    for (const peer of availablePeers(redis !== undefined)) {
      const address = await server.create();
      const open = await peer.open({ address, redisSocket: redis?.socket }, CONCURRENCY);
      waiting.push({ name: peer.name, address, stop: () => open.close() });
      await open.work(({ subject }) => starts.begun(peer.name, subject));
    }
    progress(`pickup: ${samples} items for each of ${waiting.length} systems, one every ${everyMs} ms`);
    const added = await produce({ systems: waiting.map(({ name, address }) => ({ name, address })), redisSocket: redis?.socket, items: samples + WARM_UPS, everyMs }, signal);
    await starts.untilAll(added.length);
    return describe(waiting.map(({ name }) => name), added.filter(({ item }) => item > WARM_UPS), starts, { samples, everyMs, peers: describePeers(redis) });
  } finally {
    for (const { address, stop } of waiting) {
      await stop();
      await server.drop(address);
    }
  }
}

async function waitOurselves({ server }: Bench, starts: Starts): Promise<Waiting> {
  const database = await openDatabase(await server.create());
  const graph = oneTask(({ name }) => starts.begun(OURS, Number(name.slice(OBJECT.length))));
  const { machine, statusIds, tasks } = await storeGraph(database.em(), graph);
  await syncSchedules(database.em(), graph.runners, systemClock);
  const daemon = await Daemon.create({
    database, machine, statusIds, tasks, runners: graph.runners, timeLimits: new Map(), clock: systemClock, log: createLog('silent'), version: VERSION,
    config: { concurrency: CONCURRENCY, leaseSeconds: 20, graceSeconds: 1, log: 'silent' }, folders: { data: server.folder, products: server.folder },
  });
  await daemon.begin();
  return {
    name: OURS,
    address: database.address,
    async stop() {
      await daemon.stop();
      await database.close();
    },
  };
}

/** Has another process add the items. @returns when each was added, by that process's word */
function produce(orders: Orders, signal: AbortSignal): Promise<Added[]> {
  const child = fork(path.join(import.meta.dirname, 'producer.ts'), { signal, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const added: Added[] = [];
  child.on('message', (message) => added.push(message as Added));
  child.send(orders);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve(added);
      else reject(new Error(`The process that adds items ended with ${code ?? killedBy}.`));
    });
  });
}

/** When the handlers of items began. */
class Starts {
  readonly #startedMs = new Map<string, number>();
  #repeated = 0;
  #onBegun: () => void = () => {};

  begun(name: string, item: number): void {
    const key = `${name}/${item}`;
    if (this.#startedMs.has(key)) this.#repeated += 1;
    else this.#startedMs.set(key, nowMs());
    this.#onBegun();
  }

  of(name: string, item: number): number {
    return this.#startedMs.get(`${name}/${item}`)!;
  }

  /** @throws {DeliveryError} items were lost or began twice */
  async untilAll(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const impatience = setTimeout(() => reject(new DeliveryError([`${this.#startedMs.size} of ${count} items began within ${WAIT_MS / 1000} s`])), WAIT_MS);
      this.#onBegun = () => {
        if (this.#startedMs.size < count) return;
        clearTimeout(impatience);
        resolve();
      };
      this.#onBegun();
    });
    if (this.#repeated > 0) throw new DeliveryError([`${this.#repeated} items began twice`]);
  }
}

function describe(names: readonly string[], added: readonly Added[], starts: Starts, { samples, everyMs, peers }: { samples: number; everyMs: number; peers: string }): Section {
  const latencies = (name: string, from: (one: Added) => number) => added.filter((one) => one.name === name).map((one) => starts.of(name, one.item) - from(one));
  const shares = [0.5, 0.95, 0.99];
  const row = (name: string) => {
    const values = latencies(name, ({ sentMs }) => sentMs);
    return [name, ...shares.map((share) => quantile(values, share)), Math.max(...values), Math.max(0, quantile(latencies(name, ({ addedMs }) => addedMs), 0.5))];
  };
  const at = (name: string, share: number) => quantile(latencies(name, ({ sentMs }) => sentMs), share);
  const others = names.filter((name) => name !== OURS);
  const misses = others.flatMap((name) => {
    const ratio = at(name, 0.5) / at(OURS, 0.5);
    if (ratio < 1) return [`**We lose** at the median against ${name}, which begins after ${ratio.toFixed(2)} times as long.`];
    return ratio < GOAL && GOAL_OVER.includes(name) ? [`**We miss the goal** at the median against ${name}, which begins after ${ratio.toFixed(2)} times as long, not ${GOAL}.`] : [];
  });
  return {
    title: 'Picking up an item on an idle system',
    method: [
      `Another process adds an item every ${everyMs} ms to each system, ${samples} of them, the systems in turn; all have nothing else to do and wait in one process, each in a database of its own. For us an item is a new object with one task. The clock runs from the moment when the item is sent until ` +
        'its handler begins, and covers its insertion; the last column counts from the moment when the other process knows that it is added. Each item began once, which is checked.',
      peers,
    ],
    tables: [{ title: 'Milliseconds until the handler begins', head: ['', 'p50', 'p95', 'p99', 'longest', 'p50 after it was added'], rows: names.map(row) }],
    ratios: others.flatMap((name) =>
      [0.5, 0.99].map((share) => ({ what: `pick-up, p${share * 100}: ${name} over afterglow`, ratio: at(name, share) / at(OURS, share), ...(GOAL_OVER.includes(name) && share === 0.5 && { goal: { atLeast: GOAL } }) })),
    ),
    limits: [
      ...misses,
      'BullMQ answers when the item is in Redis’s memory; the others when it is on the disk.',
    ],
  };
}
