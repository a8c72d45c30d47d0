import pg from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { jobsOf } from '../../src/jobs/open.ts';
import { BenchJob } from '../jobs/job.ts';
import { availablePeers } from '../peers/peers.ts';
import { clientConfig } from '../server.ts';

/** What the process that adds items is told. */
export interface Orders {
  /** The systems in their order, with their databases, and what is added to each: an object or a job of ours, an item of a peer. */
  systems: readonly { name: string; adds: 'object' | 'job' | 'item'; address: DatabaseAddress }[];
  /** Undefined where the machine has none. */
  redisSocket: string | undefined;
  items: number;
  /** Between two items of one system; the others get theirs in between. */
  everyMs: number;
}

/** What it says of each item; times on the machine's monotonic clock, in milliseconds, the same in every process. */
export interface Added {
  name: string;
  item: number;
  sentMs: number;
  addedMs: number;
}

/** The machine's monotonic clock, which processes share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** What an object of ours is called: `object 12`. */
export const OBJECT = 'object ';

const ADD_OURS = `
with added as (insert into subject (kind, name, public_timestamp) values ('transient', $1, now()) returning id)
insert into transient (subject_id, ra_deg, dec_deg) select id, 10, 10 from added`;

if (import.meta.main) process.once('message', (orders: Orders) => void produce(orders));

async function produce({ systems, redisSocket, items, everyMs }: Orders): Promise<void> {
  const adders = await Promise.all(systems.map(async (system) => ({ name: system.name, ...(await adder(system, redisSocket)) })));
  const started = nowMs();
  for (let item = 1; item <= items; item += 1) {
    for (const [turn, { name, add }] of adders.entries()) {
      await delay(Math.max(0, started + (item + turn / adders.length) * everyMs - nowMs()));
      const sentMs = nowMs();
      await add(item);
      process.send!({ name, item, sentMs, addedMs: nowMs() } satisfies Added);
    }
  }
  for (const { close } of adders) await close();
  process.disconnect();
}

interface Adder {
  add(item: number): Promise<void>;
  close(): Promise<void>;
}

async function adder({ name, adds, address }: Orders['systems'][number], redisSocket: string | undefined): Promise<Adder> {
  if (adds === 'job') {
    const jobs = jobsOf(address, { by: 'bench' });
    const type = new BenchJob();
    return { add: async (item) => void (await jobs.enqueue(type, { item })), close: () => jobs.close() };
  }
  const peer = availablePeers(redisSocket !== undefined).find((one) => one.name === name);
  if (peer !== undefined) {
    const open = await peer.open({ address, redisSocket }, 1);
    return { add: (item) => open.add([{ subject: item, task: 1 }]), close: () => open.close() };
  }
  const client = new pg.Client(clientConfig(address));
  await client.connect();
  return { add: async (item) => void (await client.query({ name: 'add', text: ADD_OURS, values: [`${OBJECT}${item}`] })), close: () => client.end() };
}
