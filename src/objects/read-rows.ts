import type { EntityManager } from '@mikro-orm/postgresql';
import { ArchiveError } from '../errors.ts';
import type { FoundObject } from './found-object.ts';
import { belongsTo, quoted, type HangingTable } from './hanging-tables.ts';

/**
 * All rows of an object, one JSON document each, in the order in which they can be written again. What runs is told as not begun: an archive
 * has no attempts that nobody ends.
 *
 * @param em in a transaction that sees one moment (repeatable read)
 * @throws {ArchiveError} a row refers to others that cannot be told apart elsewhere
 * @returns texts as PostgreSQL wrote them: numbers may have more digits than JavaScript keeps
 */
export async function readRows(em: EntityManager, { id }: FoundObject, tables: readonly HangingTable[]): Promise<string[]> {
  const lines: string[] = [];
  for (const sql of [SUBJECT, ENTRIES, ATTEMPTS, TRANSITIONS]) lines.push(...(await em.execute<{ line: string }[]>(sql, [id])).map(({ line }) => line));
  for (const table of tables) {
    await assertKnown(em, id, table, tables);
    lines.push(...(await em.execute<{ line: string }[]>(rowsOf(table, tables), [id])).map(({ line }) => line));
  }
  return lines;
}

function rowsOf(table: HangingTable, tables: readonly HangingTable[]): string {
  const { name, key, keyIsGenerated, derived, inside, outside } = table;
  const pairs = (texts: readonly string[]) => `jsonb_build_object(${texts.join(', ')})`;
  const insides = inside.map(({ column }) => `${literal(column)}, t.${quoted(column)}::text`);
  const outsides = outside.map(({ column, table: other, target, known }) =>
    `${literal(column)}, (select ${pairs(known.map((one) => `${literal(one)}, o.${quoted(one)}`))} from ${quoted(other)} o where o.${quoted(target)} = t.${quoted(column)})`);
  return `
select jsonb_build_object('table', ${literal(name)}, 'row', to_jsonb(t) - array[${derived.map(literal).join()}]::text[], 'key', ${key !== undefined && keyIsGenerated ? `t.${quoted(key)}::text` : 'null'},
                          'inside', ${pairs(insides)}, 'outside', ${pairs(outsides)})::text as line
  from ${quoted(name)} t
 where ${belongsTo(table, tables)}
 order by t.${key === undefined ? 'ctid' : quoted(key)}`;
}

/** A name as a text of SQL. */
const literal = (name: string): string => `'${name.replaceAll("'", "''")}'`;

/** Refuses rows that could not be found again elsewhere: what they refer to would be anything. */
async function assertKnown(em: EntityManager, id: string, table: HangingTable, tables: readonly HangingTable[]): Promise<void> {
  for (const { column, table: other, known } of table.outside) {
    if (known.length > 0) continue;
    const [row] = await em.execute<object[]>(`select from ${quoted(table.name)} t where ${belongsTo(table, tables)} and t.${quoted(column)} is not null limit 1`, [id]);
    if (row === undefined) continue;
    throw new ArchiveError(`The object cannot be archived: ${table.name}.${column} refers to ${other}, whose rows only a number of this database tells apart. Give that table a unique column that is not null.`);
  }
}

const SUBJECT = `select jsonb_build_object('table', 'subject', 'row', to_jsonb(s) - 'id')::text as line from subject s where s.id = ?`;

// What runs goes back to where it was claimed from, as if its daemon had stopped.
const ENTRIES = `
select jsonb_build_object('table', 'task_register', 'task', t.name, 'status', case when r.status_id = 2 then c.message else s.message end,
                          'row', to_jsonb(r) - '{subject_id,task_id,status_id,unmet,ready,held,lease_owner,lease_until,dispatched_at,edit_xid,edited_at,cancel_reason,cancelled_by}'::text[])::text as line
  from task_register r
  join task t on t.id = r.task_id
  join status s on s.id = r.status_id
  join status c on c.id = t.claim_from_id
 where r.subject_id = ?
 order by r.task_id`;

const ATTEMPTS = `
select jsonb_build_object('table', 'attempt', 'task', t.name, 'status', s.message,
                          'row', (to_jsonb(a) - '{subject_id,task_id,status_id,daemon_id}'::text[])
                                 || case when a.outcome = 'running' then jsonb_build_object('outcome', 'released', 'ended_at', now(), 'progress', null) else '{}' end)::text as line
  from attempt a
  join task t on t.id = a.task_id
  left join status s on s.id = a.status_id
 where a.subject_id = ?
 order by a.task_id, a.attempt`;

const TRANSITIONS = `
select jsonb_build_object('table', 'transition', 'task', t.name, 'from', f.message, 'status', g.message, 'row', to_jsonb(x) - '{id,subject_id,task_id,from_id,to_id}'::text[])::text as line
  from (select * from transition
        union all
        select 9223372036854775807, r.subject_id, r.task_id, now(), 2, t.claim_from_id, 'release', 'an archive', r.attempt
          from task_register r join task t on t.id = r.task_id where r.status_id = 2) x
  join task t on t.id = x.task_id
  join status f on f.id = x.from_id
  join status g on g.id = x.to_id
 where x.subject_id = ?
 order by x.id`;
