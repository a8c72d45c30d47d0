/**
 * What happens to an entry whose attempt failed of the machinery: a service that a runner declared ({@link ServiceError}), a
 * killed process, a lost lease, a database that went away. It waits a random time between 0 and
 * `min(capSeconds, baseSeconds × factor^(n − 1))` after its nth setback ("full jitter"), and is given up when `attempts` are used up.
 * Source of the formula: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 */
export interface RetryPolicy {
  /** Attempts in all, the first included; 1: never again. */
  readonly attempts: number;
  /** The longest first wait, seconds. */
  readonly baseSeconds: number;
  /** By how much the longest wait grows from one setback to the next. */
  readonly factor: number;
  /** The longest wait of all, seconds. A service that names a time (`retryAt`) is waited for however long that is. */
  readonly capSeconds: number;
  /** Retries of all entries of the task together within an hour by the clock; what comes beyond waits for the next hour, so that retries cannot become a storm. */
  readonly perHour: number;
  /** Whether what a runner throws without declaring it is retried too; a {@link PermanentError} never is. */
  readonly thrown: boolean;
  /** Whether an attempt over its time limit is retried too. */
  readonly timeLimit: boolean;
}

/** In force for whatever a runner's `retry` leaves out. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseSeconds: 10, factor: 2, capSeconds: 3600, perHour: 1000, thrown: false, timeLimit: false };

/** A runner's policy, whole. */
export const retryPolicyOf = (runner: { retry?: Partial<RetryPolicy> }): RetryPolicy => ({ ...DEFAULT_RETRY, ...runner.retry });

/**
 * Seconds until the next attempt.
 *
 * @param setbacks failures of the machinery since the entry's last result, this one included; from 1
 * @param random 0 ≤ random < 1
 */
export function waitSeconds({ baseSeconds, factor, capSeconds }: RetryPolicy, setbacks: number, random: number): number {
  // The power may be beyond all numbers, and nothing times that is no number.
  return random * Math.min(capSeconds, baseSeconds * Math.min(factor ** (setbacks - 1), Number.MAX_VALUE));
}
