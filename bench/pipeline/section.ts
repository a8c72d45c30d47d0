import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import * as blast17 from '../blast17.ts';
import { addTransients, storeGraph, type Graph } from '../graph.ts';
import type { Bench, Section } from '../section.ts';
import type { BenchServer } from '../server.ts';
import { median } from '../statistics.ts';
import type { Cell } from '../table.ts';
import { runCeiling } from './ceiling-run.ts';
import { runEngine } from './engine-run.ts';
import type { Usage } from './measured.ts';

const CONCURRENCY = 64;
/** Milliseconds that a runner of the second table sleeps. */
const SLEEP_MS = 10;
const CONNECTIONS = [1, 2, 4, 8];

type Run = Usage & { statements: number };

/** The seventeen tasks of Blast through the engine, against what the same database can do at most. */
export async function pipelineSection({ server, quick, progress }: Bench): Promise<Section> {
  const transients = quick ? 40 : 2_000;
  const rounds = quick ? 3 : 5;
  const entries = transients * blast17.tasks.length;
  const template = await makeTemplate(server, blast17, transients);
  try {
    const connections = await bestConnections(server, entries, quick ? [2, 4] : CONNECTIONS, progress);
    const ceilings: Run[] = [];
    const engines: Run[] = [];
    const runs = [
      async () => void ceilings.push(await runCeiling(server, entries, connections)),
      async () => void engines.push(await runEngine(server, template, { graph: blast17, transients, concurrency: CONCURRENCY })),
    ];
    progress('pipeline: warming up');
    await runEngine(server, template, { graph: blast17, transients, concurrency: CONCURRENCY });
    for (let round = 0; round < rounds; round += 1) {
      for (const run of round % 2 === 0 ? runs : runs.toReversed()) await run();
      progress(`pipeline: round ${round + 1}: ${rate(entries, engines.at(-1)!)} entries/s, the ceiling ${rate(entries, ceilings.at(-1)!)}`);
    }
    const sleeping: Run[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      sleeping.push(await runEngine(server, template, { graph: sleepers(), transients, concurrency: CONCURRENCY }));
      progress(`pipeline: runners of ${SLEEP_MS} ms: ${sleeping.at(-1)!.seconds.toFixed(2)} s`);
    }
    return describe({ transients, entries, rounds, connections, ceilings, engines, sleeping });
  } finally {
    await server.drop(template);
  }
}

async function makeTemplate(server: BenchServer, graph: Graph, transients: number): Promise<DatabaseAddress> {
  const database = await openDatabase(await server.create());
  await storeGraph(database.em(), graph);
  await addTransients(database.em(), transients);
  await database.em().execute('vacuum analyze');
  await database.close();
  return database.address;
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

const rate = (entries: number, { seconds }: Run) => Math.round(entries / seconds);

interface Measured {
  transients: number;
  entries: number;
  rounds: number;
  connections: number;
  ceilings: readonly Run[];
  engines: readonly Run[];
  sleeping: readonly Run[];
}

function describe({ transients, entries, rounds, connections, ceilings, engines, sleeping }: Measured): Section {
  const tasks = entries / transients;
  const ideal = (entries * SLEEP_MS) / 1000 / CONCURRENCY;
  const overCeiling = median(engines.map((run, round) => ceilings[round]!.seconds / run.seconds));
  const overIdeal = median(sleeping.map(({ seconds }) => seconds / ideal));
  const row = (name: string, runs: readonly Run[]): Cell[] => {
    const rates = runs.map((run) => rate(entries, run));
    const perThousand = (of: (run: Run) => number | undefined): Cell => {
      const values = runs.flatMap((run) => of(run) ?? []);
      return values.length === 0 ? 'not known' : median(values.map((value) => (value / entries) * 1000));
    };
    return [
      name, median(rates), [Math.min(...rates), Math.max(...rates)].map((one) => one.toLocaleString('en-US')).join(' to '), Math.round((median(rates) / tasks) * 60),
      perThousand((run) => run.cpuSeconds), perThousand((run) => run.databaseCpuSeconds),
      median(runs.map(({ statements }) => statements / entries)), Math.round(median(runs.map(({ walBytes }) => walBytes / entries))),
    ];
  };
  return {
    title: 'Blast’s seventeen tasks through the engine',
    method: [
      `${transients.toLocaleString('en-US')} transients × the ${tasks} tasks of Blast with its prerequisites (${blast17.runners.reduce((sum, { prerequisites }) => sum + Object.keys(prerequisites).length - 1, 0)} of them) and empty runners, ` +
        `through the engine in one process with concurrency ${CONCURRENCY}, woken by the database’s notifications as in a daemon; the clock runs from the first wake until the last end is written. ` +
        'Every entry has its attempt’s row and two transitions, all committed durably.',
      `The *ceiling* is what the same database does with as many rows in a bare table: one statement claims 100 rows (for update skip locked), one finishes them, over ${connections} connections (the best of ${CONNECTIONS.join(', ')}), ` +
        'without prerequisites, trigger, log, attempts, leases, ORM or runners. Runs alternate, each in a fresh database; medians of ' +
        `${rounds}. After every run the delivery is checked: each entry processed by exactly one attempt, two transitions each, nothing open, no counter wrong; a run with a loss or a duplicate is void and fails the benchmark.`,
      `The runners of the second table sleep ${SLEEP_MS} ms. Its ideal is entries × ${SLEEP_MS} ms ÷ ${CONCURRENCY}, with nothing lost between.`,
    ],
    tables: [
      {
        title: `${entries.toLocaleString('en-US')} entries`,
        head: ['', 'entries/s', 'range', 'objects a minute', 'CPU s of Node per 1,000', 'CPU s of PostgreSQL per 1,000', 'statements an entry', 'WAL bytes an entry'],
        rows: [row('engine', engines), row('ceiling', ceilings)],
      },
      {
        title: `Runners of ${SLEEP_MS} ms`,
        head: ['', 'seconds', 'ideal', 'entries/s', 'objects a minute'],
        rows: [['engine', median(sleeping.map(({ seconds }) => seconds)), ideal, median(sleeping.map((run) => rate(entries, run))), Math.round(median(sleeping.map((run) => (transients / run.seconds) * 60)))]],
      },
    ],
    ratios: [
      { what: 'engine over the two-statement ceiling, entries/s', ratio: overCeiling },
      { what: `engine over the ideal with runners of ${SLEEP_MS} ms, seconds`, ratio: overIdeal, goal: 'at most 1.3' },
    ],
    limits: [
      'We lose against the ceiling because of what it does not do: it has no attempts, transitions, leases, counters or notifications, and claims in batches that no real task allows.',
      'Client and server share the cores; on a server of its own the engine is faster, and each statement takes a round trip longer.',
      'Empty runners measure the machinery alone. A runner that writes through its context commits with its status, one transaction for each entry instead of one for a batch.',
    ],
  };
}
