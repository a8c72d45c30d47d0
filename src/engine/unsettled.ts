import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Running } from './running.ts';

/** A runner that was told to stop, was given up, and still runs. */
export interface UnsettledRun extends Running {
  /** When it was given up. */
  since: Date;
}

/** Runs that a sentence names at most. */
const MOST_NAMES = 5;

/**
 * The runs of this process that go on although nobody waits for them any more: what they hold (memory, sockets, files) is
 * held until they settle, or the process ends.
 */
export class Unsettled {
  readonly #runs = new Set<UnsettledRun>();
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Oldest first. */
  get all(): readonly UnsettledRun[] {
    return [...this.#runs];
  }

  /** Whole sentences; empty where nothing goes on. */
  get troubles(): string[] {
    if (this.#runs.size === 0) return [];
    const now = this.#clock.now().getTime();
    const names = this.all.slice(0, MOST_NAMES).map((run) => `${nameOf(run)} (for ${Math.round((now - run.since.getTime()) / 1000)} s)`);
    if (this.#runs.size > MOST_NAMES) names.push(`${this.#runs.size - MOST_NAMES} more`);
    return [`${this.#runs.size} unsettled: told to stop and given up, but still running: ${names.join(', ')}`];
  }

  /**
   * Takes up a run that was given up.
   *
   * @param settled resolves or rejects when the runner comes to an end after all
   * @param patienceSeconds how long it may still take without being called unsettled
   */
  add(run: Running, settled: Promise<unknown>, patienceSeconds: number): void {
    const unsettled: UnsettledRun = { ...run, since: this.#clock.now() };
    const startedMs = this.#clock.monotonicMs();
    const patience = setTimeout(() => {
      this.#runs.add(unsettled);
      this.#log.warn(run, `${nameOf(run)} was told to stop and given up, but its runner still runs`);
    }, patienceSeconds * 1000).unref();
    const end = (): void => {
      clearTimeout(patience);
      if (!this.#runs.delete(unsettled)) return;
      const seconds = (this.#clock.monotonicMs() - startedMs) / 1000;
      this.#log.info({ ...run, seconds }, `the runner of ${nameOf(run)} has come to an end, ${Math.round(seconds)} s after it was given up`);
    };
    settled.then(end, end);
  }
}

const nameOf = ({ task, subject }: Running): string => (subject === undefined ? `"${task}"` : `"${task}" of ${subject}`);
