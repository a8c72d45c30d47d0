import { statement, type Run } from '../db/hot.ts';
import { JobCancelledError, JobFailedError, JobSkippedError, OutcomeError, RefusedError, WaitInRunnerError } from '../errors.ts';
import { runningNow } from '../engine/running.ts';
import type { Job, JobDetails, JobFilter, JobOptions, JobRef, Jobs, JobStep, JobType, CancelAnswer } from '../runner/jobs.ts';
import { enqueueJobs, idOf, type NewJob } from './enqueue.ts';
import { assertUnkeyed, enqueueAllKeyed, enqueueOneKeyed, readKeys, type KeyedJob } from './enqueue-keyed.ts';
import { lastRun, skipReasons } from './keyed-runs.ts';
import type { JobEar } from './job-ear.ts';
import { listJobs, readJob, readStand, type JobStand } from './read.ts';
import { untilEnded } from './wait.ts';

/** For so long it is believed that a type whose class is not known here does not go by keys, milliseconds. */
const UNKEYED_MS = 60_000;

/** What jobs are looked after with. */
export interface JobsParts {
  /** Runs statements, in whatever transaction they belong to. */
  run: Run;
  /** Begins a transaction for several statements that belong together; `run` belongs to one already unless given. */
  transaction?: <T>(act: (run: Run) => Promise<T>) => Promise<T>;
  /** Reads what needs no transaction; `run` unless given. */
  read?: Run;
  /** Who enqueues and cancels, unless a call says otherwise. */
  by: string;
  /** Types that are known here, for jobs that are named. */
  types?: Iterable<JobType>;
  /** Hears of ends; without it nobody can wait. */
  ear?: JobEar | undefined;
}

/** Jobs over one way to the database. */
export class DatabaseJobs implements Jobs {
  readonly #run: Run;
  readonly #transaction: <T>(act: (run: Run) => Promise<T>) => Promise<T>;
  readonly #read: Run;
  readonly #by: string;
  readonly #types: ReadonlyMap<string, JobType>;
  readonly #ear: JobEar | undefined;
  /** Names of types that are not known here, and when it was asked that they do not go by keys. */
  readonly #unkeyed = new Map<string, number>();

  constructor({ run, transaction = (act) => act(run), read = run, by, types = [], ear }: JobsParts) {
    this.#run = run;
    this.#transaction = transaction;
    this.#read = read;
    this.#by = by;
    this.#types = new Map([...types].map((type) => [type.taskName, type]));
    this.#ear = ear;
  }

