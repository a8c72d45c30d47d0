import type { Json } from '../runner/outcome.ts';
import { OutcomeError } from '../errors.ts';

/** The most bytes of JSON that one result may have. Bigger things belong into files, with their path as the result. */
export const RESULT_BYTES = 1_000_000;

/**
 * A value as jsonb can hold it: only what JSON knows, NUL characters and halves of surrogate pairs in texts replaced.
 *
 * @throws {OutcomeError} it has cycles, a BigInt, or is larger than {@link RESULT_BYTES}
 */
export function storable(value: unknown, what: string): Json | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? storableText(item) : item));
  } catch (error) {
    throw new OutcomeError(`The ${what} cannot be written as JSON: ${(error as Error).message}`, { cause: error });
  }
  if (text === undefined) return undefined;
  if (text.length > RESULT_BYTES) {
    throw new OutcomeError(`The ${what} is ${text.length} characters of JSON, ${RESULT_BYTES} are the most; write it to a file and return the path.`);
  }
  // A key with a NUL is left: rare enough to pay for only when it occurs.
  if (text.includes('\\u0000')) text = text.replaceAll(/(?<!\\)((?:\\\\)*)\\u0000/g, '$1\u2400');
  return JSON.parse(text) as Json;
}

/** A text without NUL characters and lone surrogates, cut at `limit` characters. */
export function storableText(text: string, limit = 100_000): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}… (${text.length} characters)` : text;
  return cut.toWellFormed().replaceAll('\0', '\u2400');
}

/** An error as it is kept with the attempt: name, message, code, stack, its own fields, and its cause. */
export function describeError(error: unknown, depth = 0): Json {
  if (!(error instanceof Error)) return { name: 'thrown value', message: storableText(String(error), 10_000) };
  const fields = Object.fromEntries(
    Object.entries(error).filter(([key, value]) => key !== 'name' && ['string', 'number', 'boolean'].includes(typeof value)),
  ) as Record<string, string | number | boolean>;
  return {
    ...(storable(fields, 'error') as object),
    name: storableText(error.name, 200),
    message: storableText(error.message, 10_000),
    ...(error.stack === undefined ? {} : { stack: storableText(error.stack, 20_000) }),
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: describeError(error.cause, depth + 1) }),
  };
}
