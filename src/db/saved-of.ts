import type { Saved } from './save-transients.ts';

/** What a statement says that gives back the names of the rows that it added and changed. */
export function savedOf(rows: readonly { name: string; is_new: boolean }[], given: number): Saved {
  const names = (isNew: boolean) => rows.filter((row) => row.is_new === isNew).map(({ name }) => name);
  return { added: names(true), changed: names(false), unchanged: given - rows.length };
}
