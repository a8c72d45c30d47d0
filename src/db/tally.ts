import type { EntityManager } from '@mikro-orm/postgresql';
import { readOn } from './transition-reader.ts';

/** What is counted of the entries of a task, since somebody first asked. */
export const COUNTERS = ['runs', 'successes', 'failures', 'timeouts', 'retries', 'rescues', 'cancellations'] as const;
export type Counter = (typeof COUNTERS)[number];

/** Upper bounds of the histograms, seconds; the same as in the function `tally`. Those of the run time are of the order of Celery workers' (0.05 to 900 s). */
export const BOUNDS = {
  queue: [0.01, 0.1, 1, 10, 60, 600, 3600, 86_400],
  run: [0.05, 0.25, 1, 5, 30, 120, 900, 3600],
} as const;

/** How many attempts took how long. */
export interface Histogram {
  /** One for each bound, attempts that took no longer and longer than the bound before; the last is for those beyond all bounds. */
  counts: number[];
  seconds: number;
}

/** The counts of a task. */
export interface TaskTally {
  task: string;
  kind: string;
  counters: Record<Counter, number>;
  /** From when an entry could have been claimed until it was. */
  queue: Histogram;
  /** From when a runner was called until it came back. */
  run: Histogram;
}

/**
 * Counts what has happened to the entries of every task, by the log of transitions: exact at any moment, whichever daemon is asked,
 * and never less than before. What was counted once is kept, so that a call reads what is new.
 */
export async function readTally(em: EntityManager): Promise<TaskTally[]> {
  await foldTally(em);
  const rows = await em.execute<{ task: string; kind: string; name: string | null; place: number; count: string; seconds: number }[]>(READ);
  const tallies = new Map<string, TaskTally>();
  for (const { task, kind, name, place, count, seconds } of rows) {
    const tally = tallies.get(task) ?? emptyTally(task, kind);
    tallies.set(task, tally);
    if (name === null) continue;
    if (name === 'queue' || name === 'run') {
      tally[name].counts[place]! += Number(count);
      tally[name].seconds += Number(seconds);
    } else tally.counters[name as Counter] += Number(count);
  }
  return [...tallies.values()];
}

/** Keeps what can be counted once and for all; to be called before transitions or attempts are deleted, and now and then. */
export async function foldTally(em: EntityManager): Promise<void> {
  await readOn(em, 'metrics', async (tx, since, until) => {
    await tx.execute(FOLD, [since, until]);
  });
}

const emptyTally = (task: string, kind: string): TaskTally => ({
  task, kind,
  counters: Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>,
  queue: { counts: Array<number>(BOUNDS.queue.length + 1).fill(0), seconds: 0 },
  run: { counts: Array<number>(BOUNDS.run.length + 1).fill(0), seconds: 0 },
});

const FOLD = `
insert into task_tally as y
select * from tally(?::timestamptz, null, ?::timestamptz) order by 1, 2, 3
    on conflict (task_id, name, place) do update set count = y.count + excluded.count, seconds = y.seconds + excluded.seconds`;

const READ = `
select t.name as task, t.kind, y.name, y.place, y.count, y.seconds
  from task t
  left join (
    select * from task_tally
    union all
    select * from tally((select read_to from transition_reader where name = 'metrics'))) y on y.task_id = t.id
 where t.kind <> 'system'
 order by t.id`;
