/**
 * How much a daemon may have in its hands: `concurrency` runs at once, and beside them a few claimed entries that wait for
 * a place, so that short runs do not wait for the database. The longer the runs, the fewer wait; none from about 20 ms on,
 * because an entry that waits here could run elsewhere.
 */
export class Places {
  readonly concurrency: number;
  #running = 0;
  #held = 0;
  /** Mean milliseconds of recent runs. */
  #meanMs = 20;
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

  /** Waits until at least one entry may be claimed, and reserves room for some: half of what there is at most, so that no task takes all. */
  async reserve(): Promise<number> {
    while (this.#free < 1) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const room = Math.max(1, Math.min(this.#free, Math.ceil(this.#capacity / 2)));
    this.#held += room;
    return room;
  }

  /** Counts an entry that was claimed without asking for room. */
  take(): void {
    this.#held += 1;
  }

  /** Gives room back: reserved and not used, or an entry's end is written. */
  free(entries: number): void {
    this.#held -= entries;
    while (this.#free >= 1 && this.#waiting.length > 0) this.#waiting.shift()!();
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
    const waiting = Math.min(4, Math.floor(20 / Math.max(this.#meanMs, 0.1)) - 1);
    return this.concurrency * (1 + Math.max(0, waiting));
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
