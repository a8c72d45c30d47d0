import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError, SchemaNewerError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { coreMigrations } from './migrations/index.ts';

/** Where the names of the migrations that were run are kept. */
export const MIGRATION_TABLE = 'afterglow_migration';

/** Names of ours, in this version and in those to come; a pipeline's own are named otherwise, and may be unknown to whoever opens without it. */
const OURS = '^afterglow-[0-9]{4}-';

/**
 * Looks at the schema before anything is written.
 *
 * @param mustExist refuse a database without our tables, which would be given them otherwise
 * @throws {SchemaNewerError} a newer Afterglow has been here
 * @throws {RefusedError} there are no tables of ours, and there must be
 */
export async function checkSchema(em: EntityManager, mustExist: boolean): Promise<void> {
  const [found] = await em.execute<{ present: boolean }[]>(`select to_regclass(?) is not null as present`, [MIGRATION_TABLE]);
  if (found?.present !== true) {
    if (mustExist) throw new RefusedError('The database has no tables of Afterglow: no daemon has ever prepared it. Start one first ("afterglow start"), with the same database.');
    return;
  }
  const rows = await em.execute<{ name: string }[]>(`select name from ${MIGRATION_TABLE} where name ~ ? order by name`, [OURS]);
  const known = new Set(coreMigrations.map(({ name }) => name));
  const unknown = rows.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new SchemaNewerError(unknown, VERSION);
}
