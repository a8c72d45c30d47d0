import { oneTask } from '../one-task.ts';
import { describePeers } from '../peers/peers.ts';
import { OURS } from '../pipeline/describe.ts';
import type { Bench, Section } from '../section.ts';
import { pickUps, type PickUps } from './pick-ups.ts';
import { OBJECT } from './producer.ts';
import { waitOurselves } from './wait-ourselves.ts';

const GOAL = 2;
const GOAL_OVER = ['pg-boss', 'BullMQ on Redis'];

/** How long an item waits on an idle system until its handler begins. */
export async function pickUpSection(bench: Bench): Promise<Section> {
  const measured = await pickUps(bench, 'pickup', (starts) => {
    const graph = oneTask(({ name }) => starts.begun(OURS, Number(name.slice(OBJECT.length))));
    return waitOurselves(bench.server, graph, 'object');
  });
  return describe(measured, describePeers(bench.redis));
}

function describe({ names, at, rows, samples, everyMs }: PickUps, peers: string): Section {
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
    tables: [{ title: 'Milliseconds until the handler begins', head: ['', 'p50', 'p95', 'p99', 'longest', 'p50 after it was added'], rows: rows() }],
    ratios: others.flatMap((name) =>
      [0.5, 0.99].map((share) => ({ what: `pick-up, p${share * 100}: ${name} over afterglow`, ratio: at(name, share) / at(OURS, share), ...(GOAL_OVER.includes(name) && share === 0.5 && { goal: { atLeast: GOAL } }) })),
    ),
    limits: [
      ...misses,
      'BullMQ answers when the item is in Redis’s memory; the others when it is on the disk.',
    ],
  };
}
