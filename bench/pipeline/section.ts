import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { alternate, medianOf, type Rounds, type Side } from '../alternate.ts';
import * as blast17 from '../blast17.ts';
import { addTransients, storeGraph, type Graph } from '../graph.ts';
import { availablePeers } from '../peers/peers.ts';
import type { Bench, Section } from '../section.ts';
import type { BenchServer } from '../server.ts';
import { CEILING, describe, OURS, OURS_ON_BULLMQ } from './describe.ts';
import { runCeiling } from './ceiling-run.ts';
import { runEngine } from './engine-run.ts';
import type { Run } from './measured.ts';
import { runPeer } from './peer-run.ts';

/** Milliseconds that a runner of the second table sleeps. */
const SLEEP_MS = 10;
/** Connections that the ceiling is tried with; the best is taken. */
const CONNECTIONS = [1, 2, 4, 8];

/** The seventeen tasks of Blast through the engine, against what the same database can do at most and against others. */
export async function pipelineSection({ server, redis, quick, objects: asked, progress }: Bench): Promise<Section> {
  const objects = asked ?? (quick ? 10 : 10_000);
  // Sleeping takes its time, and BullMQ below our register is slow enough to be told apart by fewer. All objects sleep for us and the best of the others.
  const fewer = Math.min(objects, 2_000);
  // A connection for each of 64 takes longer to make than a small run does.
  const concurrency = quick ? 8 : 64;
  const tasks = blast17.tasks.length;
  const templates = new Templates(server);
  const peers = availablePeers(redis !== undefined);
  const own = (name: string, count: number, sleepMs: number, carrier?: Bench['redis']): Side<Run> => ({
    name, ours: true,
    run: async () => runEngine(server, await templates.of(count), { graph: sleepMs === 0 ? blast17 : sleepers(), transients: count, concurrency, redis: carrier }),
  });
  const sidesOf = (count: number, sleepMs: number): Side<Run>[] => [
    own(OURS, count, sleepMs),
    ...peers.map((peer) => ({ name: peer.name, ours: false, run: () => runPeer(peer, server, redis, { graph: blast17, objects: count, concurrency, sleepMs }) })),
  ];
  const enginesOf = (sleepMs: number): Side<Run>[] => [own(OURS, fewer, sleepMs), own(OURS_ON_BULLMQ, fewer, sleepMs, redis)];
  const said = (what: string, count: number) => (round: number, name: string, { seconds }: Run) =>
    progress(`pipeline: ${what}, round ${round}: ${name}: ${Math.round((count * tasks) / seconds)} entries/s`);
  try {
    const connections = await bestConnections(server, objects * tasks, quick ? [2, 4] : CONNECTIONS, progress);
    const ceiling: Side<Run> = { name: CEILING, ours: true, run: () => runCeiling(server, objects * tasks, connections) };
    if (!quick) await alternate(sidesOf(200, 0), 1, (_round, name) => progress(`pipeline: warming up: ${name}`));
    const rounds = quick ? 1 : 5;
    const empty = await alternate([...sidesOf(objects, 0), ceiling], rounds, said('empty runners', objects));
    const best = bestPeer(empty, peers.map(({ name }) => name));
    const sleeping = {
      objects: fewer,
      rounds: await alternate(sidesOf(fewer, SLEEP_MS), rounds, said(`runners of ${SLEEP_MS} ms`, fewer)),
      whole: await alternate(sidesOf(objects, SLEEP_MS).filter(({ name }) => name === OURS || name === best), rounds, said(`runners of ${SLEEP_MS} ms, all objects`, objects)),
    };
    const engines = redis === undefined ? undefined : {
      objects: fewer,
      empty: await alternate(enginesOf(0), rounds, said('engines, empty runners', fewer)),
      sleeping: await alternate(enginesOf(SLEEP_MS), rounds, said(`engines, runners of ${SLEEP_MS} ms`, fewer)),
    };
    return describe({ objects, tasks, concurrency, sleepMs: SLEEP_MS, connections, triedConnections: CONNECTIONS, empty, sleeping, best, engines, redis });
  } finally {
    await templates.drop();
  }
}

function bestPeer(rounds: Rounds<Run>, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, seconds: medianOf(rounds, name, ({ seconds }) => seconds) ?? Infinity })).toSorted((a, b) => a.seconds - b.seconds);
  return ranked[0]?.name;
}

/** Databases with so many objects and nothing done, one for each size, which runs copy. */
class Templates {
  readonly #server: BenchServer;
  readonly #made = new Map<number, Promise<DatabaseAddress>>();

  constructor(server: BenchServer) {
    this.#server = server;
  }

  of(objects: number): Promise<DatabaseAddress> {
    let made = this.#made.get(objects);
    if (made === undefined) this.#made.set(objects, (made = this.#make(objects)));
    return made;
  }

  async drop(): Promise<void> {
    for (const made of this.#made.values()) await this.#server.drop(await made);
  }

  async #make(objects: number): Promise<DatabaseAddress> {
    const database = await openDatabase(await this.#server.create());
    await storeGraph(database.em(), blast17);
    await addTransients(database.em(), objects);
    await database.em().execute('vacuum analyze');
    await database.close();
    return database.address;
  }
}

/** The ceiling has as many connections as are best for it here. */
async function bestConnections(server: BenchServer, rows: number, choices: readonly number[], progress: (line: string) => void): Promise<number> {
  const tried: { connections: number; seconds: number }[] = [];
  for (const connections of choices) {
    const { seconds } = await runCeiling(server, rows, connections);
    tried.push({ connections, seconds });
    progress(`pipeline: ceiling with ${connections} connections: ${Math.round(rows / seconds)} entries/s`);
  }
  return tried.toSorted((a, b) => a.seconds - b.seconds)[0]!.connections;
}

function sleepers(): Graph {
  const runProcess = async () => {
    await delay(SLEEP_MS);
    return 'processed';
  };
  return { ...blast17, runners: blast17.emptyRunners().map((runner) => Object.assign(runner, { runProcess })) };
}
