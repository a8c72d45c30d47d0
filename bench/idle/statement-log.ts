import { readFile, stat } from 'node:fs/promises';

/** A place in a server's log. */
export interface LogMark {
  file: string;
  offset: number;
}

/** Where the log ends now. */
export async function markLog(file: string): Promise<LogMark> {
  return { file, offset: (await stat(file)).size };
}

/** How many letters of a statement tell it from others. */
const LETTERS = 70;

/** How often each statement was logged since then (`log_statement` is `all`), by how it begins. */
export async function statementsSince({ file, offset }: LogMark): Promise<Map<string, number>> {
  const text = (await readFile(file)).subarray(offset).toString('utf8');
  const counts = new Map<string, number>();
  // A statement of several lines goes on in lines that begin with a tab.
  for (const [, statement] of text.matchAll(/LOG: {2}(?:statement|execute [^:]+): (.*(?:\n\t.*)*)/g)) {
    const begin = statement!.replaceAll(/\s+/g, ' ').trim().slice(0, LETTERS);
    counts.set(begin, (counts.get(begin) ?? 0) + 1);
  }
  return counts;
}
