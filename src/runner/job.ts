import type { z } from 'zod';
import { OutcomeError } from '../errors.ts';
import type { RunContext } from './context.ts';
import { readArguments } from './job-arguments.ts';
import type { Json, Outcome } from './outcome.ts';
import type { Debounce, JobLimit } from './job-policies.ts';
import { JOB_KIND } from '../status/status.ts';
import { SubjectTaskRunner } from './runner.ts';

/** A job as the engine hands it to its runner. */
export interface JobSubject {
  readonly id: string;
  readonly name: string;
  /** Its arguments, as they were enqueued. */
  readonly data: { readonly [key: string]: Json | undefined };
}

/** What `run` is given beside its arguments. */
export interface JobContext extends RunContext {
  /** The job itself, to be named as the parent of others. */
  readonly job: { readonly id: string; readonly name: string };
}

/** A job that had nothing to do, and why. */
export class Skipped {
  readonly reason: string;
  readonly details: { readonly [key: string]: Json | undefined };
  constructor(reason: string, details: { readonly [key: string]: Json | undefined } = {}) {
    this.reason = reason;
    this.details = details;
  }
}

/**
 * What `run` returns where there was nothing to do: the job is `skipped`, with the reason as its result. What follows from it runs.
 *
 * @param reason a few words that machines can tell apart, e.g. `no head report`
 */
export const skip = (reason: string, details?: { readonly [key: string]: Json | undefined }): Skipped => new Skipped(reason, details);

/**
 * Extend this for work that has arguments in place of an object: `afterglow` runs it when somebody has enqueued it. All that
 * runners have is there for jobs too: retries, isolation, limits, labels, time limits.
 *
 * ```ts
 * class Shout extends JobRunner<{ text: string }, string> {
 *   readonly taskName = 'Shout';
 *   readonly args = z.object({ text: z.string() });
 *   override readonly result = z.string();
 *   run({ text }) { return text.toUpperCase(); }
 * }
 * ```
 */
export abstract class JobRunner<Args extends object, Result = unknown> extends SubjectTaskRunner<JobSubject> {
  /** What the arguments must be: an object of JSON. What it does not know is tolerated and dropped, see {@link readArguments}. */
  abstract readonly args: z.ZodType<Args>;
  /** What `run` returns and `wait` gives; undefined: any JSON. */
  readonly result: z.ZodType<Result> | undefined = undefined;
  /** One sentence for the pages. */
  readonly description: string = '';
  /** Whom to ask about it. */
  readonly owner: string = '';
  /** Jobs of a type that is not active stay pending. */
  readonly active: boolean = true;
  /** How often jobs are looked for whose announcement was lost; all others begin at once. */
  readonly schedule: string | number = '* * * * *';
  readonly prerequisites: Readonly<Record<string, string>> = {};
  readonly failedStatusMessage: string = 'failed';
  override readonly cancelledStatusMessage: string = 'cancelled';
  override readonly returns: readonly string[] | undefined = ['completed', 'skipped'];

  /** How many of one `limitId` may be pending or running; undefined: any number. Write `as const` where its action is `silence`, so that `enqueue` says that it may give undefined. */
  readonly limit: JobLimit | undefined = undefined;
  /** How many of one key may run at once, the others wait for their turn in the order in which they were enqueued; undefined: any number. */
  readonly concurrencyPerKey: number | undefined = undefined;
  /** Whether and how jobs of one key that have not begun are put together. */
  readonly debounce: Debounce | undefined = undefined;
  /** Whether a job makes older ones of its key superfluous: those that have not begun are skipped, those that run can ask `context.isSuperseded()`. */
  readonly supersedes: boolean = false;

  /** Which jobs belong together; undefined: this one is for itself. */
  key?(args: Args): string | undefined;

  /** What the limit counts by: the key unless given, and all jobs of the class where there is none. */
  limitId?(args: Args): string;

  /** Its jobs are subjects of a kind of their own. */
  get kind(): string {
    return `${JOB_KIND}${this.taskName}`;
  }

  /**
   * Does the work. What is thrown leaves the job `failed`, or has it tried again as `retry` says.
   *
   * @returns the result, JSON; or {@link skip}
   */
  abstract run(args: Args, context: JobContext): Promise<Result | Skipped | void> | Result | Skipped | void;

  /** Reads the arguments, calls {@link run} and checks what it returns. */
  async runProcess(job: JobSubject, context: RunContext): Promise<string | Outcome> {
    const { args, unknown } = readArguments(this, job.data);
    if (unknown.length > 0) {
      context.log.warn(`arguments that version ${this.version} of "${this.taskName}" does not know were left out: ${unknown.join(', ')}`);
    }
    const returned = await this.run(args as Args, withJob(context, { id: job.id, name: this.taskName }));
    if (returned instanceof Skipped) return { status: 'skipped', result: { ...returned.details, reason: returned.reason } };
    return { status: 'completed', result: this.#checked(returned) };
  }

  #checked(returned: unknown): Json {
    const checked = this.result?.safeParse(returned);
    if (checked?.success === false) {
      const problems = checked.error.issues.map(({ path, message }) => `${['result', ...path.map(String)].join('.')}: ${message}`);
      throw new OutcomeError(`The job "${this.taskName}" returned what its type does not declare: ${problems.join('; ')}.`);
    }
    // As it was returned: the reader's schema makes of it what it declares.
    return returned as Json;
  }
}

/** The context with the job in it; its other fields may be getters that must not be touched before they are needed. */
function withJob(context: RunContext, job: JobContext['job']): JobContext {
  return Object.create(context, { job: { value: job, enumerable: true } }) as JobContext;
}
