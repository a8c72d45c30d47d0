import { z } from 'zod';
import { JobRunner, type JobContext } from '../../src/runner/job.ts';
import type { Debounce, JobLimit } from '../../src/runner/job-policies.ts';
import type { Qualifier } from '../../src/runner/qualifier.ts';
import type { RetryPolicy } from '../../src/runner/retry-policy.ts';

/** Arguments of keyed jobs; the key is not the first of them. */
export interface KeyedArgs {
  n?: number | undefined;
  list?: number[] | undefined;
  repo?: string | undefined;
}

/** What a test says of a class of jobs. */
export interface Policies {
  limit?: JobLimit;
  concurrencyPerKey?: number;
  debounce?: Debounce;
  supersedes?: boolean;
  retry?: Partial<RetryPolicy>;
  timeLimitSeconds?: number;
  qualifiers?: readonly Qualifier[];
}

/** Jobs whose key is their `repo`, with the policies that a test gives them. */
export class KeyedJob extends JobRunner<KeyedArgs> {
  readonly taskName: string;
  readonly args = z.object({ n: z.number().optional(), list: z.array(z.number()).optional(), repo: z.string().optional() });
  override readonly limit: JobLimit | undefined;
  override readonly concurrencyPerKey: number | undefined;
  override readonly debounce: Debounce | undefined;
  override readonly supersedes: boolean;
  override readonly retry: Partial<RetryPolicy>;
  override readonly timeLimitSeconds: number | undefined;
  override readonly qualifiers: readonly Qualifier[];
  /** Arguments of every call, in order. */
  readonly runs: KeyedArgs[] = [];
  /** The most calls at once, of all and by key. */
  readonly most = new Map<string, number>();
  readonly #now = new Map<string, number>();
  readonly #does: (args: KeyedArgs, context: JobContext) => unknown;

  constructor(taskName: string, { limit, concurrencyPerKey, debounce, supersedes = false, retry = {}, timeLimitSeconds, qualifiers = [] }: Policies, does: (args: KeyedArgs, context: JobContext) => unknown = () => undefined) {
    super();
    this.taskName = taskName;
    this.limit = limit;
    this.concurrencyPerKey = concurrencyPerKey;
    this.debounce = debounce;
    this.supersedes = supersedes;
    this.retry = retry;
    this.timeLimitSeconds = timeLimitSeconds;
    this.qualifiers = qualifiers;
    this.#does = does;
  }

  override key({ repo }: KeyedArgs): string | undefined {
    return repo;
  }

  async run(args: KeyedArgs, context: JobContext): Promise<unknown> {
    this.runs.push(args);
    this.#count(args.repo, 1);
    this.#count('all', 1);
    try {
      return await this.#does(args, context);
    } finally {
      this.#count(args.repo, -1);
      this.#count('all', -1);
    }
  }

  #count(key: string | undefined, by: number): void {
    if (key === undefined) return;
    const now = (this.#now.get(key) ?? 0) + by;
    this.#now.set(key, now);
    this.most.set(key, Math.max(this.most.get(key) ?? 0, now));
  }
}
