/**
 * Where the program gets its time from. Everything that decides by the time of day takes a Clock,
 * so that a test can stand at a chosen instant; leases and due times are decided by the database's clock.
 */
export interface Clock {
  /** The present instant. */
  now(): Date;
  /** Milliseconds that only ever grow, for measuring spans; the origin means nothing. */
  monotonicMs(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};
