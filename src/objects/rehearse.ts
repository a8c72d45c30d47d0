import type { EntityManager } from '@mikro-orm/postgresql';
import { retryDeadlock } from '../engine/retry-deadlock.ts';

/** Carries what was found out of a transaction that is taken back. */
class Rehearsed<T> extends Error {
  readonly found: T;
  constructor(found: T) {
    super('a dry run');
    this.found = found;
  }
}

/**
 * Does something in a transaction of its own. A dry run is the real thing, taken back at its end: what it says is what would be done.
 *
 * @returns what `act` returns
 */
export async function rehearse<T>(em: EntityManager, dryRun: boolean, act: (tx: EntityManager) => Promise<T>): Promise<T> {
  try {
    return await retryDeadlock(() => em.fork().transactional(async (tx) => {
      const found = await act(tx);
      if (dryRun) throw new Rehearsed(found);
      return found;
    }));
  } catch (error) {
    if (error instanceof Rehearsed) return error.found as T;
    throw error;
  }
}
