import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import type { Jobs } from './jobs.ts';
import { detachedLock, type LockOptions, type NamedLock } from './named-lock.ts';
import type { Json } from './outcome.ts';

/** Lines that are kept with the attempt and shown on its page; also written to the daemon's log. */
export interface RunLog {
  info(message: string, fields?: Record<string, Json>): void;
  warn(message: string, fields?: Record<string, Json>): void;
}

/** What a runner is given beside its object. */
export interface RunContext {
  /**
   * Reads and writes the database. The first write opens a transaction that is committed together with the new status,
   * or not at all; so write at the end, after the slow part. Its `commit` and `rollback` refuse to be called.
   */
  readonly em: EntityManager;
  readonly log: RunLog;
  /** Fires at the time limit, when the lease is lost and when the daemon stops; pass it to `fetch` and the like. `signal.reason` says which. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt of this entry, and one more each time. */
  readonly attempt: number;
  /** The same for every repetition of this attempt's effects and different for any other; give it to services outside. */
  readonly idempotencyKey: string;
  /** Every status message that there is; undefined where there is no daemon. */
  readonly statuses?: ReadonlySet<string> | undefined;
  readonly clock: Clock;
  /** Absolute path of a folder for products (plots, files), served at /products/. */
  readonly productsFolder: string;
  /** Absolute path of the data folder. */
  readonly dataFolder: string;
  /** Says how far the attempt is, 0…1. */
  progress(fraction: number): void;
  /**
   * Says that the work has come to a point that has a name, e.g. `uploaded`; "afterglow flow" shows when, and how long it took from one to
   * the next. Kept at once, and whatever comes of the attempt; the same may be said again, and in any order.
   */
  checkpoint(name: string, data?: Json): Promise<void>;
  /** In a runner without an object: the time that it was to be run at by its schedule, however late that is done. Elsewhere undefined. */
  readonly slot?: Date | undefined;
  /** What the last attempt of another task of the same object gave as its result; undefined where there is none. */
  result(task: string): Promise<Json | undefined>;
  /**
   * Takes a lock that one has at a time, over all daemons: `await using lock = await context.lock('ned', { seconds: 60 })`.
   * Where it is not had, or was lost, and the runner lets that error pass, the attempt is made again later.
   *
   * @throws {LockTakenError} somebody else has it, and had it for all of `waitSeconds`
   */
  lock(name: string, options: LockOptions): Promise<NamedLock>;
  /** Enqueues jobs and looks after them. What is enqueued is there when the attempt's result is, or never. */
  readonly jobs: Jobs;
  /**
   * In a job: whether a newer one of its key is pending, runs or is completed, so that it may leave the rest to that one. False where
   * that cannot be told: it is better to do the work twice than not at all.
   */
  isSuperseded(): Promise<boolean>;
  /** In a job: what its parents gave, in their order; null for one that was skipped. Elsewhere an empty list. */
  parentResults(): Promise<readonly Json[]>;
}

/**
 * A context for calling `runProcess` from a test or a notebook, without a daemon.
 *
 * @param given what the runner needs of it, e.g. `{ em, result: async () => ({ name: 'IC 494' }) }`;
 *   `em` throws when touched unless given, the rest has harmless defaults
 */
export function detachedContext(given: Partial<RunContext> = {}): RunContext {
  const lines: string[] = [];
  return {
    get em(): EntityManager {
      throw new TypeError('This runner reads or writes the database: give detachedContext an `em`.');
    },
    log: { info: (message) => void lines.push(message), warn: (message) => void lines.push(message) },
    signal: new AbortController().signal,
    attempt: 1,
    idempotencyKey: 'detached-1',
    clock: systemClock,
    productsFolder: '.',
    dataFolder: '.',
    progress: () => {},
    checkpoint: async () => {},
    result: async () => undefined,
    lock: async (name, options) => detachedLock(name, options),
    get jobs(): Jobs {
      throw new TypeError('This runner enqueues jobs: give detachedContext `jobs`.');
    },
    isSuperseded: async () => false,
    parentResults: async () => [],
    ...given,
  };
}
