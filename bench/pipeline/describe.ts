import { medianOf, ratioOf, type Rounds } from '../alternate.ts';
import * as blast17 from '../blast17.ts';
import { describePeers } from '../peers/peers.ts';
import type { RedisServer } from '../peers/redis-server.ts';
import type { Goal, Ratio, Section } from '../section.ts';
import type { Cell } from '../table.ts';
import type { Run } from './measured.ts';

/** The names of our own sides. */
export const OURS = 'afterglow';
export const OURS_ON_BULLMQ = 'afterglow, ENGINE=bullmq';
export const CEILING = 'ceiling';

const GOAL = 3;
const GOAL_OVERHEAD = 1.3;

/** Everything that the pipeline's runs found. */
export interface PipelineRuns {
  objects: number;
  tasks: number;
  concurrency: number;
  sleepMs: number;
  connections: number;
  triedConnections: readonly number[];
  empty: Rounds<Run>;
  /** With runners that sleep: every side with fewer objects, and we and the best of the others with all of them. */
  sleeping: { objects: number; rounds: Rounds<Run>; whole: Rounds<Run> };
  /** The peer that was fastest with empty runners. */
  best: string | undefined;
  /** Our two engines, with fewer objects; undefined without a Redis. */
  engines: { objects: number; empty: Rounds<Run>; sleeping: Rounds<Run> } | undefined;
  redis: RedisServer | undefined;
}

/** The section about them. */
export function describe(found: PipelineRuns): Section {
  const { objects, tasks, concurrency, sleepMs, connections, triedConnections, empty, sleeping, engines, redis } = found;
  const entries = objects * tasks;
  const prerequisites = blast17.runners.reduce((sum, runner) => sum + Object.keys(runner.prerequisites).length - 1, 0);
  const peers = empty.names.filter((name) => name !== OURS && name !== CEILING);
  const voids = [...empty.voids, ...sleeping.rounds.voids, ...sleeping.whole.voids];
  const overOwnBull = engines && ratioOf(engines.empty, OURS, OURS_ON_BULLMQ, speed);
  const overCeiling = ratioOf(empty, OURS, CEILING, speed);
  return {
    title: 'Blast’s seventeen tasks, side by side',
    method: [
      `${objects.toLocaleString('en-US')} objects × the ${tasks} tasks of Blast with its ${prerequisites} prerequisites, concurrency ${concurrency}, each system in one process next to its database; runs alternate, each in a fresh database; medians of ` +
        `${empty.of(OURS).length}. The clock starts when the work may start, with the first tasks ready, and stops when the last end is committed. We are woken by the database’s notifications as in a daemon, and keep an attempt’s row and two transitions for every entry.`,
      'The others have no prerequisites of objects. Each gets the same status table, kept by its handlers: the entry’s status, a counter of prerequisites that do not hold yet, and a function that does all that a handler has to do, in one statement: mark the entry processed, ' +
        'lower the counters, say what became ready, which is then enqueued, in the same transaction where the system can. They write no attempts, no transitions and no `processing`. How each is set up:',
      describePeers(redis),
      `The *${CEILING}* is what the same database does with as many rows in a bare table: one statement claims 100 rows (for update skip locked), one finishes them, over ${connections} connections (the best of ${triedConnections.join(', ')}), ` +
        'without prerequisites, trigger, log, attempts, leases, ORM or runners.',
      'After every run the delivery is checked: each entry run once and processed, nothing open, no counter wrong (for us also: one attempt that ended and two transitions each). A run with a loss or a duplicate is void.',
      `The runners of the next two tables sleep ${sleepMs} ms: ${sleeping.objects.toLocaleString('en-US')} objects for everybody, and all of them for us and the best of the others. The ideal is entries × ${sleepMs} ms ÷ ${concurrency}, with nothing lost between. The last table is our two engines side by side.`,
    ],
    tables: [
      {
        title: `${entries.toLocaleString('en-US')} entries, empty runners`,
        head: ['', 'objects a minute', 'entries/s', 'range', 'CPU s of Node per 1,000', 'CPU s of the database per 1,000', 'transactions an entry', 'WAL bytes an entry'],
        rows: empty.names.map((name) => emptyRow(empty, name, objects, tasks)),
      },
      {
        title: `${(sleeping.objects * tasks).toLocaleString('en-US')} entries, runners of ${sleepMs} ms`,
        head: ['', 'objects a minute', 'seconds', 'ideal', 'over the ideal'],
        rows: sleeping.rounds.names.map((name) => sleepingRow(sleeping.rounds, name, sleeping.objects, found)),
      },
      {
        title: `${entries.toLocaleString('en-US')} entries, runners of ${sleepMs} ms, all objects`,
        head: ['', 'objects a minute', 'seconds', 'ideal', 'over the ideal'],
        rows: sleeping.whole.names.map((name) => sleepingRow(sleeping.whole, name, objects, found)),
      },
      ...(engines === undefined ? [] : [{
        title: `${(engines.objects * tasks).toLocaleString('en-US')} entries, our two engines`,
        head: ['', 'objects a minute', 'entries/s', 'range', 'CPU s of Node per 1,000', 'CPU s of the database per 1,000', 'transactions an entry', 'WAL bytes an entry', `over the ideal, ${sleepMs} ms`],
        rows: engines.empty.names.map((name) => [...emptyRow(engines.empty, name, engines.objects, tasks), orVoid(overhead(engines.sleeping, name, engines.objects, found))]),
      }]),
    ],
    ratios: [
      ...ratios(found, peers),
      ...(overOwnBull === undefined ? [] : [{ what: `pipeline, entries/s: ${OURS} over ${OURS_ON_BULLMQ}`, ratio: overOwnBull }]),
      ...(overCeiling === undefined ? [] : [{ what: 'pipeline, entries/s: afterglow over the two-statement ceiling', ratio: overCeiling }]),
    ],
    limits: [
      ...losses(found, peers),
      'pg-boss takes batches: the jobs of a batch begin and end together, so a slow one holds the others up, and a handler that throws takes the whole batch back. BullMQ’s handlers write to two stores; a crash between them loses what became ready. ' +
        'graphile-worker’s local queue holds claimed jobs that nobody else can take until four hours after a crash.',
      'The ceiling has no attempts, transitions, leases, counters or notifications, and claims in batches that no real task allows.',
      'Client and server share the cores; on a server of its own every system is faster, and each statement takes a round trip longer.',
      'Empty runners measure the machinery alone. A runner of ours that writes through its context commits with its status.',
      ...voids.map((text) => `Void: ${text}`),
    ],
  };
}

