import { readFile, writeFile } from 'node:fs/promises';
import type { Section } from './section.ts';
import type { Table } from './table.ts';

/** A part as it was measured last. */
export interface Measured {
  part: string;
  /** What it was measured on, see `describeMachine`. */
  machine: Table;
  section: Section;
}

/** Reads what was measured before; nothing where there is no such file. @throws {SyntaxError} it is not JSON */
export async function readResults(file: string): Promise<Measured[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Measured[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What was measured now in place of what was measured before of the same parts, in the given order of parts; a part that is no more is left out. */
export function merged(before: readonly Measured[], now: readonly Measured[], order: readonly string[]): Measured[] {
  const newest = new Map([...before, ...now].map((one) => [one.part, one]));
  return order.flatMap((part) => newest.get(part) ?? []);
}

export const writeResults = (file: string, results: readonly Measured[]): Promise<void> => writeFile(file, `${JSON.stringify(results, null, 1)}\n`);
