import type { Json } from '../runner/outcome.ts';
import { isSettingName } from '../runner/setting.ts';
import { RefusedError } from '../errors.ts';
import { statement, type Run } from './hot.ts';

/** Says that a setting was changed; the payload is empty. A trigger on the table notifies it. */
export const SETTING_CHANNEL = 'afterglow_setting';

/** A setting as it is kept. */
export interface SettingRow {
  name: string;
  value: Json;
  changedAt: Date;
  changedBy: string;
}

/** All settings, by name. */
export async function readSettings(run: Run): Promise<SettingRow[]> {
  const rows = await run<{ name: string; value: Json; changed_at: string | Date; changed_by: string }>(READ, []);
  return rows.map(({ name, value, changed_at, changed_by }) => ({ name, value, changedAt: new Date(changed_at), changedBy: changed_by }));
}

/**
 * Sets a setting, whatever it was; all daemons hear of it.
 *
 * @param value anything that JSON can hold; null is a value too
 * @returns the value before; undefined where it was not set
 * @throws {RefusedError} the name is none
 */
export async function setSetting(run: Run, name: string, value: Json, by: string): Promise<Json | undefined> {
  if (!isSettingName(name)) throw new RefusedError(`The name of a setting begins with a letter and goes on with letters, digits and . _ -, 64 characters at most; found ${JSON.stringify(name)}.`);
  const [row] = await run<{ before: Json; was: boolean }>(SET, [name, JSON.stringify(value), by]);
  return row!.was ? row!.before : undefined;
}

/**
 * Unsets a setting; all daemons hear of it.
 *
 * @returns the value before; undefined where it was not set
 */
export async function unsetSetting(run: Run, name: string): Promise<Json | undefined> {
  const [row] = await run<{ before: Json }>(UNSET, [name]);
  return row?.before;
}

const READ = statement('select name, value, changed_at, changed_by from setting order by name');

const SET = statement(`
with before as (
  select value from setting where name = $1),
written as (
  insert into setting as s (name, value, changed_by)
  values ($1, $2::jsonb, $3)
  on conflict (name) do update set value = excluded.value, changed_at = now(), changed_by = excluded.changed_by)
select (select value from before) as before, exists (select from before) as was`);

const UNSET = statement('delete from setting where name = $1 returning value as before');
