import { ScriptError, type ScriptFailure } from '../errors.ts';
import type { Json } from '../runner/outcome.ts';
import { jsonFault } from './json-fault.ts';
import { RESULT_END, RESULT_START, type ResultBlock } from './script-output.ts';

/** What a script said of its work. */
export interface ScriptResult {
  /** As the script said it: a known status or `success`; whether it is known is for the caller to judge. */
  status: string;
  /** Everything else that it said; undefined where there was nothing else. */
  result: { readonly [key: string]: Json | undefined } | undefined;
  warning: string | undefined;
  cost: number | undefined;
}

/**
 * Reads the result of a script.
 *
 * @param limitBytes the most that it may have had, for the message
 * @throws {ScriptError} there is none, it has no end, it is too large, no JSON, no object, or has no status, or a warning or cost that is none
 */
export function readResult(script: string, block: ResultBlock, limitBytes: number, lastWords?: string): ScriptResult {
  const fail = (failure: ScriptFailure, sentence: string): never => {
    throw new ScriptError({ failure, script, message: `The script ${script} ${sentence}`, exitCode: 0, lastWords });
  };
  if (block.kind === 'none') return fail('no result', `ended with exit code 0 and printed no result: one JSON object between the lines ${RESULT_START} and ${RESULT_END}.`);
  if (block.kind === 'unfinished') return fail('unfinished result', `printed ${RESULT_START} and no ${RESULT_END} after it.`);
  if (block.kind === 'too large') return fail('result too large', `printed a result of ${block.bytes} bytes, ${limitBytes} are the most; write it to a file and print the file's path.`);
  const given = parsed(block.text);
  if (given === undefined) {
    const { line, column, expected, found } = jsonFault(block.text)!;
    return fail('broken result', `printed a result that is no JSON: in its line ${line}, column ${column}, expected ${expected}, found ${found}.${hint(found)}`);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return fail('broken result', `printed a result that should be a JSON object, but it is ${given === null ? 'null' : Array.isArray(given) ? 'a list' : `a ${typeof given}`}.`);
  const { status, warning, cost, ...result } = given as { [key: string]: Json | undefined };
  if (status === undefined) return fail('no status', `printed a result without a status; it has ${Object.keys(given).map((key) => `"${key}"`).join(', ') || 'nothing'}.`);
  if (typeof status !== 'string' || status.trim() === '') return fail('no status', `printed a result whose status should be a text, but it is ${JSON.stringify(status).slice(0, 100)}.`);
  if (warning !== undefined && warning !== null && typeof warning !== 'string') return fail('broken result', `printed a result whose warning should be a text, but it is ${JSON.stringify(warning).slice(0, 100)}.`);
  if (cost !== undefined && cost !== null && typeof cost !== 'number') return fail('broken result', `printed a result whose cost should be a number, but it is ${JSON.stringify(cost).slice(0, 100)}.`);
  return { status, result: Object.keys(result).length === 0 ? undefined : result, warning: warning ?? undefined, cost: cost ?? undefined };
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

// What Python and R print where a figure is missing.
const hint = (found: string): string => (/^(?:-?Infinity|NaN|NA|nan|None|True|False|-?Inf)\b/.test(found) ? ' JSON has null, true and false, and numbers that are finite.' : '');
