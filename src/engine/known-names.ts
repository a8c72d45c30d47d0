import type { EntityManager } from '@mikro-orm/postgresql';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';

/**
 * Refuses names that nothing has.
 *
 * @throws {UnknownNameError} with the nearest known name
 */
export async function assertKnown(em: EntityManager, filter: { subjects?: readonly string[]; tasks?: readonly string[]; statuses?: readonly string[]; kinds?: readonly string[] }): Promise<void> {
  await assertNames(em, 'transient', filter.subjects, `select name from subject where name = any (?::text[])`, `select name from subject order by name limit 5000`);
  await assertNames(em, 'task', filter.tasks, `select name from task where name = any (?::text[])`, `select name from task order by id`);
  await assertNames(em, 'status', filter.statuses, `select message as name from status where message = any (?::text[])`, `select message as name from status order by id`);
  await assertNames(em, 'kind', filter.kinds, `select distinct kind as name from task where kind = any (?::text[])`, `select distinct kind as name from task order by kind`);
}

async function assertNames(em: EntityManager, what: string, given: readonly string[] | undefined, findSql: string, allSql: string): Promise<void> {
  if (given === undefined || given.length === 0) return;
  const found = new Set((await em.execute<{ name: string }[]>(findSql, [textArray(given)])).map(({ name }) => name));
  const missing = given.find((name) => !found.has(name));
  if (missing === undefined) return;
  const all = (await em.execute<{ name: string }[]>(allSql)).map(({ name }) => name);
  throw new UnknownNameError(what, missing, all, nearest(missing, all));
}

/** An array of texts as PostgreSQL writes it, for a parameter that is cast to `text[]`. */
export const textArray = (values: readonly string[]): string => `{${values.map((value) => `"${value.replaceAll(/(["\\])/g, '\\$1')}"`).join()}}`;
