import { CancelledError, LeaseLostError } from '../errors.ts';

/** An attempt that runs here, or waits here for a free place. */
export interface HeldAttempt {
  subjectId: string;
  taskId: number;
  attempt: number;
  task: string;
  subject: string;
  /** 0…1, as the runner last said. */
  progress: number | undefined;
  /** Whether its runner has been called. */
  begun: boolean;
  /** Whether its runner has come to an end, or was given up: all that is left is to write that. */
  over: boolean;
  timeLimitSeconds: number | null;
  /** Tells the runner to stop. */
  abort(reason: Error): void;
}

/** Who keeps the leases alive; it is told of each attempt before its runner is called, and when its end is written. */
export interface LeaseKeeper {
  added(attempt: HeldAttempt): void;
  ended(attempt: HeldAttempt): void;
}

/** The attempts whose leases this daemon keeps alive. */
export class Leases {
  readonly #held = new Map<string, HeldAttempt>();
  #keeper: LeaseKeeper | undefined;

  get size(): number {
    return this.#held.size;
  }

  get all(): readonly HeldAttempt[] {
    return [...this.#held.values()];
  }

  /** From now on it hears of what is added and what has ended. */
  keepBy(keeper: LeaseKeeper): void {
    this.#keeper = keeper;
  }

  add(attempt: HeldAttempt): void {
    this.#held.set(keyOf(attempt), attempt);
    this.#keeper?.added(attempt);
  }

  delete(attempt: HeldAttempt): void {
    if (this.#held.delete(keyOf(attempt))) this.#keeper?.ended(attempt);
  }

  /** The entry was taken away (rescued, reset by a person): the runner is told to stop, with a {@link LeaseLostError}. */
  lost(key: string): void {
    const attempt = this.#running(key);
    attempt?.abort(new LeaseLostError(attempt));
  }

  /** A person wants it stopped: the runner is told, with a {@link CancelledError}. */
  cancelled(key: string, by: string, reason: string): void {
    this.#running(key)?.abort(new CancelledError(by, reason));
  }

  // News may be late: of an attempt that has ended since, and of one whose end is being written, nobody wants to hear.
  #running(key: string): HeldAttempt | undefined {
    const attempt = this.#held.get(key);
    return attempt?.over === true ? undefined : attempt;
  }
}

/** Tells an attempt from all others. With its number: an entry that was taken from us may be ours again before the old attempt has noticed. */
export const keyOf = ({ subjectId, taskId, attempt }: Pick<HeldAttempt, 'subjectId' | 'taskId' | 'attempt'>) => `${subjectId}/${taskId}/${attempt}`;
