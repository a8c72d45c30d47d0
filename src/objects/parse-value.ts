import { RefusedError, UnknownNameError } from '../errors.ts';
import { parseDecDeg, parseNumber, parseRaDeg } from '../fixtures/angle.ts';
import { transientFields } from '../fixtures/fields.ts';
import { nearest } from '../nearest.ts';
import type { Json } from '../runner/outcome.ts';
import { isValueName, valueNames } from '../runner/values.ts';

/** Other names of figures, as CSV files have them. */
const ALIASES: Readonly<Record<string, string>> = { ra: 'ra_deg', dec: 'dec_deg', class: 'spectroscopic_class' };
const isUnknown = (text: string): boolean => ['', 'none', 'null'].includes(text.trim().toLowerCase());

/**
 * Reads figures as people type them: `redshift=0.03`, `position=121.6,+1.03` (or `ra=` and `dec=`, degrees or with colons),
 * `class=SN Ia`, `data.survey=PS1` (JSON, else a text); nothing or `none` where it is not known any more.
 *
 * @returns by name; a position as `{ ra_deg, dec_deg }`, with what was given of it
 * @throws {RefusedError} it is no assignment, or the figure cannot have that value
 * @throws {UnknownNameError} objects of that kind have no such figure
 */
export function parseValues(kind: string, assignments: readonly string[]): Map<string, Json> {
  const values = new Map<string, Json>();
  for (const assignment of assignments) {
    const [, given = '', text = ''] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (given === '') throw new RefusedError(`"${assignment}" says no value: write name=value, such as redshift=0.03.`);
    const name = ALIASES[given] ?? given;
    if (kind === 'transient' && name === 'position') {
      const [ra = '', dec, ...rest] = text.split(/\s*[,\s]\s*/);
      if (dec === undefined || rest.length > 0) throw new RefusedError(`position is right ascension and declination, such as position=121.6015,+1.03586; it is "${text}".`);
      values.set('position', { ra_deg: coordinate('ra_deg', ra), dec_deg: coordinate('dec_deg', dec) });
    } else if (kind === 'transient' && (name === 'ra_deg' || name === 'dec_deg')) {
      values.set('position', { ...(values.get('position') as object | undefined), [name]: coordinate(name, text) });
    } else if (!isValueName(kind, name)) {
      const known = [...valueNames(kind), 'data.<key>'];
      throw new UnknownNameError(`figure of a ${kind}`, given, known, nearest(given, valueNames(kind)));
    } else values.set(name, name.startsWith('data') ? dataOf(name, text) : figure(name as keyof typeof transientFields.shape, text));
  }
  return values;
}

function coordinate(name: 'ra_deg' | 'dec_deg', text: string): number {
  return figure(name, String((name === 'ra_deg' ? parseRaDeg : parseDecDeg)(text) ?? text)) as number;
}

function figure(name: keyof typeof transientFields.shape, text: string): Json {
  const schema = transientFields.shape[name];
  // What cannot be read as a number stays text, which the rules for figures refuse.
  const value = isUnknown(text) ? null : schema.safeParse('x').success || name === 'public_timestamp' ? text : (parseNumber(text) ?? text);
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new RefusedError(`${name} should be ${parsed.error.issues[0]!.message}; it is ${text === '' ? 'nothing' : `"${text}"`}.`);
  return parsed.data instanceof Date ? parsed.data.toISOString() : parsed.data;
}

function dataOf(name: string, text: string): Json {
  if (isUnknown(text)) return name === 'data' ? {} : null;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    value = text;
  }
  if (name === 'data' && (typeof value !== 'object' || value === null || Array.isArray(value))) throw new RefusedError(`data should be a JSON object; it is "${text}".`);
  return value;
}
