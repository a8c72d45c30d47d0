import type { z } from 'zod';
import type { JobPolicies } from './job-policies.ts';
import type { Json } from './outcome.ts';

/** What a class of jobs declares, as far as those who enqueue them need it. */
export interface JobType extends JobPolicies {
  /** The name of the job, which is that of its task. */
  readonly taskName: string;
  /** What its arguments must be: an object of JSON. */
  readonly args: z.ZodType;
  /** What its result is; undefined: any JSON. */
  readonly result: z.ZodType | undefined;
}

/** The arguments that jobs of a type are enqueued with, defaults left out. */
export type ArgumentsOf<Type extends JobType> = z.input<Type['args']>;

/** What jobs of a type give, as its schema declares it. */
export type ResultOf<Type extends JobType> = Type extends { readonly result: z.ZodType<infer Result> | undefined } ? Result : Json;

/** What `enqueue` gives: a job, or nothing where the limit of its type is silent. */
export type Enqueued<Type extends JobType> = Type extends { readonly limit: { readonly action: 'silence' } } ? Job<ResultOf<Type>> | undefined : Job<ResultOf<Type>>;

/** Where a job stands, in the words of people. All but the first two are final. */
export type JobState = 'pending' | 'running' | 'completed' | 'failed' | 'cancelled' | 'skipped';

/** A job that was enqueued; `Result` is what it will give. */
export interface Job<Result = Json> {
  /** Decimal digits (it may pass 2^53). People name the job so, in commands too. */
  readonly id: string;
  /** The name of its type. */
  readonly name: string;
  /** The schema that its result is read by; not there where the job is known by its id alone. */
  readonly type?: (JobType & { readonly result: z.ZodType<Result> | undefined }) | undefined;
}

/** A job, or its id. */
export type JobRef = Pick<Job<never>, 'id'> | string;

/** How a job is enqueued. */
export interface JobOptions {
  /** It waits until this job is completed (or skipped); if that fails or is cancelled, so is it. */
  parent?: JobRef | undefined;
  /** The same with several: all of them are waited for. In their order it gets their results. */
  parents?: readonly JobRef[] | undefined;
  /** It does not begin before so many seconds from now. */
  delaySeconds?: number | undefined;
  /** It does not begin before this time. */
  at?: Date | undefined;
  /** Of the jobs of one type, higher goes first, and of equal ones the oldest; 0 unless given. */
  priority?: number | undefined;
  /** Seconds that an attempt may take, in place of what its type says. */
  timeoutSeconds?: number | undefined;
  /** Who enqueued it, for people; in a runner, its attempt unless given, else `somebody`. */
  by?: string | undefined;
}

/** One job of several that are enqueued together, see {@link step}. */
export interface JobStep<Result = Json> {
  readonly type: (JobType & { readonly result: z.ZodType<Result> | undefined }) | string;
  readonly args: object;
  readonly options: JobOptions;
}

/** One job for `chain`, `group` and `chord`. */
export function step<Type extends JobType>(type: Type, args: ArgumentsOf<Type>, options: JobOptions = {}): JobStep<ResultOf<Type>> {
  return { type: type as unknown as JobStep<ResultOf<Type>>['type'], args: args as object, options };
}

/** Everything about a job. */
export interface JobDetails {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  readonly args: { readonly [key: string]: Json | undefined };
  readonly enqueuedAt: Date;
  readonly enqueuedBy: string;
  /** When it cannot begin before; null where it may. */
  readonly dueAt: Date | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly priority: number;
  readonly timeoutSeconds: number | null;
  /** What its type's `key(args)` gave; null where it has none. */
  readonly key: string | null;
  /** Jobs of its key that were merged into it. */
  readonly merged: number;
  /** Attempts so far, over all times that it was requeued. */
  readonly attempts: number;
  readonly requeues: number;
  /** Ids of the jobs that it waits for, or waited for, in their order. */
  readonly parents: readonly string[];
  readonly children: readonly string[];
  /** Parents that are not completed. */
  readonly waitsFor: readonly { readonly id: string; readonly name: string; readonly state: JobState }[];
  /** Why it failed, was cancelled or skipped, or waits for another attempt. */
  readonly reason: string | null;
  /** 0…1, while it runs. */
  readonly progress: number | null;
  /** What it gave, where it is completed; and the structured reason where it was skipped. */
  readonly result: Json | null;
}

