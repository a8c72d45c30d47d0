import type { EntityManager } from '@mikro-orm/postgresql';
import { sendBackAffected, type Affected } from '../db/send-back-affected.ts';
import { storable } from '../db/storable.ts';
import { valueOf } from '../db/value-of.ts';
import { RefusedError } from '../errors.ts';
import type { Json } from '../runner/outcome.ts';
import { assertEditable, type FoundObject } from './found-object.ts';
import { rehearse } from './rehearse.ts';

/** Who edits, and why. */
export interface Editor {
  by: string;
  reason?: string | undefined;
  /** Only say what would be done. */
  dryRun?: boolean | undefined;
}

/** What an edit did, or would do. */
export interface EditReport {
  subject: string;
  /** What was changed: figures, or the result of a task. A figure that had its value already is not among them. */
  changes: readonly { what: string; old: Json; new: Json }[];
  /** Entries that are done again because of it, with the statuses that they had. */
  again: Affected['again'];
  /** What a person said of other tasks, which stays. */
  kept: readonly { task: string; by: string }[];
}

/**
 * Changes figures of an object and has just that done again which depends on them, in one transaction. An attempt that runs with the old
 * value is told to stop and writes nothing. The figures are the person's from then on: fixtures and files leave them alone.
 *
 * @param values by name, see `parseValues`
 * @throws {RefusedError} it is a request, or a part of `data` is to be set inside of what is not there
 */
export async function editValues(em: EntityManager, object: FoundObject, values: ReadonlyMap<string, Json>, editor: Editor): Promise<EditReport> {
  assertEditable(object);
  return rehearse(em, editor.dryRun === true, async (tx) => {
    await tx.execute(`select from subject where id = ? for no key update`, [object.id]);
    const changes: EditReport['changes'][number][] = [];
    for (const [name, value] of values) {
      const old = await read(tx, object.id, name);
      const wanted = name === 'position' ? positionOf(old, value) : (storable(value, 'value') ?? null);
      await write(tx, object, name, wanted);
      const now = await read(tx, object.id, name);
      if (JSON.stringify(now) === JSON.stringify(old)) continue;
      changes.push({ what: name, old, new: now });
      await tx.execute(
        `insert into edit (subject_id, field, edited_by, reason, old_value, new_value) values (?, ?, ?, ?, ?::jsonb, ?::jsonb)`,
        [object.id, name, editor.by, editor.reason ?? null, JSON.stringify(old), JSON.stringify(now)],
      );
    }
    // Said anew, even the value that it has is the person's from now on.
    await tx.execute(
      `update subject set edited = array(select distinct e from unnest(edited || array(select jsonb_array_elements_text(?::jsonb))) e order by e) where id = ?`,
      [JSON.stringify([...values.keys()]), object.id],
    );
    const followed = changes.length === 0 ? { again: [], kept: [] } : await sendBackAffected(tx, [{ subjectId: object.id, fields: changes.map(({ what }) => what) }], editor.by);
    return { subject: object.name, changes, again: followed.again, kept: withoutSubject(followed.kept) };
  });
}

/** The object is known already. */
export const withoutSubject = (kept: Affected['kept']): EditReport['kept'] => kept.map(({ task, by }) => ({ task, by }));

async function read(tx: EntityManager, id: string, name: string): Promise<Json> {
  const [row] = await tx.execute<[{ value: Json }]>(`select ${valueOf('f.name')} as value from subject s, (select ?::text as name) f where s.id = ?`, [name, id]);
  return row.value;
}

function positionOf(old: Json, given: Json): Json {
  const [ra, dec] = old as [number, number];
  const { ra_deg = ra, dec_deg = dec } = given as { ra_deg?: number; dec_deg?: number };
  return [ra_deg, dec_deg];
}

async function write(tx: EntityManager, { id, name: subject }: FoundObject, name: string, value: Json): Promise<void> {
  const json = JSON.stringify(value);
  if (name === 'position') await tx.execute(`update transient set ra_deg = (?::jsonb -> 0)::float8, dec_deg = (?::jsonb -> 1)::float8 where subject_id = ?`, [json, json, id]);
  else if (name === 'data') await tx.execute(`update subject set data = ?::jsonb where id = ?`, [json, id]);
  else if (name.startsWith('data.')) {
    const path = `{${name.split('.').slice(1).map((key) => `"${key.replaceAll(/(["\\])/g, '\\$1')}"`).join()}}`;
    if (value === null) await tx.execute(`update subject set data = data #- ?::text[] where id = ?`, [path, id]);
    else {
      const [row] = await tx.execute<[{ there: boolean }?]>(
        `update subject set data = jsonb_set(data, ?::text[], ?::jsonb) where id = ? returning data #> ?::text[] is not null as there`, [path, json, id, path]);
      if (row?.there !== true) throw new RefusedError(`${name} of ${subject} cannot be set: what it would be a part of is not there, or is no object.`);
    }
  } else if (name === 'public_timestamp') await tx.execute(`update subject set public_timestamp = ?::timestamptz where id = ?`, [value, id]);
  else if (name === 'priority') await tx.execute(`update subject set priority = ? where id = ?`, [value, id]);
  else {
    const column = COLUMNS.find((one) => one === name);
    if (column === undefined) throw new RefusedError(`${name} cannot be edited.`);
    await tx.execute(`update transient x set ${column} = g.${column} from jsonb_populate_record(null::transient, jsonb_build_object(?::text, ?::jsonb)) g where x.subject_id = ?`, [column, json, id]);
  }
}

const COLUMNS = ['redshift', 'spectroscopic_class', 'photometric_class', 'tns_prefix', 'tns_id', 'milkyway_dust_reddening'] as const;
