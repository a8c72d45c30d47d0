import type { Logger } from '../log.ts';

/** What {@link Rest} asks and does. */
export interface RestOptions {
  /** Whether there is nothing left to do, anywhere. */
  isIdle: () => Promise<boolean>;
  /** Called when there is nothing left after there had been something: the products are drawn, say. */
  finish: () => Promise<void>;
  log: Logger;
}

/** Finds out when all work is done, has it finished off, and tells those who wait for that. One look at a time, so that nobody is told while products are drawn. */
export class Rest {
  readonly #options: RestOptions;
  readonly #waiting = new Set<() => void>();
  #worked = true;
  #isLooking = false;
  #again = false;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** There may be work. */
  disturb(): void {
    this.#worked = true;
  }

  /** Whether it is worth looking, though nothing has happened. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0 || this.#worked;
  }

  /** Resolves when there is nothing left to do. */
  async come(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      void this.look();
    });
  }

  /** Looks now. It never throws. */
  async look(): Promise<void> {
    this.#again = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#lookOnce();
      }
    } catch (error) {
      this.#options.log.error({ err: error }, 'could not tell whether there is work left');
    } finally {
      this.#isLooking = false;
    }
  }

  async #lookOnce(): Promise<void> {
    const { isIdle, finish } = this.#options;
    if (!(await isIdle())) return;
    const worked = this.#worked;
    this.#worked = false;
    if (worked) {
      await finish();
      if (!(await isIdle())) return;
    }
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
