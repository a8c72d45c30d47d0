import { systemClock } from '../../src/clock.ts';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { BullEngine } from '../../src/bullmq/engine.ts';
import { queuePrefix } from '../../src/bullmq/queues.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import type { Engine } from '../../src/engine/port.ts';
import { createLog } from '../../src/log.ts';
import { readGraph, type Graph } from '../graph.ts';
import type { RedisServer } from '../peers/redis-server.ts';
import type { BenchServer } from '../server.ts';
import { DeliveryError } from './delivery-error.ts';
import { assertDelivered } from './delivery.ts';
import { commitsOf, commitsSettled, measured, type Run } from './measured.ts';

/** Runs of the engine that are the same but for what they say here. */
export interface EngineRun {
  graph: Graph;
  transients: number;
  /** Attempts at once. */
  concurrency: number;
  /** Has BullMQ carry the entries, over a Redis that nobody else uses; without it the register alone. */
  redis?: RedisServer | undefined;
}

/** A run that hears nothing for so long has lost something. */
const SILENCE_SECONDS = 60;

/**
 * Takes all transients of a copy of `template` through their tasks, with the engine as a daemon uses it: one process, woken by the
 * database's notifications. The clock runs from the first wake until the last end is written.
 *
 * @throws {DeliveryError} something was lost, done twice or left open
 */
export async function runEngine(server: BenchServer, template: DatabaseAddress, { graph, transients, concurrency, redis }: EngineRun): Promise<Run> {
  // A page that was copied after the checkpoint is in the log already: no run pays for pages that another one did not touch.
  await server.checkpoint();
  const address = await server.create(template);
  const expected = transients * graph.tasks.length;
  try {
    const database = await openDatabase(address, {}, concurrency + 8);
    const log = createLog('silent');
    const { machine, statusIds, tasks } = await readGraph(database.em(), graph);
    const options: EngineOptions = {
      fork: () => database.em(), hot: database.hot, tasks, machine, statusIds, daemonId: 1, actor: 'bench', concurrency, leaseSeconds: 30,
      folders: { data: server.folder, products: server.folder }, clock: systemClock, log,
    };
    const engine = redis === undefined ? new LocalEngine(options) : new BullEngine(options, { redisUrl: `unix:${redis.socket}`, prefix: await queuePrefix(database.hot.run) });
    const listener = await database.connect('afterglow listener');
    listener.on('error', () => {});
    listener.on('notification', ({ payload }) => void engine.wake(Number(payload)));
    await listener.query('listen afterglow_ready');
    const before = await commitsOf(server.admin, address);
    const usage = await measured(server, () => untilEnded(engine, expected));
    await listener.end();
    await engine.stop(0);
    await database.close();
    const transactions = (await commitsSettled(server, address)) - before;
    const check = await openDatabase(address);
    try {
      await assertDelivered(check.em(), { transients, tasks: graph.tasks.length });
    } finally {
      await check.close();
    }
    return { ...usage, transactions };
  } finally {
    await server.drop(address);
  }
}

/** Wakes an engine and waits for so many ends. @throws {DeliveryError} nothing happens any more */
export async function untilEnded(engine: Engine, expected: number): Promise<void> {
  let silence: NodeJS.Timeout | undefined;
  let seen = -1;
  try {
    await new Promise<void>((resolve, reject) => {
      engine.onQuiet(() => {
        if (engine.ended >= expected) resolve();
      });
      silence = setInterval(() => {
        if (engine.ended === seen) reject(new DeliveryError([`${seen} of ${expected} entries ended, and then nothing happened for ${SILENCE_SECONDS} s`]));
        seen = engine.ended;
      }, SILENCE_SECONDS * 1000);
      void engine.wake();
    });
  } finally {
    clearInterval(silence);
  }
}
