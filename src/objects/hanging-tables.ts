import type { EntityManager } from '@mikro-orm/postgresql';

/** A column of a table that refers to another. */
export interface Reference {
  column: string;
  table: string;
  /** The column that it refers to. */
  target: string;
}

/** A table whose rows belong to objects: it refers to `subject`, or to a table that does. */
export interface HangingTable {
  name: string;
  /** All that can be written, in their order. */
  columns: readonly string[];
  /** Those that are made of others. */
  derived: readonly string[];
  /** The primary key, where it is one column. */
  key: string | undefined;
  /** Whether the database gives the key its values, so that it gets another one elsewhere. */
  keyIsGenerated: boolean;
  /** The reference by which a row belongs to its object. */
  belongs: Reference;
  /** References to rows of the same object (to the object itself, too), `belongs` among them. */
  inside: readonly Reference[];
  /** References to rows that do not belong to the object, with the columns by which such a row is known everywhere. */
  outside: readonly (Reference & { known: readonly string[] })[];
}

/** Tables that are looked after one by one: those of the engine. */
const ENGINE = new Set(['subject', 'task_register', 'attempt', 'transition']);

/**
 * Reads from the database's own description which tables hang on `subject` by a foreign key of one column, directly or not; those that others
 * refer to come first. The tables of the engine are not among them.
 */
export async function hangingTables(em: EntityManager): Promise<HangingTable[]> {
  const references = await em.execute<(Reference & { from: string })[]>(REFERENCES);
  const columns = await em.execute<ColumnRow[]>(COLUMNS);
  const keys = await em.execute<KeyRow[]>(KEYS);
  const belongs = new Map<string, Reference>();
  for (let reached = ['subject']; reached.length > 0; ) {
    const next = references.filter(({ from, table }) => reached.includes(table) && !belongs.has(from) && !ENGINE.has(from));
    for (const { from, ...reference } of next) if (!belongs.has(from)) belongs.set(from, reference);
    reached = [...new Set(next.map(({ from }) => from))];
  }
  const tables = [...belongs].map(([name, reference]): HangingTable => {
    const own = references.filter(({ from }) => from === name).map(({ from: _, ...rest }) => rest);
    const isInside = ({ column, table }: Reference) => column === reference.column || (table !== 'subject' && belongs.has(table));
    const key = keys.find(({ table, primary }) => table === name && primary);
    const keyColumn = key?.columns.length === 1 ? key.columns[0] : undefined;
    return {
      name, belongs: reference,
      columns: columns.filter(({ table, derived }) => table === name && !derived).map(({ column }) => column),
      derived: columns.filter(({ table, derived }) => table === name && derived).map(({ column }) => column),
      key: keyColumn,
      keyIsGenerated: columns.some(({ table, column, generated }) => table === name && column === keyColumn && generated),
      inside: own.filter(isInside),
      outside: own.filter((one) => !isInside(one)).map((one) => ({ ...one, known: knownBy(one.table, keys) })),
    };
  });
  return inOrder(tables);
}

/** A name as SQL reads it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A condition on rows `t` of a table: they belong to the object whose id is the parameter. */
export function belongsTo(table: HangingTable, tables: readonly HangingTable[], alias = 't'): string {
  const { column, table: parent, target } = table.belongs;
  if (parent === 'subject') return `${alias}.${quoted(column)} = ?`;
  const above = tables.find(({ name }) => name === parent)!;
  return `${alias}.${quoted(column)} in (select p.${quoted(target)} from ${quoted(parent)} p where ${belongsTo(above, tables, 'p')})`;
}

interface ColumnRow {
  table: string;
  column: string;
  /** The database gives it its values. */
  generated: boolean;
  /** It is made of other columns. */
  derived: boolean;
}
interface KeyRow {
  table: string;
  primary: boolean;
  columns: string[];
  generated: boolean;
}

/** The columns that tell a row apart everywhere: a unique key without a number that only this database knows. None where there is no such key. */
function knownBy(table: string, keys: readonly KeyRow[]): readonly string[] {
  return keys.find((key) => key.table === table && !key.generated)?.columns ?? [];
}

function inOrder(tables: readonly HangingTable[]): HangingTable[] {
  const ordered: HangingTable[] = [];
  const left = new Set(tables);
  while (left.size > 0) {
    const names = new Set([...left].map(({ name }) => name));
    const next = [...left].find(({ name, inside }) => inside.every(({ table }) => table === name || !names.has(table))) ?? [...left][0]!;
    ordered.push(next);
    left.delete(next);
  }
  return ordered;
}

const REFERENCES = `
select r.relname as "from", a.attname as "column", p.relname as "table", b.attname as target
  from pg_constraint c
  join pg_class r on r.oid = c.conrelid and r.relnamespace = current_schema()::regnamespace
  join pg_class p on p.oid = c.confrelid and p.relnamespace = current_schema()::regnamespace
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
  join pg_attribute b on b.attrelid = c.confrelid and b.attnum = c.confkey[1]
 where c.contype = 'f' and array_length(c.conkey, 1) = 1 and c.conparentid = 0
 order by r.relname, a.attnum`;

const COLUMNS = `
select r.relname as "table", a.attname as "column", a.attidentity <> '' or pg_get_serial_sequence(quote_ident(r.relname), a.attname) is not null as generated, a.attgenerated <> '' as derived
  from pg_class r
  join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
 where r.relkind in ('r', 'p') and r.relnamespace = current_schema()::regnamespace
 order by r.relname, a.attnum`;

const KEYS = `
select r.relname as "table", i.indisprimary as "primary", array_agg(a.attname::text order by k.place) as columns,
       bool_or(a.attidentity <> '' or pg_get_serial_sequence(quote_ident(r.relname), a.attname) is not null) as generated
  from pg_index i
  join pg_class r on r.oid = i.indrelid and r.relnamespace = current_schema()::regnamespace
 cross join lateral unnest(i.indkey) with ordinality as k(number, place)
  left join pg_attribute a on a.attrelid = r.oid and a.attnum = k.number
 where i.indisunique and i.indpred is null and i.indexprs is null and (k.number > 0)
 group by r.relname, i.indexrelid, i.indisprimary
having bool_and(a.attnotnull)
 order by r.relname, i.indisprimary desc, i.indexrelid`;
