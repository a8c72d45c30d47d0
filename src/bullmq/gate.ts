/** Lets at most so many through at once, in the order in which they came. */
export class Gate {
  readonly #most: number;
  #inside = 0;
  #closed = false;
  readonly #waiting: ((entered: boolean) => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether nobody is inside or waits. */
  get empty(): boolean {
    return this.#inside === 0 && this.#waiting.length === 0;
  }

  /** Resolves with true when there is room; who entered must {@link leave}. False where the gate was closed. */
  enter(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    if (this.#inside < this.#most) {
      this.#inside += 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inside -= 1;
    else next(true);
  }

  /** Sends everybody away who waits, and whoever comes. */
  close(): void {
    this.#closed = true;
    for (const turnAway of this.#waiting.splice(0)) turnAway(false);
  }
}
