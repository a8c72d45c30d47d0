import type { EntityManager } from '@mikro-orm/postgresql';
import { ArchiveError } from '../errors.ts';
import { quoted, type HangingTable, type Reference } from './hanging-tables.ts';
import type { UnpackedObject } from './unpack.ts';

type Lines = UnpackedObject['lines'];

/**
 * Writes the rows of an object under a new id. The register is brought to where it was by moves that the status machine knows, so that the
 * counters of the prerequisites are right for the graph that is here; then the history takes the place of what these moves left in it.
 *
 * @param actor who restores it
 * @throws {ArchiveError} a table, column, task, status or a row that is referred to is not here
 * @returns the id of the object here
 */
export async function writeRows(tx: EntityManager, { name, lines }: UnpackedObject, tables: readonly HangingTable[], actor: string): Promise<string> {
  const of = (table: string): Lines => lines.filter(({ line }) => line.table === table);
  const known = new Set(['subject', 'task_register', 'attempt', 'transition', ...tables.map((table) => table.name)]);
  const strange = lines.find(({ line }) => !known.has(line.table))?.line.table;
  if (strange !== undefined) throw new ArchiveError(`${name} has rows of a table "${strange}", which is not here, or does not belong to objects. Is it made with the same runners?`);
  const columns = await columnsOf(tx);
  const [{ id }] = await tx.execute<[{ id: string }]>(insertSql('subject', columnsIn(of('subject'), columns.get('subject')!, 'subject'), true), [jsonOf(of('subject')), '[{}]']);
  const ids = await namesOf(tx, of);
  await writeRegister(tx, id, of('task_register'), ids, actor);
  await writeHistory(tx, id, of, ids, columns);
  const values: Values = new Map();
  for (const table of tables) await writeTable(tx, id, table, of(table.name), columns.get(table.name)!, values);
  return id;
}

interface Ids {
  task: (name: string | undefined) => number;
  status: (name: string | null | undefined) => number | null;
}

async function namesOf(tx: EntityManager, of: (table: string) => Lines): Promise<Ids> {
  const tasks = new Map((await tx.execute<{ id: number; name: string }[]>(`select id, name from task`)).map((row) => [row.name, row.id]));
  const statuses = new Map((await tx.execute<{ id: number; name: string }[]>(`select id, message as name from status`)).map((row) => [row.name, row.id]));
  const used = ['task_register', 'attempt', 'transition'].flatMap((table) => of(table).map(({ line }) => line));
  const noTasks = [...new Set(used.map(({ task }) => task ?? ''))].filter((name) => !tasks.has(name));
  const noStatuses = [...new Set(used.flatMap(({ status, from }) => [status, from]))].filter((name) => typeof name === 'string' && !statuses.has(name));
  const missing = [noTasks.length === 0 ? '' : `the tasks ${noTasks.map((name) => `"${name}"`).join(', ')}`, noStatuses.length === 0 ? '' : `the statuses ${noStatuses.map((name) => `"${name}"`).join(', ')}`];
  const said = missing.filter((text) => text !== '').join(' and ');
  if (said !== '') throw new ArchiveError(`The archive has ${said}, which are not here. Start a daemon with its fixtures and runners first.`);
  return { task: (name) => tasks.get(name ?? '')!, status: (name) => (typeof name === 'string' ? statuses.get(name)! : null) };
}

async function writeRegister(tx: EntityManager, id: string, lines: Lines, ids: Ids, actor: string): Promise<void> {
  const given = JSON.stringify(lines.map(({ line: { task, status, row } }) => ({ ...row, task_id: ids.task(task), status_id: ids.status(status) })));
  const moved = await tx.execute<object[]>(REGISTER, [given, actor, id]);
  if (moved.length !== lines.length) throw new ArchiveError('The archive has entries for tasks that are for objects of another kind here.');
  // The last word is that of the archive; no status moves.
  await tx.execute(`update task_register r set cause = g.cause, actor = g.actor from jsonb_to_recordset(?::jsonb) as g(task_id integer, cause text, actor text) where r.subject_id = ? and r.task_id = g.task_id`, [given, id]);
}

