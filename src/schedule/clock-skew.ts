import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

/** Seconds by which the clocks may differ before it is worth a warning. */
const WORTH_A_WARNING_SECONDS = 2;

/** Tells people when this machine's clock is not the database's. */
export class ClockSkew {
  readonly #clock: Clock;
  readonly #log: Logger;
  #saidSeconds = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Compares the clocks after an answer of the database, which is taken to have looked at its own half-way between question and
   * answer. Warns when they differ by more than 2 s for certain, again when it is another difference, and says when they agree.
   */
  compare(roundTripMs: number, databaseMs: number): void {
    const halfMs = roundTripMs / 2;
    const aheadSeconds = (this.#clock.now().getTime() - halfMs - databaseMs) / 1000;
    const isOff = Math.abs(aheadSeconds) - halfMs / 1000 > WORTH_A_WARNING_SECONDS;
    if (isOff && Math.abs(aheadSeconds - this.#saidSeconds) > WORTH_A_WARNING_SECONDS) {
      this.#saidSeconds = aheadSeconds;
      this.#log.warn(
        `This machine's clock is ${Math.abs(aheadSeconds).toFixed(1)} s ${aheadSeconds > 0 ? 'ahead of' : 'behind'} the database's. ` +
          'Leases, due times and schedules go by the database\'s; the times in logs and products are wrong until it is set right.',
      );
    } else if (!isOff && this.#saidSeconds !== 0) {
      this.#saidSeconds = 0;
      this.#log.info('This machine\'s clock agrees with the database\'s again.');
    }
  }
}
