import { statement, type Run } from '../db/hot.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { readArguments } from '../runner/job-arguments.ts';
import type { Job, JobRef, JobStep, JobType } from '../runner/jobs.ts';
import { JOB_KIND } from '../status/status.ts';

/** A job that is to be enqueued, perhaps behind others of the same call. */
export interface NewJob extends JobStep<unknown> {
  /** Places of its parents among those that are enqueued with it, from 0. */
  readonly after?: readonly number[];
}

/** `unmet` in the register counts no further. */
const MOST_PARENTS = 32_000;

/**
 * Enqueues any number of jobs by one statement: subject, entry and job of each, with their parents.
 *
 * @param known types by name, for jobs that are named
 * @param by who enqueues them, unless they say otherwise
 * @throws {JobArgumentsError} arguments of one of them are wrong; none is enqueued
 * @throws {UnknownNameError} there is no such type in the database, or no such parent
 * @throws {RefusedError} a number or time is none
 */
export async function enqueueJobs(run: Run, jobs: readonly NewJob[], known: ReadonlyMap<string, JobType>, by: string): Promise<Job<never>[]> {
  if (jobs.length === 0) return [];
  const rows = jobs.map((job) => rowOf(job, known));
  try {
    const ids = await run<{ id: string }>(ENQUEUE, [JSON.stringify(rows), by]);
    return jobs.map(({ type }, place): Job<never> => ({ id: ids[place]!.id, name: nameOf(type), type: (typeof type === 'string' ? known.get(type) : type) as Job<never>['type'] }));
  } catch (error) {
    throw await explained(run, error);
  }
}

/** The id of a job. @throws {UnknownNameError} it can be none */
export function idOf(job: JobRef): string {
  const id = typeof job === 'string' ? job : job.id;
  if (!/^[1-9]\d{0,17}$/.test(id)) throw new UnknownNameError('job', id, []);
  return id;
}

const nameOf = (type: NewJob['type']): string => (typeof type === 'string' ? type : type.taskName);

function rowOf({ type, args, options, after }: NewJob, known: ReadonlyMap<string, JobType>): Record<string, unknown> {
  const checked = typeof type === 'string' ? known.get(type) : type;
  if (checked !== undefined) readArguments(checked, args);
  const { parent, parents = [], delaySeconds, at, priority, timeoutSeconds, by } = options;
  const ids = [...(parent === undefined ? [] : [parent]), ...parents].map(idOf);
  const name = nameOf(type);
  if (ids.length + (after?.length ?? 0) > MOST_PARENTS) throw new RefusedError(`The job "${name}" cannot wait for more than ${MOST_PARENTS} parents; let groups of them end in jobs of their own.`);
  number(name, 'delaySeconds', delaySeconds, (value) => value >= 0);
  number(name, 'timeoutSeconds', timeoutSeconds, (value) => value > 0);
  number(name, 'priority', priority, (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31);
  if (at !== undefined && Number.isNaN(at.getTime())) throw new RefusedError(`The job "${name}" cannot begin at a time that is none.`);
  // What is left out is not sent: most jobs have nothing but arguments.
  return {
    task: name, args, by, priority, timeout_seconds: timeoutSeconds,
    ...(ids.length === 0 ? {} : { parents: ids }),
    ...(after === undefined || after.length === 0 ? {} : { after: after.map((place) => place + 1) }),
    ...(at !== undefined ? { at: at.toISOString() } : delaySeconds ? { delay_seconds: delaySeconds } : {}),
  };
}

function number(job: string, what: string, value: number | undefined, isGood: (value: number) => boolean): void {
  if (value !== undefined && !(Number.isFinite(value) && isGood(value))) throw new RefusedError(`The ${what} of the job "${job}" cannot be ${value}.`);
}

async function explained(run: Run, error: unknown): Promise<unknown> {
  const { code, detail } = error as { code?: unknown; detail?: unknown };
  if (code === 'AG003') return new UnknownNameError('job', String(detail), []);
  if (code !== 'AG002') return error;
  // Inside a transaction, nothing can be asked after an error.
  const names = await run<{ name: string }>(NAMES, []).then((rows) => rows.map(({ name }) => name), () => []);
  return new UnknownNameError('type of jobs', String(detail), names, nearest(String(detail), names));
}

// It must not look like a plain select: in a runner, that would be read outside of its transaction.
const ENQUEUE = statement(`
with given as materialized (select $1::jsonb as jobs, $2::text as enqueuer)
select id from given cross join lateral enqueue_jobs(given.jobs, given.enqueuer) as id`);

const NAMES = statement(`select name from task where kind like '${JOB_KIND}%' order by name`);
