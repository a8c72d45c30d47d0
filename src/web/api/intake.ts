import { isUtf8 } from 'node:buffer';
import { RequestProblemsError, type RequestProblem } from '../../errors.ts';
import { readRequestsCsv } from '../../requests/read-csv.ts';

/** What came in to be taken as requests. */
export interface Intake {
  /** Anything at all, one a request. */
  values: readonly unknown[];
  /** Their lines, where they come from a CSV file. */
  rows?: readonly number[];
}

/** @throws {RequestProblemsError} */
function refuse(problem: RequestProblem): never {
  throw new RequestProblemsError([problem]);
}

/**
 * Reads what was sent: JSON (one request or a list), CSV, or a form with a field `file` that holds either.
 *
 * @param type the content type
 * @returns undefined where the content type is none of these
 * @throws {RequestProblemsError} it cannot be read, says where
 */
export async function readIntake(type: string, bytes: Uint8Array<ArrayBuffer>): Promise<Intake | undefined> {
  const plain = type.split(';')[0]!.trim().toLowerCase();
  if (plain === 'application/json') return readJson(textOf(bytes, 'request'), 'request');
  if (plain === 'text/csv') return readCsv(textOf(bytes, 'request'), 'request');
  if (plain === 'multipart/form-data') return readForm(type, bytes);
  return undefined;
}

async function readForm(type: string, bytes: Uint8Array<ArrayBuffer>): Promise<Intake> {
  // Whole in memory, which the bound of the body allows.
  const sent = new Response(bytes, { headers: { 'content-type': type } });
  const form = await sent.formData().catch( // oxlint-disable-line typescript/no-deprecated
    () => refuse({ field: 'request', expected: 'a form of several parts', found: 'one that cannot be read' }));
  const file = form.get('file');
  if (file === null || typeof file === 'string' || file.size === 0) return refuse({ field: 'file', expected: 'a file, JSON or CSV', found: file === null ? 'no such field' : 'an empty one' });
  const text = textOf(new Uint8Array(await file.arrayBuffer()), 'file');
  const isCsv = file.type === 'text/csv' || file.name.toLowerCase().endsWith('.csv');
  return isCsv ? readCsv(text, 'file') : readJson(text, 'file');
}

function readJson(text: string, field: string): Intake {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuse({ field, expected: 'JSON', found: `something else: ${(error as Error).message.slice(0, 200)}` });
  }
  return { values: Array.isArray(value) ? value : [value] };
}

function readCsv(text: string, field: string): Intake {
  const { values, lines, problems } = readRequestsCsv(text, field);
  if (problems.length > 0) throw new RequestProblemsError(problems.map(({ line, file: _file, ...problem }) => ({ ...(line > 0 && { row: line }), field, ...problem })));
  return { values, rows: lines };
}

function textOf(bytes: Uint8Array, field: string): string {
  if (!isUtf8(bytes)) refuse({ field, expected: 'text in UTF-8', found: 'bytes that are none' });
  return Buffer.from(bytes).toString('utf8').replace(/^\uFEFF/, '');
}
