import type { Json } from './outcome.ts';

/** A job of a run of scripts, as hooks see it. */
export interface HookJob {
  readonly name: string;
  /** Everything that the file of jobs says of it, but for its steps. */
  readonly parameters: { readonly [key: string]: Json | undefined };
}

/** What a script of a run stands at: `failed` says too that it ran over its time limit. */
export type HookState = 'waiting' | 'running' | 'success' | 'unchanged' | 'failed' | 'skipped';

/** A script that another one waits for, or that waits for it. */
export interface HookRelative {
  /** The path from the folder of the file of jobs. */
  readonly script: string;
  readonly job: HookJob;
  readonly state: HookState;
  /** What it printed between its markers, `status` among it; undefined where it has not ended, or printed nothing. */
  readonly result: { readonly [key: string]: Json | undefined } | undefined;
}

/** A script of a run that is about to be run. */
export interface HookTask {
  readonly script: string;
  readonly run: { readonly name: string; readonly number: number };
  /** The first job that names it. */
  readonly job: HookJob;
  readonly jobs: readonly HookJob[];
  readonly parents: readonly HookRelative[];
  readonly children: readonly HookRelative[];
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Its arguments; those of the job until `onTaskReady` changes them. */
  args: string[];
  /** More for the JSON on its standard input, beside `task`, `run`, `job`, `results`, `attempt` and `idempotencyKey`. */
  input: { [key: string]: Json | undefined };
}

/** A script of a run that has ended. */
export interface EndedHookTask extends Readonly<HookTask> {
  readonly state: 'success' | 'unchanged' | 'failed';
  readonly result: { readonly [key: string]: Json | undefined } | undefined;
  /** Why it failed, or why it was not run; a whole sentence. */
  readonly reason: string | undefined;
  /** What it printed beside its result, the lines that were kept. */
  readonly stdout: string;
  /** The end of what it wrote to standard error. */
  readonly stderr: string;
}

/** What a hooks file of `afterglow run-jobs --hooks` may export. */
export interface RunHooks {
  /** Its parents have ended, it is about to be compared with its last success, and run. May set `args` and `input`. What it throws fails the script. */
  onTaskReady?(task: HookTask): Promise<void> | void;
  /** It has succeeded, or is unchanged, and that is written. What this throws makes the run fail, and stops nothing. */
  onTaskComplete?(task: EndedHookTask): Promise<void> | void;
  /** It has failed, for the last time, and that is written. What this throws makes the run fail, and stops nothing. */
  onTaskFail?(task: EndedHookTask): Promise<void> | void;
}
