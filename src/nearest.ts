import { closest, distance } from 'fastest-levenshtein';

/** The known name that a mistyped one most likely means, or undefined where none is near (more than a third of the letters differ). */
export function nearest(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const byLower = new Map(known.map((name) => [name.toLowerCase(), name]));
  const lower = given.toLowerCase();
  const found = closest(lower, [...byLower.keys()]);
  return distance(lower, found) <= Math.max(2, Math.floor(found.length / 3)) ? byLower.get(found) : undefined;
}
