import type { RunLog } from '../runner/context.ts';
import type { SubjectTaskRunner } from '../runner/runner.ts';
import type { Ending } from './advance.ts';
import type { RunEnd } from './run.ts';

/** Runs runners in processes of their own. The engine only asks; how it is done is no matter of the engine's. */
export interface Isolation {
  /** Attempts that run at once at most. */
  readonly most: number;
  /** Runs one attempt. It never throws: whatever happens to the process becomes a result. */
  run(run: IsolatedRun): Promise<IsolatedResult>;
}

/** One attempt that is to run in a process of its own. */
export interface IsolatedRun {
  runner: SubjectTaskRunner<unknown>;
  /** What the runner gets. */
  subject: { id: string; name: string };
  taskId: number;
  attempt: number;
  /** Every known status message. */
  statuses: ReadonlySet<string>;
  /** From the moment at which the runner is called; null for none. */
  timeLimitSeconds: number | null;
  /** Aborted by us at the time limit, and by others for reasons of theirs: the runner is told, and after a grace time its process is killed. */
  abort: AbortController;
  log: RunLog;
  progress(fraction: number): void;
}

/** What came of it. Nothing is written yet; exactly one of `commit` and `rollback` must be called. */
export interface IsolatedResult {
  /** What the runner gave back, checked, or what it threw or its process died of. Where the attempt was aborted, what counts is the reason of that. */
  outcome: { returned: RunEnd } | { thrown: unknown };
  wallSeconds: number;
  cpuSeconds: number;
  /** Whether the runner wrote to the database: then its ending must be committed with its writes. */
  wrote: boolean;
  /** The error of a statement that failed because the database went away. */
  interruption: unknown;
  /**
   * Commits what the runner wrote together with how it ended.
   *
   * @throws {LeaseLostError} the attempt holds its lease no more; nothing was written
   * @throws whatever else kept it from being committed
   */
  commit(actor: string, ending: Ending): Promise<void>;
  /** Forgets what the runner wrote. */
  rollback(): Promise<void>;
}
