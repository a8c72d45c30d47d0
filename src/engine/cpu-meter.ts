/**
 * Shares the CPU time of this process out among the attempts that run side by side: at every start and end, what was used
 * since the last one is divided equally among those that ran. The shares of all attempts add up to the process's own time.
 */
export class CpuMeter {
  #active = 0;
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
    const now = process.cpuUsage();
    const seconds = (now.user - this.#used.user + now.system - this.#used.system) / 1e6;
    this.#used = now;
    if (this.#active > 0) this.#perAttempt += seconds / this.#active;
  }
}