  // The interface says what comes back for what; here they are jobs of any type.
  async enqueue(type: JobType | string, args: object, options: JobOptions = {}): Promise<Job<never>> {
    const job = { type, args, options } as unknown as NewJob;
    const keyed = await this.#keys([job]);
    if (keyed === undefined) return (await enqueueJobs(this.#run, [job], this.#types, this.#by))[0]!;
    // Undefined where its limit is silent, as the interface says.
    return (await this.#transaction((run) => enqueueOneKeyed(run, keyed[0]!, this.#types, this.#by))) as Job<never>;
  }

  async chain(steps: readonly JobStep<unknown>[], options: JobOptions = {}): Promise<Job<unknown>[]> {
    const { parent, parents, delaySeconds, at, ...rest } = options;
    return this.#enqueue(steps.map((step, place) => withOptions(step, place === 0 ? options : rest, place === 0 ? [] : [place - 1])));
  }

  async group<Result>(steps: readonly JobStep<Result>[], options: JobOptions = {}): Promise<Job<Result>[]> {
    return this.#enqueue(steps.map((step) => withOptions(step, options, []))) as Promise<Job<Result>[]>;
  }

  async chord<Result, Last>(steps: readonly JobStep<Result>[], last: JobStep<Last>, options: JobOptions = {}): Promise<{ group: Job<Result>[]; last: Job<Last> }> {
    const { parent, parents, delaySeconds, at, ...rest } = options;
    const all = [...steps.map((step) => withOptions(step, options, [])), withOptions(last, steps.length === 0 ? options : rest, steps.map((_step, place) => place))];
    const jobs = await this.#enqueue(all);
    return { group: jobs.slice(0, -1) as Job<Result>[], last: jobs.at(-1) as Job<Last> };
  }

  async wait<Result>(job: Job<Result> | string, { timeoutSeconds }: { timeoutSeconds: number }): Promise<Result> {
    const id = idOf(job);
    const runner = runningNow();
    if (runner !== undefined) throw new WaitInRunnerError(`"${runner.task}"${runner.subject === undefined ? '' : ` of ${runner.subject}`}`, id);
    if (!(timeoutSeconds >= 0)) throw new RefusedError(`Nobody can wait ${timeoutSeconds} s for a job.`);
    if (this.#ear === undefined) throw new RefusedError('Inside a transaction nobody can wait for a job: it does not begin before the transaction is committed.');
    return this.#resultOf(job, await untilEnded(this.#read, this.#ear, id, timeoutSeconds));
  }

  async result<Result>(job: Job<Result> | string): Promise<Result | undefined> {
    const stand = await readStand(this.#read, job);
    return stand.state === 'completed' ? this.#resultOf(job, stand) : undefined;
  }

  async cancel(job: JobRef, reason: string, { by = this.#by }: { by?: string } = {}): Promise<CancelAnswer> {
    const id = idOf(job);
    const [row] = await this.#run<{ was: 'pending' | 'running' }>(CANCEL, [`{${id}}`, reason, by]);
    if (row !== undefined) return row.was === 'pending' ? 'cancelled' : 'stopping';
    await readStand(this.#run, id);
    return 'ended';
  }

  async requeue(job: JobRef, { by = this.#by, withChildren = false }: { by?: string; withChildren?: boolean } = {}): Promise<string[]> {
    const id = idOf(job);
    const rows = await this.#run<{ id: string }>(withChildren ? REQUEUE_WITH_CHILDREN : REQUEUE, [id, by]);
    if (rows.length > 0) return rows.map((row) => row.id);
    const { name, state } = await readStand(this.#run, id);
    throw new RefusedError(`Job ${id} "${name}" is ${state}; only a job that has ended can be requeued.`);
  }

  async get(job: JobRef): Promise<JobDetails> {
    return readJob(this.#read, job);
  }

  async lastRun(type: JobType | string, key: string, { withinSeconds }: { withinSeconds?: number } = {}): Promise<JobDetails | undefined> {
    return lastRun(this.#read, typeof type === 'string' ? type : type.taskName, key, withinSeconds);
  }

  async skipReasons({ names, endedAfter }: { names?: readonly string[]; endedAfter?: Date } = {}): Promise<{ name: string; reason: string; count: number }[]> {
    return skipReasons(this.#read, names, endedAfter);
  }

  async list(filter: JobFilter = {}): Promise<JobDetails[]> {
    return listJobs(this.#read, filter);
  }

  async #enqueue(jobs: readonly NewJob[]): Promise<Job<never>[]> {
    const keyed = await this.#keys(jobs);
    return keyed === undefined ? enqueueJobs(this.#run, jobs, this.#types, this.#by) : this.#transaction((run) => enqueueAllKeyed(run, keyed, this.#types, this.#by));
  }

  /** Undefined where none of the jobs goes by keys. */
  async #keys(jobs: readonly NewJob[]): Promise<KeyedJob[] | undefined> {
    const nowMs = performance.now();
    const isAsked = (type: NewJob['type']): type is string => typeof type === 'string' && !this.#types.has(type) && !((this.#unkeyed.get(type) ?? -Infinity) > nowMs - UNKEYED_MS);
    const names = [...new Set(jobs.map(({ type }) => type).filter(isAsked))];
    await assertUnkeyed(this.#read, names);
    for (const name of names) this.#unkeyed.set(name, nowMs);
    return readKeys(jobs, this.#types);
  }

  #resultOf<Result>(job: Job<Result> | string, { id, name, state, reason, result }: JobStand): Result {
    if (state === 'failed') throw new JobFailedError(id, name, reason ?? 'its runner said no more');
    if (state === 'cancelled') throw new JobCancelledError(id, name, reason ?? 'nobody said why');
    if (state === 'skipped') throw new JobSkippedError(id, name, reason ?? 'nobody said why');
    const schema = (typeof job === 'string' ? this.#types.get(name) : (job.type ?? this.#types.get(name)))?.result;
    if (schema === undefined) return result as Result;
    const read = schema.safeParse(result ?? undefined);
    const again = read.success ? read : schema.safeParse(result);
    if (!again.success) throw new OutcomeError(`Job ${id} "${name}" gave what its type does not declare: ${again.error.issues.map(({ message }) => message).join('; ')}.`);
    return again.data as Result;
  }
}

function withOptions({ type, args, options }: JobStep<unknown>, common: JobOptions, after: readonly number[]): NewJob {
  const parents = [common, options].flatMap(({ parent, parents: several = [] }) => [...(parent === undefined ? [] : [parent]), ...several]);
  return { type: type as NewJob['type'], args, options: { ...common, ...options, parent: undefined, parents }, after };
}

// None of them may look like a plain select, see src/jobs/enqueue.ts.
const CANCEL = statement(`
with given as materialized (select $1::bigint[] as ids, $2::text as reason, $3::text as by_whom)
select c.was from given cross join lateral cancel_jobs(given.ids, given.reason, given.by_whom) c`);

const REQUEUE = statement(`
with given as materialized (select $1::bigint as id, $2::text as by_whom)
select r.id from given cross join lateral requeue_jobs(array[given.id], given.by_whom) as r(id)`);

const REQUEUE_WITH_CHILDREN = statement(`
with recursive cone as (
  select $1::bigint as id
  union
  select p.job_id
    from cone c
    join job_parent p on p.parent_id = c.id
    join job j on j.subject_id = p.job_id and j.state = 'cancelled'
    join task_register r on r.subject_id = p.job_id and r.task_id = j.task_id and r.reason like 'parent %'),
given as materialized (select array_agg(id) as ids, $2::text as by_whom from cone)
select r.id from given cross join lateral requeue_jobs(given.ids, given.by_whom) as r(id)`);
