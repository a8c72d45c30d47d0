import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { REQUEST_KIND } from '../runner/request.ts';

/** An object that a person named. */
export interface FoundObject {
  id: string;
  kind: string;
  name: string;
}

/**
 * Refuses requests, whose own commands know what a change of them means.
 *
 * @throws {RefusedError}
 */
export function assertEditable({ kind, name }: FoundObject): void {
  if (kind === REQUEST_KIND) throw new RefusedError(`${name} is a request, which is not edited like other objects: "afterglow requests" changes it.`);
}

/**
 * Finds objects by their names, which must be given exactly; in the order given, each once. Jobs and runs, which have rows in the table
 * of objects as well, are not found.
 *
 * @param kind where objects of several kinds have the same name
 * @throws {UnknownNameError} there is no such object
 * @throws {RefusedError} several objects have the name
 */
export async function findObjects(em: EntityManager, names: readonly string[], kind?: string): Promise<FoundObject[]> {
  const rows = await em.execute<FoundObject[]>(
    `select id, kind, name from subject where name in (select jsonb_array_elements_text(?::jsonb)) and kind = coalesce(?, kind) and kind !~ '^(job|run):' order by kind`,
    [JSON.stringify(names), kind ?? null],
  );
  const found: FoundObject[] = [];
  for (const name of new Set(names)) {
    const [one, ...others] = rows.filter((row) => row.name === name);
    if (one === undefined) throw await unknown(em, name, kind);
    if (others.length > 0) throw new RefusedError(`Several objects are called ${name}, of the kinds ${[one, ...others].map((row) => `"${row.kind}"`).join(', ')}. Say --kind.`);
    found.push(one);
  }
  return found;
}

async function unknown(em: EntityManager, name: string, kind: string | undefined): Promise<UnknownNameError> {
  const rows = await em.execute<{ name: string }[]>(
    `select name from subject where kind = coalesce(?, kind) and kind !~ '^(job|run):' order by name limit 5000`, [kind ?? null]);
  const names = rows.map((row) => row.name);
  return new UnknownNameError(kind ?? 'object', name, names, nearest(name, names));
}
