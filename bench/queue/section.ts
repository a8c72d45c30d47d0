import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { alternate, medianOf, ratioOf, type Rounds, type Side } from '../alternate.ts';
import { addTransients, storeGraph } from '../graph.ts';
import { oneTask } from '../one-task.ts';
import { availablePeers, describePeers } from '../peers/peers.ts';
import { OURS } from '../pipeline/describe.ts';
import { runEngine } from '../pipeline/engine-run.ts';
import type { Run } from '../pipeline/measured.ts';
import { runPeer } from '../pipeline/peer-run.ts';
import type { Bench, Section } from '../section.ts';
import type { BenchServer } from '../server.ts';
import type { Cell } from '../table.ts';

const GOAL = 2;
/** The two that the goal is about; graphile-worker is measured too. */
const GOAL_OVER = ['pg-boss', 'BullMQ on Redis'];

/** How many items a plain queue takes through empty handlers, with all of them there at the start. */
export async function queueSection({ server, redis, quick, progress }: Bench): Promise<Section> {
  const items = quick ? 200 : 20_000;
  const concurrency = quick ? 8 : 64;
  const template = await makeTemplate(server, items);
  try {
    const peers = availablePeers(redis !== undefined);
    const sides: Side<Run>[] = [
      { name: OURS, ours: true, run: () => runEngine(server, template, { graph: oneTask(), transients: items, concurrency }) },
      ...peers.map((peer) => ({ name: peer.name, ours: false, run: () => runPeer(peer, server, redis, { graph: undefined, objects: items, concurrency, sleepMs: 0 }) })),
    ];
    if (!quick) await alternate(sides, 1, (_round, name) => progress(`queue: warming up: ${name}`));
    const runs = await alternate(sides, quick ? 1 : 5, (round, name, { seconds }) => progress(`queue: round ${round}: ${name}: ${Math.round(items / seconds)} items/s`));
    return describe(runs, items, concurrency, describePeers(redis));
  } finally {
    await server.drop(template);
  }
}

async function makeTemplate(server: BenchServer, items: number): Promise<DatabaseAddress> {
  const database = await openDatabase(await server.create());
  await storeGraph(database.em(), oneTask());
  await addTransients(database.em(), items);
  await database.em().execute('vacuum analyze');
  await database.close();
  return database.address;
}

function describe(runs: Rounds<Run>, items: number, concurrency: number, peers: string): Section {
  const speed = ({ seconds }: Run) => 1 / seconds;
  const row = (name: string): Cell[] => {
    const rates = runs.of(name).flatMap((run) => (run === undefined ? [] : [Math.round(items / run.seconds)]));
    if (rates.length === 0) return [name, 'void', '', '', '', ''];
    const perThousand = (figure: (run: Run) => number | undefined): Cell => {
      const value = medianOf(runs, name, figure);
      return value === undefined ? 'not known' : (value / items) * 1000;
    };
    return [
      name, medianOf(runs, name, ({ seconds }) => Math.round(items / seconds))!, `${Math.min(...rates).toLocaleString('en-US')} to ${Math.max(...rates).toLocaleString('en-US')}`,
      perThousand((run) => run.cpuSeconds), perThousand((run) => run.databaseCpuSeconds), Math.round(medianOf(runs, name, ({ walBytes }) => walBytes / items)!),
    ];
  };
  const others = runs.names.filter((name) => name !== OURS).map((name) => ({ name, ratio: ratioOf(runs, OURS, name, speed) }));
  return {
    title: 'A plain queue',
    method: [
      `${items.toLocaleString('en-US')} items that are all there at the start, empty handlers, concurrency ${concurrency}; for us: as many objects with one task without prerequisites. The clock runs from the start of the workers until the last end is recorded, durably by us, by pg-boss and by ` +
        `graphile-worker, within a second by Redis. Runs alternate, medians of ${runs.of(OURS).length}, the delivery of each is checked. Nobody keeps a status table here but us, with an attempt’s row and two transitions for every item. The others are set up as they are for the pipeline:`,
      peers,
    ],
    tables: [
      { title: `${items.toLocaleString('en-US')} items`, head: ['', 'items/s', 'range', 'CPU s of Node per 1,000', 'CPU s of the database per 1,000', 'WAL bytes an item'], rows: runs.names.map(row) },
    ],
    ratios: others.flatMap(({ name, ratio }) =>
      ratio === undefined ? [] : [{ what: `plain queue, items/s: afterglow over ${name}`, ratio, ...(GOAL_OVER.includes(name) && { goal: { atLeast: GOAL } }) }],
    ),
    limits: [
      ...others.flatMap(({ name, ratio }) => {
        if (ratio !== undefined && ratio < 1) return [`**We lose** against ${name}: ${ratio.toFixed(2)} times its items a second.`];
        return ratio !== undefined && ratio < GOAL && GOAL_OVER.includes(name) ? [`**We miss the goal** of ${GOAL} times ${name}: it is ${ratio.toFixed(2)} times its items a second.`] : [];
      }),
      'A queue is not what we are for: we write what each object went through, the others forget an item that is done, or keep one row of it.',
      ...runs.voids.map((text) => `Void: ${text}`),
    ],
  };
}
