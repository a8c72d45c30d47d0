import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { endless, startDaemonProcess, type DaemonOrders } from '../daemon-process.ts';
import { addTransients, storeGraph } from '../graph.ts';
import { DeliveryError } from '../pipeline/delivery-error.ts';
import type { Bench, Section } from '../section.ts';
import { withClient, type BenchServer } from '../server.ts';
import { quantile } from '../statistics.ts';

const GOAL_SECONDS = 30;
/** Entries that the killed daemon is at work on. */
const ENTRIES = 64;
const WITHIN_MS = 90_000;

/** Seconds from the kill to each entry's next start. */
interface Round {
  seconds: readonly number[];
}

/** How long entries of a killed daemon wait until a survivor starts them again. */
export async function rescueSection(bench: Bench): Promise<Section> {
  const { quick, progress } = bench;
  const pairs = quick ? 1 : 8;
  const settings = quick ? { leaseSeconds: 6, careSeconds: 0.5 } : { leaseSeconds: 20 };
  progress(`rescue: ${pairs} pairs of daemons on one machine, ${pairs} as if on two`);
  const rounds = Array.from({ length: pairs }, (_, at) => at);
  // Pairs wait most of the time, so all of them wait at once; they begin and are killed one after the other.
  const [here, elsewhere] = await Promise.all([
    Promise.all(rounds.map((at) => killOne(bench, settings, { sameMachine: true, afterMs: at * 1_700 }))),
    Promise.all(rounds.map((at) => killOne(bench, settings, { sameMachine: false, afterMs: at * 1_700 + 850 }))),
  ]);
  const all = (found: readonly Round[]) => found.flatMap(({ seconds }) => seconds);
  const row = (name: string, found: readonly Round[]) => [name, ...[0.5, 0.99].map((share) => quantile(all(found), share)), Math.max(...all(found))];
  return {
    title: 'Rescue of a killed daemon’s entries',
    method: [
      `A daemon at work on ${ENTRIES} entries is killed with SIGKILL while another one on the same database has nothing to do; ${pairs} times each, at various moments of their rhythms, ` +
        `with the default lease of ${settings.leaseSeconds} s. The clock runs from the kill until the attempt’s row of the next start. On one machine the survivor sees in /proc that the process is gone; for the second row the daemon’s row says that it is another machine’s, ` +
        'so that its lease has to run out. Every entry is started again exactly once.',
    ],
    tables: [{ title: 'Seconds from the kill to the next start', head: ['', 'p50', 'p99', 'longest'], rows: [row('on the same machine', here), row('as if on another machine', elsewhere)] }],
    ratios: [],
    figures: [
      { what: 'rescue on the same machine, p99, s', figure: quantile(all(here), 0.99), goal: { atMost: GOAL_SECONDS } },
      { what: 'rescue from another machine, p99, s', figure: quantile(all(elsewhere), 0.99), goal: { atMost: GOAL_SECONDS } },
    ],
    limits: [
      ...[here, elsewhere].flatMap((found) => (quantile(all(found), 0.99) > GOAL_SECONDS ? [`**We miss the goal** of ${GOAL_SECONDS} s at p99: it is ${quantile(all(found), 0.99).toFixed(1)} s.`] : [])),
      'By their documentation, with default settings: BullMQ about 30 s, pg-boss 15 min (10 s with a heartbeat, and up to 60 s until its next look), graphile-worker 4 h. We did not measure these.',
    ],
  };
}

async function killOne({ server, signal }: Bench, settings: Pick<DaemonOrders, 'leaseSeconds' | 'careSeconds'>, { sameMachine, afterMs }: { sameMachine: boolean; afterMs: number }): Promise<Round> {
  const address = await makeRegister(server);
  const orders: DaemonOrders = { ...settings, address, graph: 'endless', folder: server.folder, concurrency: ENTRIES };
  try {
    await delay(afterMs);
    const victim = await startDaemonProcess(orders, signal);
    await untilCount(address, 'select count(*) from task_register where lease_owner = $1', victim.daemonId, ENTRIES);
    const survivor = await startDaemonProcess(orders, signal);
    try {
      if (!sameMachine) await withClient(address, (client) => client.query(`update daemon set machine = 'another' where id = $1`, [victim.daemonId]));
      // Somewhere in the rhythm of heartbeats and looks, another place in each round.
      await delay(500 + (afterMs % 4_000));
      const killedAt = Date.now();
      await victim.kill();
      await untilCount(address, 'select count(*) from task_register where lease_owner = $1', survivor.daemonId, ENTRIES);
      return { seconds: await secondsUntilStart(address, survivor.daemonId, killedAt) };
    } finally {
      await survivor.stop();
    }
  } finally {
    await server.drop(address);
  }
}

async function makeRegister(server: BenchServer): Promise<DatabaseAddress> {
  const database = await openDatabase(await server.create());
  const graph = endless();
  await storeGraph(database.em(), graph);
  await addTransients(database.em(), ENTRIES);
  await syncSchedules(database.em(), graph.runners, systemClock);
  await database.close();
  return database.address;
}

async function untilCount(address: DatabaseAddress, query: string, daemonId: number, count: number): Promise<void> {
  const giveUpAt = performance.now() + WITHIN_MS;
  await withClient(address, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ count: string }>(query, [daemonId]);
      if (Number(rows[0]!.count) === count) return;
      if (performance.now() > giveUpAt) throw new DeliveryError([`${rows[0]!.count} of ${count} entries are held by daemon ${daemonId} after ${WITHIN_MS / 1000} s`]);
      await delay(100);
    }
  });
}

/** @throws {DeliveryError} entries were not started again exactly once */
async function secondsUntilStart(address: DatabaseAddress, daemonId: number, killedAt: number): Promise<number[]> {
  return withClient(address, async (client) => {
    const { rows } = await client.query<{ attempt: number; daemon_id: number; started: string; outcome: string }>(
      `select attempt, daemon_id, extract(epoch from started_at) as started, outcome from attempt order by attempt`,
    );
    const again = rows.filter(({ attempt }) => attempt === 2);
    const rescued = rows.filter(({ attempt, outcome }) => attempt === 1 && outcome === 'rescued');
    if (rows.length !== 2 * ENTRIES || again.length !== ENTRIES || rescued.length !== ENTRIES || again.some((row) => row.daemon_id !== daemonId)) {
      throw new DeliveryError([`${again.length} second attempts and ${rescued.length} rescued first ones in ${rows.length} attempts, expected ${ENTRIES} of each`]);
    }
    return again.map(({ started }) => Number(started) - killedAt / 1000);
  });
}
