import type { EntityManager } from '@mikro-orm/postgresql';

/** Minutes that the chart looks back. */
const MINUTES = 120;

/** How many jobs of one queue ended in each of the last minutes, the present one first. */
export interface Throughput {
  completed: readonly number[];
  failed: readonly number[];
}

/** The last two hours of every queue. */
export interface Throughputs {
  /** When they were read, milliseconds: which minute is the present one. */
  at: number;
  /** Key: the task's name. */
  byTask: ReadonlyMap<string, Throughput>;
}

export async function readThroughput(em: EntityManager): Promise<Throughputs> {
  const at = Date.now();
  const rows = await em.execute<{ task: string; minutes_ago: number; completed: string; failed: string }[]>(ENDED, [MINUTES, MINUTES]);
  const queues = new Map<string, { completed: number[]; failed: number[] }>();
  for (const { task, minutes_ago, completed, failed } of rows) {
    const queue = queues.get(task) ?? noThroughput();
    queues.set(task, queue);
    if (minutes_ago < 0 || minutes_ago >= MINUTES) continue;
    queue.completed[minutes_ago]! += Number(completed);
    queue.failed[minutes_ago]! += Number(failed);
  }
  return { at, byTask: queues };
}

export const noThroughput = (): { completed: number[]; failed: number[] } => ({
  completed: Array<number>(MINUTES).fill(0),
  failed: Array<number>(MINUTES).fill(0),
});

// Transitions rather than attempts: they are in the order of their ends, as the index over their blocks wants them, so an
// attempt that ran for a day is counted in the minute in which it ended. 2 is "processing".
const ENDED = `
select t.name as task, (extract(epoch from date_trunc('minute', now()) - date_trunc('minute', e.at)) / 60)::int as minutes_ago,
       count(*) filter (where e.succeeded) as completed, count(*) filter (where not e.succeeded) as failed
  from (select m.task_id, m.at, s.type = 'success' as succeeded
          from transition m
          join status s on s.id = m.to_id
         where m.at > now() - ? * interval '1 minute' and m.from_id = 2 and m.cause in ('finish', 'fail', 'time out', 'give up')) e
  join task t on t.id = e.task_id
 group by 1, 2
 union all
select k.runner, (extract(epoch from date_trunc('minute', now()) - date_trunc('minute', k.ended_at)) / 60)::int,
       count(*) filter (where k.outcome = 'finished'), count(*) filter (where k.outcome not in ('finished', 'missed'))
  from tick k
  join task t on t.name = k.runner and t.kind = 'system'
 where k.ended_at > now() - ? * interval '1 minute'
 group by 1, 2`;
