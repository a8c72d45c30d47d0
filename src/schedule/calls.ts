import type { Clock } from '../clock.ts';
import { isConnectionError } from '../db/connection-error.ts';
import type { Logger } from '../log.ts';
import { ClockSkew } from './clock-skew.ts';
import { DatabaseTime } from './database-time.ts';
import { within } from './deadline.ts';
import type { MissedReason, Trouble } from './missed.ts';

/** How slow an answer may be before slots that came meanwhile are laid to the database, seconds. */
const SLOW_SECONDS = 1;
/** By how much the time may move forward between two answers before the machine is taken to have slept, seconds. */
const SLEPT_SECONDS = 1;
/** Troubles that are remembered. */
const MOST_TROUBLES = 100;

/**
 * A scheduler's calls of the database: none is waited for longer than so many seconds, and each keeps the time. Remembers
 * when the database was away and when the machine slept, which is why slots may have been missed.
 */
export class Calls {
  readonly time: DatabaseTime;
  readonly #callSeconds: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #skew: ClockSkew;
  /** The newest first. */
  #troubles: Trouble[] = [];
  #awaySinceMs: number | undefined;

  constructor(clock: Clock, log: Logger, callSeconds: number) {
    this.#callSeconds = callSeconds;
    this.#clock = clock;
    this.#log = log;
    this.#skew = new ClockSkew(clock, log);
    this.time = new DatabaseTime(clock);
  }

  /**
   * @param act comes to an answer that says the database's clock, milliseconds, if it has one
   * @throws what `act` throws, or an error with the code ETIMEDOUT
   */
  async call<Answer extends { nowMs: number | undefined }>(act: () => Promise<Answer>): Promise<Answer> {
    const askedMs = this.#clock.monotonicMs();
    const answer = await this.watch(act);
    if (answer.nowMs !== undefined) this.#keepTime(askedMs, answer.nowMs);
    return answer;
  }

  /**
   * The same for what says no time.
   *
   * @throws what `act` throws, or an error with the code ETIMEDOUT
   */
  async watch<Answer>(act: () => Promise<Answer>): Promise<Answer> {
    const askedMs = this.time.nowMs();
    try {
      const answer = await within(this.#callSeconds, act());
      this.#answered(askedMs);
      return answer;
    } catch (error) {
      this.#failed(error, askedMs);
      throw error;
    }
  }

  /** What kept this process from firing slots; the newest first. */
  get troubles(): readonly Trouble[] {
    if (this.#awaySinceMs === undefined) return this.#troubles;
    return [{ fromMs: this.#awaySinceMs, untilMs: Infinity, reason: 'database away' }, ...this.#troubles];
  }

  #note(reason: MissedReason, fromMs: number, untilMs: number): void {
    this.#troubles = [{ fromMs, untilMs, reason }, ...this.#troubles].slice(0, MOST_TROUBLES);
  }

  #keepTime(askedMs: number, databaseMs: number): void {
    const answeredMs = this.#clock.monotonicMs();
    const expectedMs = this.time.nowMs();
    this.#skew.compare(answeredMs - askedMs, databaseMs);
    const movedMs = this.time.heard(askedMs, answeredMs, databaseMs);
    if (movedMs > SLEPT_SECONDS * 1000) this.#note('asleep', expectedMs - (answeredMs - askedMs), this.time.nowMs());
  }

  #answered(askedMs: number): void {
    const nowMs = this.time.nowMs();
    if (this.#awaySinceMs !== undefined) {
      this.#log.info(`The database answers again; schedules go on after ${((nowMs - this.#awaySinceMs) / 1000).toFixed(1)} s.`);
      this.#note('database away', this.#awaySinceMs, nowMs);
      this.#awaySinceMs = undefined;
    } else if (nowMs - askedMs > SLOW_SECONDS * 1000) {
      this.#note('database away', askedMs, nowMs);
    }
  }

  // What is wrong with a statement is for those who made it to say.
  #failed(error: unknown, askedMs: number): void {
    if (this.#awaySinceMs !== undefined || !isConnectionError(error)) return;
    this.#awaySinceMs = askedMs;
    this.#log.warn({ err: error }, `The database does not answer the schedules, which try again: ${(error as Error).message}`);
  }
}
