import type { RunLog } from '../runner/context.ts';
import type { RunEnd } from './run.ts';

/** An attempt as hooks know it. */
export interface HookedAttempt {
  task: string;
  kind: string;
  taskId: number;
  attempt: number;
  subject: { id: string; name: string; data: unknown };
  log: RunLog;
  signal: AbortSignal;
}

/** What is done before and after attempts. The engine only asks; what hooks there are is no matter of the engine's. */
export interface Hooks {
  /** Whether any are for the task. */
  has(task: string): boolean;
  /** @returns what the attempt has failed of, if a hook says so. It never throws. */
  before(attempt: HookedAttempt): Promise<Error | undefined>;
  /** @returns what the attempt has failed of, whatever its runner came to, if a hook says so. It never throws. */
  after(attempt: HookedAttempt, end: RunEnd): Promise<Error | undefined>;
}