/** Which jobs are meant; what is left out means all. */
export interface JobFilter {
  /** Names of types. */
  names?: readonly string[] | undefined;
  states?: readonly JobState[] | undefined;
  /** Of this key. */
  key?: string | undefined;
  /** Children of this job. */
  parent?: JobRef | undefined;
  /** Enqueued before, or ended before. */
  enqueuedBefore?: Date | undefined;
  endedBefore?: Date | undefined;
  /** So many at most, the newest first; 100 unless given. */
  limit?: number | undefined;
}

/** What became of a job that was to be cancelled: it is `cancelled` now, or was running and is being stopped, or had ended before. */
export type CancelAnswer = 'cancelled' | 'stopping' | 'ended';

/**
 * Enqueues jobs and looks after them. In a runner, as `context.jobs`, whatever it enqueues belongs to the attempt's own transaction:
 * the jobs are there when the attempt's result is, or never. Outside, see `openJobs`.
 */
export interface Jobs {
  /**
   * Adds a job.
   *
   * @returns the job; where its type debounces, the pending one of its key that took it in; undefined where its type's limit is reached and silent
   * @throws {JobArgumentsError} the arguments are not as the type declares
   * @throws {TaskLimitError} as many of its key as its type's limit allows are pending or running
   * @throws {UnknownNameError} no daemon has ever started with this type, or there is no such parent
   */
  enqueue<Type extends JobType>(type: Type, args: ArgumentsOf<Type>, options?: JobOptions): Promise<Enqueued<Type>>;
  /** The same by name. The arguments are checked where the type is known here, else when the job runs; a limit that is reached is an error, silent or not. */
  enqueue(name: string, args: object, options?: JobOptions): Promise<Job>;

  /** Adds jobs of which each waits for the one before it and gets its result; `options.parent` is waited for by the first. */
  chain(steps: readonly JobStep<unknown>[], options?: JobOptions): Promise<Job<unknown>[]>;

  /** Adds any number of jobs at once, by one statement; what `options` say holds for all of them. */
  group<Result>(steps: readonly JobStep<Result>[], options?: JobOptions): Promise<Job<Result>[]>;

  /** Adds a group, and a last job that waits for all of it and gets all results in the order of the steps. */
  chord<Result, Last>(steps: readonly JobStep<Result>[], last: JobStep<Last>, options?: JobOptions): Promise<{ group: Job<Result>[]; last: Job<Last> }>;

  /**
   * Waits until a job has ended.
   *
   * @returns what it gave, as its type declares it
   * @throws {JobFailedError | JobCancelledError | JobSkippedError} it ended otherwise than completed
   * @throws {WaitTimeoutError} it has not ended in that time; it goes on
   * @throws {WaitInRunnerError} a runner must not wait for a job, as it keeps the place that the job may need
   * @throws {UnknownNameError} there is no such job
   */
  wait<Result>(job: Job<Result> | string, options: { timeoutSeconds: number }): Promise<Result>;

  /** What a completed job gave; undefined where it is not completed. @throws {UnknownNameError} there is no such job */
  result<Result>(job: Job<Result> | string): Promise<Result | undefined>;

  /**
   * Cancels a job: a pending one at once, a running one is told to stop and ends as cancelled whatever it does. Its children are
   * cancelled with it.
   *
   * @throws {UnknownNameError} there is no such job
   */
  cancel(job: JobRef, reason: string, options?: { by?: string }): Promise<CancelAnswer>;

  /**
   * Has a job that ended done again, with everything that it was enqueued with, before all that was not requeued.
   *
   * @param options.withChildren also what was cancelled because of it, and what was cancelled because of that
   * @returns ids of the jobs that were requeued, in their order
   * @throws {RefusedError} it has not ended
   * @throws {UnknownNameError} there is no such job
   */
  requeue(job: JobRef, options?: { by?: string; withChildren?: boolean }): Promise<string[]>;

  /** Everything about a job. @throws {UnknownNameError} there is no such job */
  get(job: JobRef): Promise<JobDetails>;

  /**
   * The newest job of a key that is not failed or cancelled: pending, running, completed or skipped.
   *
   * @param key what the type's `key(args)` gave, or its `limitId(args)` where it has no key
   * @param options.withinSeconds only one that was enqueued within so many seconds
   */
  lastRun(type: JobType | string, key: string, options?: { withinSeconds?: number }): Promise<JobDetails | undefined>;

  /** Why jobs were skipped, and how many of each, the most frequent first. */
  skipReasons(filter?: { names?: readonly string[]; endedAfter?: Date }): Promise<{ name: string; reason: string; count: number }[]>;

  /** Jobs, the newest first. */
  list(filter?: JobFilter): Promise<JobDetails[]>;
}
