import type { EntityManager } from '@mikro-orm/postgresql';
import type { JobState } from '../runner/jobs.ts';
import { JOB_KIND } from '../status/status.ts';

/** The states in which a job has ended. */
export const ENDED_STATES = ['completed', 'failed', 'cancelled', 'skipped'] as const satisfies readonly JobState[];

/** What is to go. */
export interface PruneFilter {
  /** What ended longer ago than so many seconds. */
  olderThanSeconds: number;
  /** Jobs in these states. */
  states: readonly (typeof ENDED_STATES)[number][];
  /** Names of jobs that stay. */
  exclude: readonly string[];
}

/** How many jobs of one name and state would go. */
export interface PrunableJobs {
  name: string;
  state: string;
  count: number;
}

/** Old rows that nobody needs any more, by their table. */
export const HISTORY = ['attempt', 'transition', 'tick', 'hook_call', 'checkpoint', 'notice', 'state_count', 'named_lock'] as const;
export type HistoryTable = (typeof HISTORY)[number];

/** Rows that one statement deletes, so that none runs long. */
const BATCH = { jobs: 1000, history: 10_000 };

/** Counts the ended jobs that would go. One that others still wait for, or have the results of to get, stays. */
export async function countPrunableJobs(em: EntityManager, filter: PruneFilter): Promise<PrunableJobs[]> {
  const rows = await em.execute<(Omit<PrunableJobs, 'count'> & { count: string })[]>(`select t.name, j.state, count(*) as count ${PRUNABLE} group by 1, 2 order by 1, 2`, paramsOf(filter));
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

/** Deletes a batch of them with everything that was kept of them, the oldest first. @returns how many; 0 when none is left */
export async function pruneJobs(em: EntityManager, filter: PruneFilter): Promise<number> {
  const rows = await em.execute<object[]>(
    `delete from subject where id = any (array(select j.subject_id ${PRUNABLE} order by j.subject_id limit ${BATCH.jobs})) returning 1`, paramsOf(filter));
  return rows.length;
}

/** Counts old rows of a table. */
export async function countHistory(em: EntityManager, table: HistoryTable, olderThanSeconds: number): Promise<number> {
  const [row] = await em.execute<{ count: string }[]>(`select count(*) as count from (${OLD[table]}) old`, ageOf(table, olderThanSeconds));
  return Number(row!.count);
}

/** Deletes a batch of them. @returns how many; 0 when none is left */
export async function pruneHistory(em: EntityManager, table: HistoryTable, olderThanSeconds: number): Promise<number> {
  const rows = await em.execute<object[]>(`delete from ${table} where ctid = any (array(${OLD[table]} limit ${BATCH.history})) returning 1`, ageOf(table, olderThanSeconds));
  return rows.length;
}

const PRUNABLE = `
  from job j
  join task t on t.id = j.task_id and t.kind like '${JOB_KIND}%'
 where j.ended_at < clock_timestamp() - ? * interval '1 second'
   and ?::jsonb @> to_jsonb(j.state)
   and not ?::jsonb @> to_jsonb(t.name)
   and not exists (
     select from job_parent p join job c on c.subject_id = p.job_id where p.parent_id = j.subject_id and c.state is null)`;

const paramsOf = ({ olderThanSeconds, states, exclude }: PruneFilter): unknown[] => [olderThanSeconds, JSON.stringify(states), JSON.stringify(exclude)];

/** A lock has no history: a day after it ran out, nobody comes back to renew it. */
const ageOf = (table: HistoryTable, olderThanSeconds: number): number[] => (table === 'named_lock' ? [] : [olderThanSeconds]);

const AGO = `clock_timestamp() - ? * interval '1 second'`;
const OLD: Record<HistoryTable, string> = {
  // Never the last one of an entry.
  attempt: `
    select a.ctid from attempt a
      join task_register r on r.subject_id = a.subject_id and r.task_id = a.task_id
     where a.started_at < ${AGO} and a.attempt < r.attempt and a.ended_at is not null`,
  // What the counts have not taken in yet stays, unless nobody has ever asked for them.
  transition: `
    select ctid from transition
     where at < ${AGO} and at <= (select case when mark_at is null then 'infinity' else read_to end from transition_reader where name = 'metrics')`,
  tick: `
    select k.ctid from tick k
     where k.started_at < ${AGO} and k.ended_at is not null and k.id < (select max(id) from tick where runner = k.runner)`,
  hook_call: `select ctid from hook_call where at < ${AGO}`,
  checkpoint: `select ctid from checkpoint where at < ${AGO}`,
  notice: `select ctid from notice where noticed_at < ${AGO}`,
  state_count: `select ctid from state_count where at < now() - ? * interval '1 second'`,
  named_lock: `select ctid from named_lock where expires_at < clock_timestamp() - interval '1 day'`,
};
