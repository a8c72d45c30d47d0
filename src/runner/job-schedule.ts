import { TaskLimitError } from '../errors.ts';
import type { RunContext } from './context.ts';
import type { ArgumentsOf, Job, JobOptions, JobType } from './jobs.ts';
import type { Json } from './outcome.ts';
import { SystemTaskRunner, type TaskRunner } from './runner.ts';

/** One firing of a schedule, for arguments that depend on it. */
export interface Firing {
  /** The time that it is for, however late it comes. */
  readonly slot: Date;
}

/** A job that a schedule enqueues, and what follows from it; see {@link scheduled}. */
export interface ScheduledJob {
  readonly type: JobType;
  readonly args: (firing: Firing) => object;
  readonly options: Omit<JobOptions, 'parent' | 'parents'>;
  /** Jobs that wait until this one is completed; each gets its result. */
  readonly followedBy: readonly ScheduledJob[];
}

/**
 * One job for the list of a {@link JobSchedule}.
 *
 * @param args the arguments, or what makes them of the time that the firing is for
 * @param more how it is enqueued, and in `followedBy` the jobs that wait for it
 */
export function scheduled<Type extends JobType>(
  type: Type, args: ArgumentsOf<Type> | ((firing: Firing) => ArgumentsOf<Type>), { followedBy = [], ...options }: ScheduledJob['options'] & { followedBy?: readonly ScheduledJob[] } = {},
): ScheduledJob {
  return { type, args: typeof args === 'function' ? (args as (firing: Firing) => object) : () => args as object, options, followedBy };
}

/**
 * Extend this to have jobs enqueued by the clock. Each slot of the schedule enqueues them once over all daemons; its nominal time is
 * the slot, so nothing drifts. What a firing did is the result of its tick: `{ executed: true, jobs }`, or `{ executed: false, reason }`.
 *
 * ```ts
 * class Nightly extends JobSchedule {
 *   readonly taskName = 'Nightly';
 *   readonly schedule = '0 3 * * *';
 *   readonly jobs = [scheduled(collect, ({ slot }) => ({ night: slot.toISOString() }), { followedBy: [scheduled(report, {})] })];
 * }
 * ```
 */
export abstract class JobSchedule extends SystemTaskRunner {
  /** What is enqueued by each firing, all of it or nothing. */
  abstract readonly jobs: readonly ScheduledJob[];
  /** Least time between two firings, whoever fires: a firing that comes sooner enqueues nothing. Seconds by the database's clock. */
  readonly minimumSpacingSeconds: number = 0;
  /** While a job of the firing before is pending or running: `skip` this one, or `enqueue` all the same. */
  readonly whileOpen: 'skip' | 'enqueue' = 'skip';
  /** One sentence for the pages. */
  readonly description: string = 'Enqueues jobs.';
  /** Whom to ask about it. */
  readonly owner: string = '';

  /** Enqueues the jobs, or says why not. */
  async runProcess(context: RunContext): Promise<Json> {
    const { em, clock, slot = clock.now() } = context;
    const [last] = await em.execute<[Last]>(LOCK, [this.taskName, slot.toISOString()]);
    const refusal = this.#refusal(last);
    if (refusal !== undefined) return { executed: false, ...refusal };
    await em.execute('savepoint firing');
    try {
      const jobs = await this.#enqueueAll(context, this.jobs, { slot }, undefined);
      await em.execute(FIRED, [slot.toISOString(), `{${jobs.join()}}`, this.taskName]);
      return { executed: true, jobs };
    } catch (error) {
      if (!(error instanceof TaskLimitError)) throw error;
      // What is limited comes with a later firing, together with the rest.
      await em.execute('rollback to savepoint firing');
      return { executed: false, reason: 'limit', message: error.message };
    }
  }

  #refusal({ repeated, since_seconds: since, open }: Last): { reason: string; [detail: string]: Json } | undefined {
    if (repeated) return { reason: 'fired already' };
    if (since !== null && since < this.minimumSpacingSeconds) return { reason: 'too soon', secondsSinceLast: since, minimumSpacingSeconds: this.minimumSpacingSeconds };
    return this.whileOpen === 'skip' && open.length > 0 ? { reason: 'still open', jobs: open } : undefined;
  }

  async #enqueueAll(context: RunContext, jobs: readonly ScheduledJob[], firing: Firing, parent: Job | undefined): Promise<string[]> {
    const ids: string[] = [];
    for (const { type, args, options, followedBy } of jobs) {
      const job = (await context.jobs.enqueue(type, args(firing), { ...options, parent })) as Job | undefined;
      // A limit that is silent.
      if (job !== undefined) ids.push(job.id, ...(await this.#enqueueAll(context, followedBy, firing, job)));
    }
    return ids;
  }
}

/** The schedules of jobs among some runners, which may be anything that users' files give. */
export const jobSchedules = (runners: readonly TaskRunner[]): JobSchedule[] => runners.filter((runner) => runner instanceof JobSchedule);

interface Last {
  /** Whether this slot has fired: its tick was lost after that with its daemon. */
  repeated: boolean;
  since_seconds: number | null;
  /** Ids of jobs of the last firing that have not ended. */
  open: string[];
}

// The row is ours until the firing is written, so two at once come one after the other. It does not look like a plain select, which
// would be read outside of the transaction.
const LOCK = `
with row as (
  insert into job_schedule as s (runner) values (?) on conflict (runner) do update set runner = s.runner
  returning s.slot, s.fired_at, s.jobs)
select coalesce(r.slot >= ?::timestamptz, false) as repeated, extract(epoch from clock_timestamp() - r.fired_at)::double precision as since_seconds,
       array(select j.subject_id::text from job j where j.subject_id = any (r.jobs) and j.state is null order by j.subject_id) as open
  from row r`;

const FIRED = `update job_schedule set slot = ?::timestamptz, fired_at = clock_timestamp(), jobs = ?::bigint[] where runner = ?`;
