import { randomUUID } from 'node:crypto';

/** How a named lock is taken. */
export interface LockOptions {
  /** For how long it is ours without being renewed, seconds. If our process dies, others get it after this. */
  seconds: number;
  /** How long to wait for it where somebody else has it, seconds; 0, not at all, unless given. */
  waitSeconds?: number;
}

/**
 * A lock with a name, over all daemons: at any time one has it. It is seen by all at once, whatever becomes of the attempt;
 * `await using` gives it back when the block is left.
 */
export interface NamedLock extends AsyncDisposable {
  readonly name: string;
  /** Tells this taking from every other. */
  readonly token: string;
  /** Until when it is ours, by the database's clock. */
  readonly expiresAt: Date;
  /**
   * Keeps it for another `seconds`, counted from now. It may have run out meanwhile, as long as nobody else took it.
   *
   * @param seconds as it was taken for, unless given
   * @throws {LockLostError} it ran out and somebody else took it
   */
  renew(seconds?: number): Promise<void>;
  /**
   * Gives it back. Again, it does nothing.
   *
   * @throws {LockLostError} it ran out and somebody else took it: what was done under it was not protected to the end
   */
  release(): Promise<void>;
}

/** A lock that keeps nobody out, for a runner that is called without a daemon. */
export function detachedLock(name: string, { seconds }: LockOptions): NamedLock {
  let expiresAt = new Date(Date.now() + seconds * 1000);
  const release = async (): Promise<void> => {};
  return {
    name,
    token: randomUUID(),
    get expiresAt() {
      return expiresAt;
    },
    renew: async (again = seconds) => {
      expiresAt = new Date(Date.now() + again * 1000);
    },
    release,
    [Symbol.asyncDispose]: release,
  };
}
