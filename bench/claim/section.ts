import type { Bench, Section } from '../section.ts';
import { advanceOnce, claimForGood, claimOnce, explainClaim } from './measure.ts';
import { assertPossible, FEW, loadRegister, MANY, taskCount, type Register } from './register.ts';
import { timeRounds, type Scenario, type Timing } from './rounds.ts';

/** Entries that a measured claim asks for. */
const CLAIMED = 10;
const GOAL = 2;
/** Registers from here on are in the ratios, whichever sizes are measured. */
const LARGE = 1_000_000;

const claims: readonly Scenario[] = ['few, blocked', 'none, after few', 'few, drained', 'many', 'none'].map((name) => ({
  name, task: name, expected: name.startsWith('none') ? 0 : CLAIMED, run: (register) => claimOnce(register, name, CLAIMED),
}));
const claimsForGood: Scenario = { name: 'many, moving on', task: 'many', expected: CLAIMED, run: (register) => claimForGood(register, 'many', CLAIMED) };
const advanceOf = (task: string, entries: number, fanOut: string): Scenario => ({
  name: `${entries} × fan-out ${fanOut}`, task, expected: entries, run: (register: Register) => advanceOnce(register, task, entries),
});
const advances: readonly Scenario[] = [
  advanceOf('few, blocked', 10, '1, one of few'),
  ...[1, 10, 100].flatMap((entries) => ['0', '1', '2'].map((fanOut) => advanceOf(`fan-out ${fanOut}`, entries, fanOut))),
];

/** Claims and advances at growing sizes of the register. */
export async function claimSection({ server, transients, quick, progress }: Bench): Promise<Section> {
  const sizes = transients.toSorted((a, b) => a - b);
  await assertPossible(server, sizes);
  const registers: Register[] = [];
  try {
    for (const size of sizes) {
      progress(`claim: loading ${size.toLocaleString('en-US')} transients × ${taskCount(size)} tasks`);
      const register = await loadRegister(server, size);
      registers.push(register);
      progress(`claim: loaded in ${register.loadSeconds.toFixed(0)} s`);
    }
    progress('claim: claims');
    const often = quick ? { rounds: 1, samples: 10 } : { rounds: 5, samples: 60 };
    const claimTimings = await timeRounds(registers, claims, often);
    const buffers = await buffersOf(registers);
    progress('claim: advances');
    const advanceTimings = await timeRounds(registers, advances, quick ? { rounds: 1, samples: 3 } : { rounds: 5, samples: 20 });
    progress('claim: claims that move on');
    // 5 to warm up and the rest stay below the 3,000 entries that are eligible at 10,000 transients.
    const movingTimings = await timeRounds(registers, [claimsForGood], quick ? { rounds: 1, samples: 5 } : { rounds: 5, samples: 50 });
    return describe(registers, [...claimTimings, ...movingTimings], advanceTimings, buffers);
  } finally {
    for (const { database } of registers) {
      await database.close();
      await server.drop(database.address);
    }
  }
}

async function buffersOf(registers: readonly Register[]): Promise<Map<string, { whole: number; choosing: number }>> {
  const found = new Map<string, { whole: number; choosing: number }>();
  for (const register of registers) {
    for (const { name, task } of claims) {
      if (!register.graph.tasks.some((one) => one.name === task)) continue;
      const { buffers, choosingBuffers } = await explainClaim(register, name, CLAIMED);
      found.set(`${name}/${register.transients}`, { whole: buffers, choosing: choosingBuffers });
    }
  }
  return found;
}

function describe(registers: readonly Register[], claimTimings: readonly Timing[], advanceTimings: readonly Timing[], buffers: Map<string, { whole: number; choosing: number }>): Section {
  const smallest = registers[0]!.transients;
  const size = (count: number) => count.toLocaleString('en-US');
  const ratioHead = `p50 over that of ${size(smallest)}`;
  const grown = (timings: readonly Timing[]) => timings.filter(({ transients }) => transients !== smallest);
  const over = ({ transients }: Timing) => `${size(transients)} over ${size(smallest)} transients`;
  return {
    title: 'Claims and advances as the register grows',
    method: [
      `Registers of ${registers.map(({ transients }) => `${size(transients)} transients × ${taskCount(transients)} tasks`).join(', ')}, generated inside the database, lie side by side in one server; samples alternate between them, so that ` +
        'whatever else the machine does meets all sizes alike. A measured claim asks for 10 entries of a task that needs two others (“few, drained”: one). ' +
        `*Few*: ${FEW} entries are eligible, among as many waiting ones as there are transients (blocked) or with all others done (drained); *none, after few*: all wait for these; *many*: ${MANY * 100} % are; *none*: all wait and none is.`,
      'The clock covers the whole statement as the engine sends it: choosing, locking, the status, the attempt’s row, the trigger with its log of transitions, reading the objects. ' +
        'Each is rolled back outside the clock, so that every sample sees the same register; the commit, which costs the same at every size, would only hide growth. ' +
        '*Moving on* is the opposite: every claim is committed within the clock and takes the next 10 entries, from pages that were not touched before. ' +
        'Figures are medians over the rounds of each round’s p50 and p95. Buffers are pages of 8 KiB in EXPLAIN (ANALYZE, BUFFERS), without those of the trigger; “choosing” is the part that finds and locks the entries.',
      'An advance writes how 1, 10 or 100 claimed entries ended, in one statement; *fan-out* is how many tasks wait for this one, whose counters the trigger lowers. Rolled back likewise.',
    ],
    tables: [
      {
        title: 'One claim of 10 entries, milliseconds',
        head: ['eligible', 'transients', 'p50', 'p95', ratioHead, 'buffers', 'of these choosing'],
        rows: claimTimings.map(({ scenario, transients, p50, p95, ratio }) => {
          const pages = buffers.get(`${scenario}/${transients}`);
          return [scenario, size(transients), p50, p95, ratio, pages?.whole ?? '', pages?.choosing ?? ''];
        }),
      },
      {
        title: 'One advance, milliseconds',
        head: ['entries × tasks that wait', 'transients', 'p50', 'p95', ratioHead, 'p50 an entry'],
        rows: advanceTimings.map(({ scenario, transients, p50, p95, ratio }) => [scenario, size(transients), p50, p95, ratio, p50 / Number.parseInt(scenario, 10)]),
      },
      {
        title: 'The registers',
        head: ['transients', 'entries', 'loaded in s', 'claim’s index MB', 'register with indexes MB'],
        rows: registers.map(({ transients, loadSeconds, readyIndexBytes, registerBytes }) => [
          size(transients), transients * taskCount(transients), loadSeconds, readyIndexBytes / 1e6, registerBytes / 1e6,
        ]),
      },
    ],
    ratios: [
      ...grown(claimTimings).filter(({ transients }) => transients >= LARGE || registers.length === 2)
        .map((timing) => ({ what: `claim of 10, ${timing.scenario}: ${over(timing)}`, ratio: timing.ratio, goal: { atMost: GOAL } })),
      ...grown(advanceTimings).filter(({ transients, scenario }) => (transients >= LARGE || registers.length === 2) && /[2w]$/.test(scenario))
        .map((timing) => ({ what: `advance, ${timing.scenario}: ${over(timing)}`, ratio: timing.ratio })),
    ],
    limits: [
      'The registers fit into the machine’s memory, though not into PostgreSQL’s own buffers. On a disk without that, a claim at the largest size reads its objects’ rows from the disk.',
      'Nobody else works on the register while claims are measured. A transaction that somebody leaves open for hours makes claims slower, as entries that are done cannot leave the index.',
    ],
  };
}
