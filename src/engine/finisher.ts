import { isConnectionError } from '../db/connection-error.ts';
import type { Hot } from '../db/hot.ts';
import { advance, type Ending } from './advance.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** Endings that one statement writes at most. */
const MOST_AT_ONCE = 500;
/** How long to wait before the database is asked again after it was away. */
const RETRY_MS = 500;

interface Waiting {
  ending: Ending;
  resolve: (held: boolean) => void;
  reject: (error: unknown) => void;
}

/**
 * Writes the endings of one task's attempts, many in one statement: while one statement is on its way the next endings
 * gather. Alone, an ending goes at once; under load, the database commits once for hundreds.
 */
export class Finisher {
  readonly #hot: Hot;
  readonly #taskId: number;
  readonly #actor: string;
  #waiting: Waiting[] = [];
  #busy = false;
  #patient = true;

  constructor(hot: Hot, taskId: number, actor: string) {
    this.#hot = hot;
    this.#taskId = taskId;
    this.#actor = actor;
  }

  /** @returns whether the attempt still held its lease; if not, nothing of it was written */
  finish(ending: Ending): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ending, resolve, reject });
      // A turn of the loop later, so that endings of the same moment go together.
      if (!this.#busy) setImmediate(() => void this.#flush());
    });
  }

  /** From now on a database that is away is not waited for: what cannot be written is rejected, and rescued when its lease is over. */
  hurry(): void {
    this.#patient = false;
  }

  async #flush(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MOST_AT_ONCE);
      try {
        const held = await retryDeadlock(() => advance(this.#hot.run, this.#taskId, this.#actor, batch.map(({ ending }) => ending)));
        for (const { ending, resolve } of batch) resolve(held.has(ending));
      } catch (error) {
        if (isConnectionError(error) && this.#patient) {
          // The database is away. What was computed is kept, and tried again until it is back.
          this.#waiting.unshift(...batch);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        } else if (isConnectionError(error)) for (const { reject } of batch) reject(error);
        else if (batch.length === 1) batch[0]!.reject(error);
        // One bad row must not fail its neighbours: each is written alone.
        else await this.#oneByOne(batch);
      }
    }
    this.#busy = false;
  }

  async #oneByOne(batch: readonly Waiting[]): Promise<void> {
    for (const { ending, resolve, reject } of batch) {
      try {
        const held = await retryDeadlock(() => advance(this.#hot.run, this.#taskId, this.#actor, [ending]));
        resolve(held.has(ending));
      } catch (error) {
        reject(error);
      }
    }
  }
}
