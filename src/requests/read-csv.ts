import { parse } from 'csv-parse/sync';
import type { FileProblem } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { saysNothing } from './input.ts';

/** The requests of a CSV file as they stand there, with their lines. */
export interface CsvRequests {
  values: Record<string, unknown>[];
  /** 1-based, of each value. */
  lines: number[];
  problems: FileProblem[];
}

const PLAIN = ['email', 'request_type', 'request_date', 'request_due_date', 'notes'] as const;
const HEADER = `the columns ${PLAIN.join(', ')}, and identifiers.<name> or details.<name>`;
const GROUPED = /^(identifiers|details)\.([A-Za-z0-9][A-Za-z0-9_.:-]{0,63})$/;

/**
 * Reads requests from CSV: columns are the fields of a request, and `identifiers.uuid`, `details.country` and the like for
 * what is in them. Values that say nothing (empty, `n/a`, `none`) are left out. Commas separate, double quotes enclose.
 *
 * @param file its name, for messages
 */
export function readRequestsCsv(text: string, file: string): CsvRequests {
  const problems: FileProblem[] = [];
  const records = recordsOf(text, file, problems);
  const [header, ...rows] = records;
  if (header === undefined) {
    if (problems.length === 0) problems.push({ file, line: 0, expected: HEADER, found: 'an empty file' });
    return { values: [], lines: [], problems };
  }
  const columns = header.record.map((name) => name.trim().toLowerCase().startsWith('identifiers.') || name.trim().toLowerCase().startsWith('details.') ? name.trim() : name.trim().toLowerCase());
  checkHeader(columns, header.line, file, problems);
  const values: Record<string, unknown>[] = [];
  const lines: number[] = [];
  for (const { record, line } of rows) {
    if (record.length !== columns.length) problems.push({ file, line, expected: `${columns.length} values, as in the header`, found: String(record.length) });
    else if (record.some((value) => value.trim() !== '')) {
      values.push(valueOf(columns, record));
      lines.push(line);
    }
  }
  if (problems.length === 0 && values.length === 0) problems.push({ file, line: 0, expected: 'a request in each line after the header', found: 'none' });
  return problems.length > 0 ? { values: [], lines: [], problems } : { values, lines, problems };
}

function recordsOf(text: string, file: string, problems: FileProblem[]): { record: string[]; line: number }[] {
  let line = 1;
  try {
    // The counter stands behind the record, so a record begins where the one before it ended.
    const read = parse(text.replace(/\r\n?/g, '\n'), { bom: true, relax_column_count: true, info: true, skip_empty_lines: true }) as unknown as { record: string[]; info: { lines: number } }[];
    return read.map(({ record, info }) => {
      line = info.lines;
      return { record, line: line - record.join(',').split('\n').length + 1 };
    });
  } catch (error) {
    const found = error as { lines?: number; message: string };
    problems.push({ file, line: found.lines ?? line, expected: 'lines of values with commas between them, quotes closed and doubled inside', found: found.message });
    return [];
  }
}

function checkHeader(columns: readonly string[], line: number, file: string, problems: FileProblem[]): void {
  for (const [at, column] of columns.entries()) {
    if (columns.indexOf(column) < at) problems.push({ file, line, expected: 'every column once', found: `"${column}" again` });
    else if (!(PLAIN as readonly string[]).includes(column) && !GROUPED.test(column)) {
      const meant = nearest(column, [...PLAIN]);
      problems.push({ file, line, expected: HEADER, found: `"${column}"`, ...(meant !== undefined && { nearest: meant }) });
    }
  }
  for (const needed of ['email', 'request_type', 'request_date'] as const) {
    if (!columns.includes(needed)) problems.push({ file, line, expected: `a column ${needed}`, found: 'none' });
  }
}

function valueOf(columns: readonly string[], record: readonly string[]): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [at, column] of columns.entries()) {
    const text = record[at]!.trim();
    if (saysNothing(text)) continue;
    const [, group, name] = GROUPED.exec(column) ?? [];
    if (group === undefined) value[column] = text;
    else value[group] = { ...(value[group] as object | undefined), [name!]: text };
  }
  return value;
}

