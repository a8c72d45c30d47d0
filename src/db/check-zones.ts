import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError } from '../errors.ts';
import type { TaskFixture } from '../fixtures/fixture.ts';

/**
 * Asks PostgreSQL for the time zones of the tasks' windows: Node may know some that it does not, where an operating system
 * has left out the older names.
 *
 * @throws {RefusedError} it does not know one; names the first such task
 */
export async function checkZones(em: EntityManager, tasks: readonly TaskFixture[]): Promise<void> {
  const asked = new Set(['UTC']);
  for (const { name, window } of tasks) {
    if (window === undefined || asked.has(window.zone)) continue;
    asked.add(window.zone);
    try {
      await em.execute(`select clock_timestamp() at time zone ?`, [window.zone]);
    } catch (error) {
      if ((error as { code?: unknown }).code !== INVALID_PARAMETER_VALUE) throw error;
      throw new RefusedError(
        `Nothing was loaded:\ntask "${name}" has a window in the time zone "${window.zone}", which this PostgreSQL does not know. Name it as the tz database does today.`,
        { cause: error },
      );
    }
  }
}

const INVALID_PARAMETER_VALUE = '22023';
