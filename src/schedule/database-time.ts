import type { Clock } from '../clock.ts';

/**
 * The database's clock as this process knows it from the database's last answers, told forward by the monotonic one. Slots come by
 * it, so it does not matter what the machine's own clock says, or that somebody sets it.
 */
export class DatabaseTime {
  readonly #clock: Clock;
  /** The database's time less our monotonic one; undefined before the first answer. */
  #offsetMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since 1970. Before the first answer it is the machine's clock. */
  nowMs(): number {
    return this.#offsetMs === undefined ? this.#clock.now().getTime() : this.#clock.monotonicMs() + this.#offsetMs;
  }

  /**
   * Takes in an answer. The database said its time some time between question and answer; what we believe is moved only as far
   * as that demands, so that slow answers do not blur it.
   *
   * @param askedMs monotonic, as `answeredMs`
   * @returns by how much the time was moved forward, milliseconds; negative for backward
   */
  heard(askedMs: number, answeredMs: number, databaseMs: number): number {
    const [least, most] = [databaseMs - answeredMs, databaseMs - askedMs];
    const before = this.#offsetMs;
    if (before === undefined) {
      this.#offsetMs = (least + most) / 2;
      return 0;
    }
    this.#offsetMs = Math.min(Math.max(before, least), most);
    return this.#offsetMs - before;
  }
}
