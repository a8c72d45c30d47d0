import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database } from '../db/database.ts';
import { BOUNDS, COUNTERS, readTally, type Histogram, type TaskTally } from '../db/tally.ts';
import type { Reply } from './route.ts';

/** For how long an answer is given again, seconds: several who scrape cost as much as one. */
const KEPT_SECONDS = 2;

/** Entries of a task that are not final, by what they wait for. */
interface Depth {
  task: string;
  ready: string;
  delayed: string;
  held: string;
  waiting: string;
  running: string;
  oldest_seconds: number | null;
}

/**
 * `/metrics`, in the text format of Prometheus (version 0.0.4): counters, depths and times in queue of every task, out of the
 * database, so that each daemon gives the same answer and one of them is enough to ask.
 */
export function createMetrics(database: Pick<Database, 'em'>, keptSeconds = KEPT_SECONDS): () => Promise<Reply> {
  let kept: { text: Promise<string>; untilMs: number } | undefined;
  return async () => {
    if (kept === undefined || performance.now() > kept.untilMs) {
      const text = metricsText(database.em());
      kept = { text, untilMs: Infinity };
      // While one is made nobody asks for another.
      void text.then(() => (kept = { text, untilMs: performance.now() + keptSeconds * 1000 }), () => (kept = undefined));
    }
    return { status: 200, body: await kept.text, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' } };
  };
}

/** Everything that can be said of the tasks in numbers, as text for Prometheus. */
export async function metricsText(em: EntityManager): Promise<string> {
  const tallies = await readTally(em);
  const depths = await em.execute<Depth[]>(DEPTHS);
  const [daemons] = await em.execute<{ daemons: string; workers: string; places: string; running: string }[]>(DAEMONS);
  return [
    ...COUNTERS.flatMap((name) => metric(`afterglow_task_${name}_total`, 'counter', MEANINGS[name], tallies.map(({ task, counters }) => [{ task }, counters[name]]))),
    ...histogram('afterglow_task_queue_seconds', 'From when an entry could have been claimed until it was.', BOUNDS.queue, tallies, ({ queue }) => queue),
    ...histogram('afterglow_task_run_seconds', 'From when a runner was called until it came back.', BOUNDS.run, tallies, ({ run }) => run),
    ...metric('afterglow_task_entries', 'gauge', 'Entries that are not final, by state: ready to be claimed, delayed until a time, held by a person, waiting for prerequisites, running.',
      depths.flatMap((depth) => STATES.map((state): Sample => [{ task: depth.task, state }, Number(depth[state])]))),
    ...metric('afterglow_task_oldest_ready_seconds', 'gauge', 'For how long the entry that has been ready longest has been so; 0 where none is ready.',
      depths.map(({ task, oldest_seconds }) => [{ task }, Math.max(0, oldest_seconds ?? 0)])),
    ...metric('afterglow_daemons', 'gauge', 'Daemons and workers that were heard of within a minute.', [[{ role: 'daemon' }, Number(daemons!.daemons)], [{ role: 'worker' }, Number(daemons!.workers)]]),
    ...metric('afterglow_places', 'gauge', 'Attempts that all of them can run at once.', [[{}, Number(daemons!.places)]]),
    ...metric('afterglow_attempts_running', 'gauge', 'Attempts that all of them said they run.', [[{}, Number(daemons!.running)]]),
    '',
  ].join('\n');
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

const STATES = ['ready', 'delayed', 'held', 'waiting', 'running'] as const;

const MEANINGS: Record<(typeof COUNTERS)[number], string> = {
  runs: 'Attempts that were begun.',
  successes: 'Entries that came to a status of type success.',
  failures: 'Entries that came to a status of type error.',
  timeouts: 'Attempts that were over their time limit.',
  retries: 'Attempts that failed and are to be made again.',
  rescues: 'Entries that were taken back from a daemon that was gone.',
  cancellations: 'Entries that somebody cancelled.',
};

function metric(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map(([labels, value]) => line(name, labels, value))];
}

function histogram(name: string, help: string, bounds: readonly number[], tallies: readonly TaskTally[], of: (tally: TaskTally) => Histogram): string[] {
  const lines = tallies.flatMap((tally) => {
    const { counts, seconds } = of(tally);
    const { task } = tally;
    let below = 0;
    const buckets = counts.map((count, place) => line(`${name}_bucket`, { task, le: place < bounds.length ? String(bounds[place]) : '+Inf' }, (below += count)));
    return [...buckets, line(`${name}_sum`, { task }, seconds), line(`${name}_count`, { task }, below)];
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines];
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}

// Only entries that are not final are read, by the index on task and status.
const DEPTHS = `
select t.name as task, coalesce(c.ready, 0) as ready, coalesce(c.delayed, 0) as delayed, coalesce(c.held, 0) as held, coalesce(c.waiting, 0) as waiting, c.oldest_seconds,
       (select count(*) from task_register r where r.task_id = t.id and r.status_id = 2) as running
  from task t
 cross join lateral (
    select count(*) filter (where r.ready and (r.due_at is null or r.dispatched_at is not null)) as ready,
           count(*) filter (where r.ready and r.due_at is not null and r.dispatched_at is null) as delayed,
           count(*) filter (where r.held) as held,
           count(*) filter (where not r.held and r.unmet > 0) as waiting,
           extract(epoch from clock_timestamp() - min(r.ready_at) filter (where r.ready and (r.due_at is null or r.dispatched_at is not null)))::double precision as oldest_seconds
      from task_register r
     where r.task_id = t.id and r.status_id = t.claim_from_id and r.status_id <> 2) c
 where t.kind <> 'system'
 order by t.id`;

const DAEMONS = `
select count(*) filter (where role = 'daemon') as daemons, count(*) filter (where role = 'worker') as workers, coalesce(sum(concurrency), 0) as places, coalesce(sum(running), 0) as running
  from daemon
 where stopped_at is null and heartbeat_at > clock_timestamp() - interval '1 minute'`;