const speed = ({ seconds }: Run) => 1 / seconds;
const orVoid = (value: number | undefined): Cell => value ?? 'void';

const perMinute = (rounds: Rounds<Run>, name: string, objects: number) => {
  const seconds = medianOf(rounds, name, (run) => run.seconds);
  return seconds === undefined ? undefined : Math.round((objects / seconds) * 60);
};

function overhead(rounds: Rounds<Run>, name: string, objects: number, { tasks, sleepMs, concurrency }: PipelineRuns): number | undefined {
  return medianOf(rounds, name, ({ seconds }) => seconds / ((objects * tasks * sleepMs) / 1000 / concurrency));
}

function emptyRow(rounds: Rounds<Run>, name: string, objects: number, tasks: number): Cell[] {
  const entries = objects * tasks;
  const rates = rounds.of(name).flatMap((run) => (run === undefined ? [] : [Math.round(entries / run.seconds)]));
  const perThousand = (figure: (run: Run) => number | undefined): Cell => {
    const value = medianOf(rounds, name, figure);
    return value === undefined ? 'not known' : (value / entries) * 1000;
  };
  const transactions = medianOf(rounds, name, (run) => run.transactions / entries);
  const wal = medianOf(rounds, name, ({ walBytes }) => walBytes / entries);
  return [
    name, name === CEILING ? '' : orVoid(perMinute(rounds, name, objects)), orVoid(medianOf(rounds, name, ({ seconds }) => Math.round(entries / seconds))),
    rates.length === 0 ? 'void' : `${Math.min(...rates).toLocaleString('en-US')} to ${Math.max(...rates).toLocaleString('en-US')}`,
    perThousand((run) => run.cpuSeconds), perThousand((run) => run.databaseCpuSeconds), orVoid(transactions), wal === undefined ? 'void' : Math.round(wal),
  ];
}

function sleepingRow(rounds: Rounds<Run>, name: string, objects: number, found: PipelineRuns): Cell[] {
  const ideal = (objects * found.tasks * found.sleepMs) / 1000 / found.concurrency;
  return [name, orVoid(perMinute(rounds, name, objects)), orVoid(medianOf(rounds, name, ({ seconds }) => seconds)), ideal, orVoid(overhead(rounds, name, objects, found))];
}

function ratios(found: PipelineRuns, peers: readonly string[]): Ratio[] {
  const { empty, sleeping, best, objects, sleepMs } = found;
  const ratio = (what: string, value: number | undefined, goal?: Goal): Ratio[] => (value === undefined ? [] : [{ what, ratio: value, ...(goal !== undefined && { goal }) }]);
  const atLeast = (name: string) => (name === best ? { atLeast: GOAL } : undefined);
  return [
    ...peers.flatMap((name) => ratio(`pipeline, objects a minute, empty runners: afterglow over ${name}`, ratioOf(empty, OURS, name, speed), atLeast(name))),
    ...peers.flatMap((name) => ratio(`pipeline, objects a minute, runners of ${sleepMs} ms: afterglow over ${name}`, ratioOf(sleeping.rounds, OURS, name, speed))),
    ...(best === undefined ? [] : ratio(`the same with ${objects.toLocaleString('en-US')} objects: afterglow over ${best}`, ratioOf(sleeping.whole, OURS, best, speed))),
    ...ratio(`pipeline, runners of ${sleepMs} ms: afterglow over the ideal, seconds`, overhead(sleeping.whole, OURS, objects, found), { atMost: GOAL_OVERHEAD }),
  ];
}

/** Says plainly what we did not reach. */
function losses({ empty, sleeping, best, objects, ...found }: PipelineRuns, peers: readonly string[]): string[] {
  const lost: string[] = [];
  for (const name of peers) {
    const ratio = ratioOf(empty, OURS, name, speed);
    if (ratio !== undefined && ratio < 1) lost.push(`**We lose** against ${name} with empty runners: ${ratio.toFixed(2)} times its objects a minute.`);
    else if (ratio !== undefined && name === best && ratio < GOAL) lost.push(`**We miss the goal** of ${GOAL} times the best of the others, ${name}: it is ${ratio.toFixed(2)} times.`);
  }
  const over = overhead(sleeping.whole, OURS, objects, { empty, sleeping, best, objects, ...found });
  if (over !== undefined && over > GOAL_OVERHEAD) lost.push(`**We miss the goal** of ${GOAL_OVERHEAD} times the ideal with runners that sleep: it is ${over.toFixed(2)} times.`);
  return lost;
}
