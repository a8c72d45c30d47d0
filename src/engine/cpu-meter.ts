/** Milliseconds between two readings at least. */
const FINEST_MS = 1;

/**
 * Shares the CPU time of this process out among the attempts that run side by side: at every start and end, what was used
 * since the last one is divided equally among those that ran. The shares of all attempts add up to the process's own time.
 */
export class CpuMeter {
  #active = 0;
  #readAt = 0;
  #used = process.cpuUsage();
  /** CPU seconds that an attempt which ran all the time would have by now. */
  #perAttempt = 0;

  /** Starts measuring one attempt; the function that comes back ends it and gives its CPU seconds. */
  start(): () => number {
    this.#settle();
    this.#active += 1;
    const before = this.#perAttempt;
    return () => {
      this.#settle();
      this.#active -= 1;
      return this.#perAttempt - before;
    };
  }

  #settle(): void {
    // Asking the kernel can take a tenth of a millisecond, which is more than many a run; what is used meanwhile counts next time.
    const at = performance.now();
    if (at - this.#readAt < FINEST_MS) return;
    this.#readAt = at;
    const now = process.cpuUsage();
    const seconds = (now.user - this.#used.user + now.system - this.#used.system) / 1e6;
    this.#used = now;
    if (this.#active > 0) this.#perAttempt += seconds / this.#active;
  }
}
