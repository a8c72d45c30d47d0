import { nearest } from '../../nearest.ts';

const LONGEST_SHOWN = 80;
const MOST_LISTED = 20;

/** A name in quotation marks, line breaks and the like made visible, cut after 80 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}…`);
}

/** `"a", "b" and "c"`. */
export function listed(names: readonly string[], word: 'and' | 'or' = 'and'): string {
  const quoted = names.map(quote);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} ${word} ${quoted.at(-1)}`;
}

/** `"a", "b" or "c"`. */
export function anyOf(names: readonly string[]): string {
  return listed(names, 'or');
}

/** What a value is, for a message; touches nothing of it that could throw. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'object') return isList(value) ? 'a list' : 'an object';
  return `a ${typeof value}`;
}

/**
 * What to put behind a sentence about an unknown name, with a space in front: the nearest known name and, where the
 * difference is easily overlooked, what it is; else the known names, as long as they are few.
 */
export function didYouMean(given: string, known: readonly string[]): string {
  if (known.length === 0) return ' None is known.';
  const meant = nearest(given, known);
  if (meant !== undefined) return ` Did you mean ${quote(meant)}?${difference(given, meant)}`;
  return known.length <= MOST_LISTED ? ` Known: ${listed(known)}.` : ` There are ${known.length} known ones.`;
}

/** The same for names that differ only in capital letters and in spaces. */
export function folded(name: string): string {
  return name.replace(/\s+/gu, '').toLowerCase();
}

function difference(given: string, meant: string): string {
  if (folded(given) !== folded(meant)) return '';
  if (given.toLowerCase() === meant.toLowerCase()) return ' They differ in capital letters only.';
  return given.replace(/\s+/gu, '') === meant.replace(/\s+/gu, '') ? ' They differ in spaces only.' : ' They differ in spaces and capital letters.';
}

function isList(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}
