/** Runs are kept on hand for so long, as their mean tells. */
const ON_HAND_MS = 30;
/** Claims under way at once: the longer one takes, the more the next one finds free. */
const MOST_CLAIMS = 2;

/**
 * How much a daemon may have in its hands: `concurrency` runs at once, and beside them a few claimed entries that wait for
 * a place, so that short runs do not wait for the database. The longer the runs, the fewer wait; none from about 30 ms on,
 * because an entry that waits here could run elsewhere.
 */
export class Places {
  readonly concurrency: number;
  #running = 0;
  #held = 0;
  #claiming = 0;
  /** Mean milliseconds of recent runs. */
  #meanMs = ON_HAND_MS;
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  get running(): number {
    return this.#running;
  }

  /** Entries claimed and not yet written. */
  get held(): number {
    return this.#held;
  }

  /**
   * Waits until enough entries may be claimed and nobody else is claiming, and reserves room for some: half of what there is at most,
   * so that no task takes all. Whoever reserves says {@link claimed} when the claim has come back.
   */
  async reserve(): Promise<number> {
    while (!this.#mayClaim) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const room = Math.max(1, Math.min(this.#free, Math.ceil(this.#capacity / 2)));
    this.#held += room;
    this.#claiming += 1;
    return room;
  }

  /** A claim has come back: gives back the room that it did not use. */
  claimed(unused: number): void {
    this.#claiming -= 1;
    this.free(unused);
  }

  /** Counts an entry that was claimed without asking for room. */
  take(): void {
    this.#held += 1;
  }

  /** Gives room back: reserved and not used, or an entry's end is written. */
  free(entries: number): void {
    this.#held -= entries;
    if (this.#mayClaim) this.#waiting.shift()?.();
  }

  /** Runs as soon as one of the `concurrency` places is free; in the order of the calls. */
  run(act: () => Promise<void>): void {
    this.#queue.push(act);
    this.#next();
  }

  /** Runs all that waits for a place at once, however many: for runs that have been told to stop and will not begin. */
  hurry(): void {
    for (const act of this.#queue.splice(0)) this.#begin(act);
  }

  get #capacity(): number {
    const waiting = Math.min(4, Math.ceil(ON_HAND_MS / Math.max(this.#meanMs, 0.1)) - 1);
    return this.concurrency * (1 + Math.max(0, waiting));
  }

  // A statement costs as much for one entry as for ten. Where some wait here, nothing stands still while a quarter of the room comes free.
  get #mayClaim(): boolean {
    const least = this.#capacity > this.concurrency ? Math.ceil(this.#capacity / 4) : 1;
    return this.#free >= least && this.#claiming < MOST_CLAIMS;
  }

  get #free(): number {
    return this.#capacity - this.#held;
  }

  #next(): void {
    while (this.#running < this.concurrency && this.#queue.length > 0) this.#begin(this.#queue.shift()!);
  }

  #begin(act: () => Promise<void>): void {
    this.#running += 1;
    const started = performance.now();
    void act().finally(() => {
      this.#running -= 1;
      this.#meanMs += ((performance.now() - started) - this.#meanMs) / 16;
      this.#next();
    });
  }
}
