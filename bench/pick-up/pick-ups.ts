import { fork } from 'node:child_process';
import path from 'node:path';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { availablePeers } from '../peers/peers.ts';
import { DeliveryError } from '../pipeline/delivery-error.ts';
import type { Bench } from '../section.ts';
import { quantile } from '../statistics.ts';
import type { Cell } from '../table.ts';
import { nowMs, type Added, type Orders } from './producer.ts';

/** Items at once, at most. */
export const CONCURRENCY = 16;
/** Items of each system that are not counted. */
const WARM_UPS = 5;
/** An item that has not begun by then is lost. */
const WAIT_MS = 60_000;

/** A system that waits for items. */
export interface Waiting {
  name: string;
  /** What is added to it; a peer says that itself. */
  adds: Orders['systems'][number]['adds'];
  address: DatabaseAddress;
  stop(): Promise<void>;
}

/** How long items waited, per system. */
export interface PickUps {
  names: readonly string[];
  samples: number;
  everyMs: number;
  /** Milliseconds from the sending of an item until its handler began, a quantile of them. */
  at(name: string, share: number): number;
  /** A row for each system: p50, p95, p99, longest, and p50 from when it was added. */
  rows(): Cell[][];
}

/**
 * Adds items from another process to systems that have nothing to do, ours and the peers in turn, and measures when each begins.
 *
 * @param waitOurselves makes our own system wait; it tells `starts` of each item that begins
 * @throws {DeliveryError} an item was lost or began twice
 */
export async function pickUps({ server, redis, quick, signal, progress }: Bench, part: string, waitOurselves: (starts: Starts) => Promise<Waiting>): Promise<PickUps> {
  const samples = quick ? 5 : 400;
  const everyMs = quick ? 100 : 250;
  const starts = new Starts();
  const waiting: Waiting[] = [];
  try {
    waiting.push(await waitOurselves(starts));
    for (const peer of availablePeers(redis !== undefined)) {
      const address = await server.create();
      const open = await peer.open({ address, redisSocket: redis?.socket }, CONCURRENCY);
      waiting.push({ name: peer.name, adds: 'item', address, stop: () => open.close() });
      await open.work(({ subject }) => starts.begun(peer.name, subject));
    }
    progress(`${part}: ${samples} items for each of ${waiting.length} systems, one every ${everyMs} ms`);
    const systems = waiting.map(({ name, adds, address }) => ({ name, adds, address }));
    const added = await produce({ systems, redisSocket: redis?.socket, items: samples + WARM_UPS, everyMs }, signal);
    await starts.untilAll(added.length);
    return measured(waiting.map(({ name }) => name), added.filter(({ item }) => item > WARM_UPS), starts, { samples, everyMs });
  } finally {
    for (const { address, stop } of waiting) {
      await stop();
      await server.drop(address);
    }
  }
}

function measured(names: readonly string[], added: readonly Added[], starts: Starts, { samples, everyMs }: { samples: number; everyMs: number }): PickUps {
  const latencies = (name: string, from: (one: Added) => number) => added.filter((one) => one.name === name).map((one) => starts.of(name, one.item) - from(one));
  return {
    names, samples, everyMs,
    at: (name, share) => quantile(latencies(name, ({ sentMs }) => sentMs), share),
    rows: () =>
      names.map((name) => {
        const values = latencies(name, ({ sentMs }) => sentMs);
        return [name, ...[0.5, 0.95, 0.99].map((share) => quantile(values, share)), Math.max(...values), Math.max(0, quantile(latencies(name, ({ addedMs }) => addedMs), 0.5))];
      }),
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
export class Starts {
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
