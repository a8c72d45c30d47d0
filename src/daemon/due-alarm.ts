/** setTimeout fires a little early now and then; what is not due yet is then not found. */
const LATER_MS = 5;

/** Wakes somebody at the next time that an entry waits for, so that nobody has to look often. */
export class DueAlarm {
  readonly #wake: () => Promise<void>;
  readonly #withinSeconds: number;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Infinity;

  /** @param withinSeconds what is later than this is found by those who look anyhow */
  constructor(withinSeconds: number, wake: () => Promise<void>) {
    this.#withinSeconds = withinSeconds;
    this.#wake = wake;
  }

  /** Something is due in so many seconds. Of several times, the earliest counts. */
  set(seconds: number | null): void {
    if (seconds === null || !(seconds <= this.#withinSeconds)) return;
    const atMs = performance.now() + Math.max(0, seconds) * 1000;
    if (atMs >= this.#atMs) return;
    this.stop();
    this.#atMs = atMs;
    this.#timer = setTimeout(() => {
      this.#atMs = Infinity;
      void this.#wake();
    }, atMs - performance.now() + LATER_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#atMs = Infinity;
  }
}
