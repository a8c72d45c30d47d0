/** How many jobs of one key may be pending or running. */
export interface JobLimit {
  /** The most of one `limitId(args)`, all daemons together. */
  readonly most: number;
  /** What `enqueue` does beyond that: `error` throws {@link TaskLimitError}, `silence` gives undefined. `error` unless given. */
  readonly action?: 'error' | 'silence';
  /** What was enqueued within so many seconds counts too, where it was completed or skipped: the least distance between two of a key. */
  readonly withinSeconds?: number;
}

/** How jobs of one key are put together while they have not begun. */
export interface Debounce {
  /** A job begins so many seconds after the last one of its key was enqueued; 0: what is pending takes up what comes, and waits for nothing. */
  readonly seconds: number;
  /** It is put off no longer than so many seconds after it was enqueued; no end unless given. */
  readonly longestSeconds?: number;
  /** When so many of the key are there, it begins at once. */
  readonly enough?: number;
  /** The arguments of both; the newer ones unless given. */
  merge?(older: object, newer: object): object;
}

/** What a class of jobs says of jobs that belong together. */
export interface JobPolicies {
  /** No limit unless given. */
  readonly limit?: JobLimit | undefined;
  /** What the limit counts by; the key unless given, and all jobs of the class together where there is none. */
  limitId?(args: object): string;
  /** Which jobs belong together, e.g. `({ repo, commit }) => repo + ' ' + commit`; undefined: this one is for itself. */
  key?(args: object): string | undefined;
  /** How many jobs of one key may run at once, in the order in which they were enqueued; undefined: any number. With 1 they run one after another. */
  readonly concurrencyPerKey?: number | undefined;
  /** Whether and how jobs of one key are put together. */
  readonly debounce?: Debounce | undefined;
  /** Whether a job makes older ones of its key superfluous: those that have not begun are skipped. */
  readonly supersedes?: boolean | undefined;
}

/** Whether jobs of a class go by keys, so that they cannot be enqueued without it. */
export const goesByKeys = ({ limit, concurrencyPerKey, debounce, supersedes, key }: JobPolicies): boolean =>
  limit !== undefined || concurrencyPerKey !== undefined || debounce !== undefined || supersedes === true || key !== undefined;
