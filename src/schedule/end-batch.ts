import { isConnectionError } from '../db/connection-error.ts';
import type { Hot } from '../db/hot.ts';
import { endTicks, type EndedTick } from './tick.ts';

/** How long an end waits for others, milliseconds. Many runners have the same schedule, and most of their ticks find nothing to do. */
const GATHER_MS = 20;

interface Waiting {
  ended: EndedTick;
  resolve: (recorded: boolean) => void;
  reject: (error: unknown) => void;
}

/** Writes the ends of ticks that end at about the same time in one statement. */
export class EndBatch {
  readonly #hot: Hot;
  readonly #now: () => Date;
  #gathered: Waiting[] = [];

  /** @param now the instant after which the next slots are looked for */
  constructor(hot: Hot, now: () => Date) {
    this.#hot = hot;
    this.#now = now;
  }

  /** Resolves when the end is written: whether the tick was still ours. */
  write(ended: EndedTick): Promise<boolean> {
    if (this.#gathered.length === 0) setTimeout(() => void this.#flush(), GATHER_MS);
    return new Promise((resolve, reject) => this.#gathered.push({ ended, resolve, reject }));
  }

  async #flush(): Promise<void> {
    const batch = this.#gathered;
    this.#gathered = [];
    await this.#end(batch);
  }

  async #end(batch: Waiting[]): Promise<void> {
    try {
      const ours = await endTicks(this.#hot, batch.map(({ ended }) => ended), this.#now());
      for (const { ended, resolve } of batch) resolve(ours.has(ended.tick.id));
    } catch (error) {
      // One that cannot be written must not keep the others from it.
      if (batch.length > 1 && !isConnectionError(error)) await Promise.all(batch.map((one) => this.#end([one])));
      else for (const { reject } of batch) reject(error);
    }
  }
}
