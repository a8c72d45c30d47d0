/** What a {@link Standstill} tells. */
export interface StandstillEars {
  /** The main loop has not turned for so many seconds: at first, and again after twice the time, and so on. */
  onStill(seconds: number): void;
  /** It turns again. Only after {@link onStill}. */
  onOver(seconds: number): void;
}

/** The longest time between two reports of one standstill, milliseconds. */
const LONGEST_GAP_MS = 600_000;

/**
 * Notices that a counter, which the main loop raises with every turn, is not raised any more.
 *
 * A process that was frozen, or a machine that slept, has not stood still: a gap between two looks counts for half of the
 * limit at most, so that no single one is taken for a standstill.
 */
export class Standstill {
  readonly #limitMs: number;
  readonly #lookMs: number;
  readonly #ears: StandstillEars;
  #pulse: number | undefined;
  #lookedAtMs = 0;
  #silentMs = 0;
  #nextMs: number;

  /**
   * @param limitSeconds how long the loop may not turn
   * @param lookMs how often {@link look} is called, milliseconds
   */
  constructor(limitSeconds: number, lookMs: number, ears: StandstillEars) {
    this.#limitMs = limitSeconds * 1000;
    this.#nextMs = this.#limitMs;
    this.#lookMs = lookMs;
    this.#ears = ears;
  }

  /** For how long the main loop has not turned, milliseconds; 0 for what lies between two looks. */
  get silentMs(): number {
    return this.#silentMs > this.#lookMs * 2 ? this.#silentMs : 0;
  }

  get isStill(): boolean {
    return this.#silentMs >= this.#limitMs;
  }

  /**
   * @param pulse the counter
   * @param nowMs a clock that only grows
   */
  look(pulse: number, nowMs: number): void {
    const passedMs = Math.min(nowMs - this.#lookedAtMs, this.#limitMs / 2);
    this.#lookedAtMs = nowMs;
    if (pulse !== this.#pulse) {
      const silentMs = this.#silentMs;
      const wasReported = this.#nextMs > this.#limitMs;
      this.#pulse = pulse;
      this.#silentMs = 0;
      this.#nextMs = this.#limitMs;
      if (wasReported) this.#ears.onOver(silentMs / 1000);
      return;
    }
    this.#silentMs += passedMs;
    if (this.#silentMs < this.#nextMs) return;
    this.#nextMs = this.#silentMs + Math.min(this.#silentMs, LONGEST_GAP_MS);
    this.#ears.onStill(this.#silentMs / 1000);
  }
}
