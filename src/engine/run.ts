import { CancelledError, LeaseLostError, OutcomeError, StoppingError, TimeLimitError } from '../errors.ts';
import type { RunContext } from '../runner/context.ts';
import type { Outcome } from '../runner/outcome.ts';
import type { SubjectTaskRunner } from '../runner/runner.ts';
import { PROCESSING, TIME_LIMIT_EXCEEDED } from '../status/status.ts';
import { describeError, storable } from '../db/storable.ts';

/** What an attempt came to, before it is written. */
export interface RunEnd {
  cause: 'finish' | 'fail' | 'time out' | 'release' | 'cancel';
  status: string;
  result?: ReturnType<typeof storable>;
  warning?: string;
  cost?: number;
  error?: unknown;
}

/** After its time limit, or when a person cancels it, a runner has this long to settle before its place is given to others, unless the options say otherwise. */
export const SETTLE_SECONDS = 5;

/**
 * Runs one attempt to its end. It never throws: whatever the runner does becomes an end with a legal status, or undefined
 * where the lease was lost and nothing may be written.
 *
 * @param options `statuses`: every known status message; `claimFrom`: the status that the entry goes back to when the daemon stops;
 *   `onUnsettled`: called when the runner is given up while it still runs, with what settles when it comes to an end after all
 */
export async function runAttempt(
  runner: SubjectTaskRunner<unknown>,
  subject: unknown,
  context: RunContext,
  abort: AbortController,
  options: { timeLimitSeconds: number | null; statuses: ReadonlySet<string>; claimFrom: string; settleSeconds?: number; onUnsettled?: (settled: Promise<unknown>) => void },
): Promise<RunEnd | undefined> {
  const limit = options.timeLimitSeconds;
  const startedMs = context.clock.monotonicMs();
  const timers: NodeJS.Timeout[] = [];
  if (limit !== null && Number.isFinite(limit)) {
    // setTimeout cannot count further than 2^31 ms; a limit of more than 24 days is none.
    if (limit * 1000 < 2 ** 31) timers.push(setTimeout(() => abort.abort(new TimeLimitError(limit)), limit * 1000));
  }
  const abandoned = new Promise<never>((_resolve, reject) => {
    abort.signal.addEventListener('abort', () => {
      // A script is killed where it does not stop by itself; while it lives, it may still write.
      if (runner.isolation === 'script') return;
      const { reason } = abort.signal as { reason: unknown };
      const wait = isPatient(reason) ? (options.settleSeconds ?? SETTLE_SECONDS) * 1000 : 0;
      // A lost lease or the end of the grace time is not argued with; what the runner still does is not written.
      timers.push(setTimeout(() => reject(reason as Error), wait));
    });
  });
  abandoned.catch(() => {});
  let isSettled = false;
  const running = invoke(runner, subject, context).finally(() => (isSettled = true));
  try {
    const returned = await Promise.race([running, abandoned]);
    // A runner that computes without a break comes back before the timer can fire.
    if (limit !== null && context.clock.monotonicMs() - startedMs > limit * 1000) abort.abort(new TimeLimitError(limit));
    if (abort.signal.aborted) throw abort.signal.reason;
    return finished(runner, returned, options.statuses);
  } catch (error) {
    // A runner that passes the signal on throws an AbortError of its own; what counts is why it was told to stop.
    if (abort.signal.aborted) return stopped(abort.signal.reason, runner, options.claimFrom);
    return { cause: 'fail', status: runner.failedStatusMessage, error: error ?? new OutcomeError(`The runner of "${runner.taskName}" threw ${String(error)}.`) };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    if (!isSettled) options.onUnsettled?.(running);
  }
}

/** Whether a runner that is told to stop for this reason has time to settle before it is given up. */
export const isPatient = (reason: unknown): boolean => reason instanceof TimeLimitError || reason instanceof CancelledError;

/** Calls a runner, for as long as it takes, and gives what it gave back. @throws {OutcomeError} it gave back what is no outcome @throws whatever it throws */
export async function outcomeOf(runner: SubjectTaskRunner<unknown>, subject: unknown, context: RunContext, statuses: ReadonlySet<string>): Promise<RunEnd> {
  return finished(runner, await invoke(runner, subject, context), statuses);
}

/** The end of an attempt that was told to stop, by the reason; undefined where nothing may be written. */
export function stopped(reason: unknown, runner: Pick<SubjectTaskRunner<unknown>, 'cancelledStatusMessage'>, claimFrom: string): RunEnd | undefined {
  if (reason instanceof LeaseLostError) return undefined;
  if (reason instanceof StoppingError) return { cause: 'release', status: claimFrom };
  if (reason instanceof CancelledError) return { cause: 'cancel', status: runner.cancelledStatusMessage ?? claimFrom, error: reason };
  return { cause: 'time out', status: TIME_LIMIT_EXCEEDED, error: reason };
}

// Its own function, so that a runner that throws before its first await rejects like any other.
async function invoke(runner: SubjectTaskRunner<unknown>, subject: unknown, context: RunContext): Promise<unknown> {
  return runner.runProcess(subject, context);
}

function finished(runner: SubjectTaskRunner<unknown>, returned: unknown, statuses: ReadonlySet<string>): RunEnd {
  const outcome: Partial<Outcome> = typeof returned === 'string' ? { status: returned } : ((returned ?? {}) as Partial<Outcome>);
  const { status, result, warning, cost } = outcome;
  if (typeof status !== 'string') {
    throw new OutcomeError(`The runner of "${runner.taskName}" must return a status message or an object with a status; it returned ${show(returned)}.`);
  }
  if (status === PROCESSING) throw new OutcomeError(`The runner of "${runner.taskName}" returned "${PROCESSING}", which only a running attempt has.`);
  const known = (runner.returns === undefined ? [...statuses] : [...runner.returns, runner.failedStatusMessage]).filter((name) => name !== PROCESSING);
  if (!known.includes(status) || !statuses.has(status)) {
    throw new OutcomeError(`The runner of "${runner.taskName}" returned the unknown status ${show(status)}. Known: ${known.map((name) => `"${name}"`).join(', ')}.`);
  }
  if (warning !== undefined && typeof warning !== 'string') throw new OutcomeError(`The warning must be a text, it is ${show(warning)}.`);
  if (cost !== undefined && !Number.isFinite(cost)) throw new OutcomeError(`The cost must be a finite number, it is ${show(cost)}.`);
  return { cause: 'finish', status, result: storable(result, 'result'), warning: warning === undefined ? undefined : (storable(warning, 'warning') as string), cost };
}

const show = (value: unknown): string => {
  const text = typeof value === 'string' ? JSON.stringify(value) : (json(value) ?? describeError(value).message);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};

function json(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