async function writeHistory(tx: EntityManager, id: string, of: (table: string) => Lines, ids: Ids, columns: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const transitions = of('transition');
  const known = JSON.stringify([...new Set(transitions.map(({ line }) => ids.task(line.task)))]);
  await tx.execute(`delete from transition where subject_id = ? and task_id in (select jsonb_array_elements_text(?::jsonb)::integer)`, [id, known]);
  for (const table of ['attempt', 'transition'] as const) {
    const lines = of(table);
    if (lines.length === 0) continue;
    const overlays = lines.map(({ line: { task, status, from } }) => ({
      subject_id: id, task_id: ids.task(task),
      // Whoever made it is nobody's daemon here.
      ...(table === 'attempt' ? { status_id: ids.status(status), daemon_id: 0 } : { from_id: ids.status(from), to_id: ids.status(status) }),
    }));
    await tx.execute(insertSql(table, [...columnsIn(lines, columns.get(table)!, table), ...Object.keys(overlays[0]!)]), [jsonOf(lines), JSON.stringify(overlays)]);
  }
}

/** Of columns that others refer to, `table.column`: what a value of the archive is here. Only rows of the archive are in it. */
type Values = Map<string, Map<string, string>>;

async function writeTable(tx: EntityManager, id: string, table: HangingTable, lines: Lines, columns: readonly string[], values: Values): Promise<void> {
  const { name, key, keyIsGenerated, inside, outside } = table;
  if (lines.length === 0) return;
  if (key !== undefined) values.set(`${name}.${key}`, await keysOf(tx, table, lines));
  const found = new Map<string, string>();
  const overlays: Record<string, string | null>[] = [];
  for (const { line } of lines) {
    const overlay: Record<string, string | null> = key !== undefined && keyIsGenerated ? { [key]: values.get(`${name}.${key}`)!.get(line.key ?? '')! } : {};
    for (const reference of inside) overlay[reference.column] = insideOf(id, name, reference, line.inside?.[reference.column] ?? null, values);
    for (const reference of outside) overlay[reference.column] = await lookUp(tx, name, reference, line.outside?.[reference.column] ?? null, found);
    overlays.push(overlay);
  }
  // What refers to the object may be referred to as well.
  for (const { column } of inside) values.set(`${name}.${column}`, new Map(lines.flatMap(({ line }, at): [string, string][] => {
    const [old, now] = [line.inside?.[column] ?? null, overlays[at]![column] ?? null];
    return old === null || now === null ? [] : [[old, now]];
  })));
  const written = [...new Set([...columnsIn(lines, columns, name), ...Object.keys(overlays[0]!)])];
  await tx.execute(insertSql(name, written), [jsonOf(lines), JSON.stringify(overlays)]);
}

/** The keys of a table's rows: new ones where the database gives them, else those of the archive. */
async function keysOf(tx: EntityManager, { name, key, keyIsGenerated }: HangingTable, lines: Lines): Promise<Map<string, string>> {
  const own = new Map<string, string>();
  if (!keyIsGenerated) for (const { line } of lines) own.set(String(line.row[key!]), String(line.row[key!]));
  else {
    const fresh = await tx.execute<{ id: string }[]>(`select nextval(pg_get_serial_sequence(?, ?))::text as id from generate_series(1, ?)`, [quoted(name), key!, lines.length]);
    for (const [at, { line }] of lines.entries()) own.set(line.key ?? '', fresh[at]!.id);
  }
  if (own.size < lines.length) throw new ArchiveError(`Two rows of "${name}" have one key in the archive.`);
  return own;
}

