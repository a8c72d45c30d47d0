import type { RunLog } from './context.ts';
import type { Json } from './outcome.ts';

/** What a hook gets to know of an attempt before it begins. */
export interface HookRun<Args = unknown> {
  readonly task: string;
  /** `transient`, a kind of your own, or `job:<task>`. */
  readonly kind: string;
  /** The object, or the job, whose name is its number. */
  readonly subject: { readonly id: string; readonly name: string };
  /** The arguments of a job as they were enqueued, under their own names, whatever these are; of an object what it keeps as `data`. */
  readonly args: Args;
  /** 1 for the first attempt, and one more each time. */
  readonly attempt: number;
  /** Lines that are kept with the attempt. */
  readonly log: RunLog;
  /** Fires when the attempt is to stop, and at the hook's own time limit. */
  readonly signal: AbortSignal;
}

/** How the attempt ended, for a hook that comes after it. Nothing of it is written yet, and a hook cannot change it. */
export interface HookEnd {
  readonly outcome: 'finished' | 'failed' | 'timed out' | 'cancelled';
  /** The status that the runner returned, or that is left behind where it threw. */
  readonly status: string;
  /** What the runner gave as its result. */
  readonly result?: Json | undefined;
  /** What it threw, or why it was told to stop. */
  readonly error?: unknown;
}

/**
 * Something to be done before and after the attempts of tasks and jobs, in the process that runs them. What it returns is kept
 * in the table `hook_call`, apart from the result of the attempt.
 */
export interface Hook<Args = unknown> {
  /** For people; unique among the hooks of a pipeline. */
  readonly name: string;
  /** Names of tasks; `*` stands for any letters, so that `*` alone means all. */
  readonly tasks: string | readonly string[];
  /** Whether it is for this attempt; unless given, it is for each. */
  readonly when?: (run: HookRun<Args>) => boolean | Promise<boolean>;
  /** Called when the entry is claimed, before its runner. */
  readonly before?: (run: HookRun<Args>) => Promise<Json | void> | Json | void;
  /** Called when the runner is done, before that is written. Not where the attempt is handed back or has lost its lease. */
  readonly after?: (run: HookRun<Args>, end: HookEnd) => Promise<Json | void> | Json | void;
  /** What becomes of the attempt when the hook throws or takes too long: `log` keeps the error with the hook alone, `fail` fails the attempt; `log` unless given. */
  readonly whenThrown?: 'log' | 'fail';
  /** How long each call may take, seconds; 30 unless given. */
  readonly timeLimitSeconds?: number;
}

/** Says which arguments a hook expects: `hook<{ field: string }>({ … })` may stand among hooks of other arguments. */
export const hook = <Args>(given: Hook<Args>): Hook => given as Hook;
