import type { EntityManager } from '@mikro-orm/postgresql';
import { stringify } from 'csv-stringify/sync';

/** The table of results as text: CSV with a header line, or a JSON list of objects. See {@link exportRows}. */
export async function exportText(em: EntityManager, query: string, tasks: readonly string[], format: 'csv' | 'json'): Promise<string> {
  const rows = await exportRows(em, query, tasks);
  if (format === 'json') return `${JSON.stringify(rows, null, 1)}\n`;
  return stringify(rows, { header: true, columns: Object.keys(rows[0] ?? { name: '' }) });
}

/**
 * One row per transient, ordered by name: the pipeline's columns, then `<task>_status` for every task, e.g. `host_match_status`.
 *
 * @param query a `select` with one row per transient and a column `name`
 * @param tasks names of tasks, in the order of their columns
 * @param only names of transients; all where it is left out
 */
export async function exportRows(em: EntityManager, query: string, tasks: readonly string[], only?: readonly string[]): Promise<Record<string, unknown>[]> {
  const named = only === undefined ? undefined : JSON.stringify(only);
  const found = named === undefined
    ? await em.execute<({ name: string } & Record<string, unknown>)[]>(query)
    : await em.execute<({ name: string } & Record<string, unknown>)[]>(`select q.* from (${query.replace(/;\s*$/, '')}\n) q where q.name in (select jsonb_array_elements_text(?::jsonb))`, [named]);
  const statuses = await em.execute<{ name: string; statuses: Record<string, string> }[]>(
    `select s.name, jsonb_object_agg(t.name, st.message) as statuses
       from subject s
       join task_register r on r.subject_id = s.id
       join task t on t.id = r.task_id
       join status st on st.id = r.status_id
      where s.kind = 'transient' and (?::jsonb is null or s.name in (select jsonb_array_elements_text(?::jsonb)))
      group by s.name`,
    [named ?? null, named ?? null],
  );
  const statusesOf = new Map(statuses.map(({ name, statuses: of }) => [name, of]));
  return found
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map((row) => ({ ...row, ...Object.fromEntries(tasks.map((task) => [columnOf(task), statusesOf.get(row.name)?.[task] ?? null])) }));
}

const columnOf = (task: string): string => `${task.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_').replaceAll(/^_|_$/g, '')}_status`;
