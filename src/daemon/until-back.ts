import { setTimeout as delay } from 'node:timers/promises';
import { isConnectionError } from '../db/connection-error.ts';
import type { Logger } from '../log.ts';

/** Waits before the database is asked again, milliseconds; they double up to the longest. */
const [FIRST_MS, LONGEST_MS] = [500, 5000];

/**
 * Does something again and again until the database is there to do it, so that a daemon whose database goes away while it starts
 * begins later instead of half prepared. For what may be done twice.
 *
 * @param isOver whether nobody waits for it any more; then the error comes through
 * @throws whatever has other reasons than a database that is away
 */
export async function untilBack<T>(act: () => Promise<T>, { log, isOver }: { log: Logger; isOver: () => boolean }): Promise<T> {
  for (let waitMs = FIRST_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_MS)) {
    try {
      return await act();
    } catch (error) {
      if (!isConnectionError(error) || isOver()) throw error;
      if (waitMs === FIRST_MS) log.warn(`the database is away: ${(error as Error).message}; the start goes on when it is back`);
      await delay(waitMs);
    }
  }
}
