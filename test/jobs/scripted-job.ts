import { z } from 'zod';
import { JobRunner, type JobContext } from '../../src/runner/job.ts';
import type { RetryPolicy } from '../../src/runner/retry-policy.ts';

/** What a scripted job does; it may return or throw anything. */
export type JobScript = (args: Args, context: JobContext) => unknown;

export interface Args {
  n?: number | undefined;
  text?: string | undefined;
}

/** A type of jobs that does what the test tells it. */
export class ScriptedJob extends JobRunner<Args> {
  readonly taskName: string;
  readonly args = z.object({ n: z.number().optional(), text: z.string().optional() });
  override readonly retry: Partial<RetryPolicy>;
  override readonly timeLimitSeconds: number | undefined;
  /** Arguments of every call, in order. */
  readonly runs: Args[] = [];
  readonly #begun = new Map<string, PromiseWithResolvers<void>>();
  #does: JobScript;

  constructor(name: string, does: JobScript = () => undefined, { retry = {}, timeLimitSeconds }: { retry?: Partial<RetryPolicy>; timeLimitSeconds?: number } = {}) {
    super();
    this.taskName = name;
    this.#does = does;
    this.retry = retry;
    this.timeLimitSeconds = timeLimitSeconds;
  }

  does(script: JobScript): this {
    this.#does = script;
    return this;
  }

  /** Resolves when an attempt on the job begins, or has begun. */
  begins({ id }: { id: string }): Promise<void> {
    return this.#word(id).promise;
  }

  #word(id: string): PromiseWithResolvers<void> {
    const word = this.#begun.get(id) ?? Promise.withResolvers<void>();
    this.#begun.set(id, word);
    return word;
  }

  async run(args: Args, context: JobContext): Promise<unknown> {
    this.runs.push(args);
    this.#word(context.job.id).resolve();
    return this.#does(args, context);
  }
}

/** Goes on until it is told to stop, and then throws what the signal says, as `fetch` does. */
export const obeys: JobScript = (_args, { signal }) => new Promise((_resolve, reject) => {
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
});

/** Goes on until the gate opens, whatever it is told. */
export function gate(): { script: JobScript; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { script: async () => promise, open: resolve };
}