/** What a reference to the object, or to a row of it, is here. Rows that are not in the archive cannot be referred to: they would be another object's. */
function insideOf(id: string, from: string, { column, table, target }: Reference, old: string | null, values: Values): string | null {
  if (table === 'subject') return id;
  if (old === null) return null;
  const now = values.get(`${table}.${target}`)?.get(old);
  if (now === undefined) throw new ArchiveError(`A row of "${from}" refers by ${column} to a row of "${table}" that is not in the archive.`);
  return now;
}

async function lookUp(tx: EntityManager, from: string, { column, table, target, known }: HangingTable['outside'][number], wanted: Record<string, unknown> | null, found: Map<string, string>): Promise<string | null> {
  if (wanted === null) return null;
  const json = JSON.stringify(wanted);
  const asked = `${table} ${json}`;
  const before = found.get(asked);
  if (before !== undefined) return before;
  const [row] = known.length === 0 ? [] : await tx.execute<{ id: string }[]>(
    `select o.${quoted(target)}::text as id from ${quoted(table)} o, jsonb_populate_record(null::${quoted(table)}, ?::jsonb) w where ${known.map((one) => `o.${quoted(one)} = w.${quoted(one)}`).join(' and ')}`,
    [json],
  );
  if (row === undefined) throw new ArchiveError(`A row of "${from}" refers by ${column} to ${json} of "${table}", which is not here. Load it first.`);
  found.set(asked, row.id);
  return row.id;
}

/** The columns that rows have. @throws {ArchiveError} the table here has no such column */
function columnsIn(lines: Lines, columns: readonly string[], table: string): string[] {
  const given = [...new Set(lines.flatMap(({ line }) => Object.keys(line.row)))];
  const strange = given.find((column) => !columns.includes(column));
  if (strange !== undefined) throw new ArchiveError(`The table "${table}" has no column "${strange}" here. Is it made with the same runners?`);
  return given.filter((column) => columns.includes(column));
}

async function columnsOf(tx: EntityManager): Promise<Map<string, string[]>> {
  const rows = await tx.execute<{ table: string; columns: string[] }[]>(
    `select r.relname as "table", array_agg(a.attname::text order by a.attnum) as columns
       from pg_class r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      where r.relkind in ('r', 'p') and r.relnamespace = current_schema()::regnamespace group by 1`);
  return new Map(rows.map(({ table, columns }) => [table, columns]));
}

const jsonOf = (lines: Lines): string => `[${lines.map(({ text }) => text).join()}]`;

// The rows go through as PostgreSQL wrote them, with what is of this database laid over them.
const insertSql = (table: string, columns: readonly string[], returns = false): string => {
  const list = [...new Set(columns)].map(quoted);
  return `
insert into ${quoted(table)} (${list.join(', ')}) overriding system value
select ${list.map((column) => `g.${column}`).join(', ')}
  from jsonb_array_elements(?::jsonb) with ordinality as l(line, place)
  join jsonb_array_elements(?::jsonb) with ordinality as o(overlay, place) on o.place = l.place
 cross join lateral jsonb_populate_record(null::${quoted(table)}, (l.line -> 'row') || o.overlay) g
 order by l.place${returns ? '\nreturning id' : ''}`;
};

const REGISTER = `
update task_register r
   set status_id = g.status_id, cause = 'load', actor = a.actor, attempt = g.attempt, setbacks = g.setbacks, failure = g.failure, reason = g.reason, waits_for = g.waits_for,
       warning = g.warning, overridden_by = g.overridden_by, due_at = g.due_at, last_modified = g.last_modified, wall_seconds = g.wall_seconds
  from jsonb_to_recordset(?::jsonb) as g(
         task_id integer, status_id smallint, attempt integer, setbacks smallint, failure text, reason text, waits_for text, warning text, overridden_by text,
         due_at timestamptz, last_modified timestamptz, wall_seconds real),
       (select ?::text as actor) a
 where r.subject_id = ? and r.task_id = g.task_id
returning r.task_id`;
