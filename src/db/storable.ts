import type { Json } from '../runner/outcome.ts';
import { OutcomeError } from '../errors.ts';

/** The most bytes of JSON that one result may have. Bigger things belong into files, with their path as the result. */
const RESULT_BYTES = 1_000_000;

/**
 * A value as jsonb can hold it: only what JSON knows, NUL characters and halves of surrogate pairs in texts replaced.
 *
 * @throws {OutcomeError} it has cycles, a BigInt, or is larger than {@link RESULT_BYTES}
 */
export function storable(value: unknown, what: string): Json | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? withoutNul(item) : item));
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
export function storableText(text: string, limit: number): string {
  return withoutNul(text.length > limit ? `${text.slice(0, limit)}… (${text.length} characters)` : text);
}

const withoutNul = (text: string): string => text.toWellFormed().replaceAll('\0', '\u2400');

/**
 * An error as it is kept with the attempt: name, message, code, stack, its own fields, and its cause. Anything may be
 * thrown, so nothing is taken for granted here: what cannot be read is left out, and this never throws.
 */
export function describeError(error: unknown, depth = 0): { name: string; message: string; [field: string]: Json } {
  if (!isError(error)) return { name: 'thrown value', message: textOf(() => shown(error), 10_000) ?? 'something that cannot be shown' };
  const stack = textOf(() => error.stack, 20_000);
  const cause = valueOf(() => error.cause);
  return {
    ...fieldsOf(error),
    name: textOf(() => error.name, 200) ?? 'Error',
    message: textOf(() => error.message, 10_000) ?? 'Its message cannot be read.',
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined || depth >= 3 ? {} : { cause: describeError(cause, depth + 1) }),
  };
}

/** Own fields that an error may keep, and their length. */
const MOST_FIELDS = 50;
const LONGEST_FIELD = 10_000;

function fieldsOf(error: Error): Record<string, Json> {
  const fields = (valueOf(() => Object.keys(error)) ?? []).slice(0, MOST_FIELDS).flatMap((key): [string, Json][] => {
    const value = valueOf(() => (error as unknown as Record<string, unknown>)[key]);
    if (typeof value === 'string') return [[withoutNul(key), storableText(value, LONGEST_FIELD)]];
    return typeof value === 'number' || typeof value === 'boolean' ? [[withoutNul(key), value]] : [];
  });
  return Object.fromEntries(fields);
}

const isError = (value: unknown): value is Error => valueOf(() => value instanceof Error) === true;

// A thrown object says more by its fields than as [object Object].
const shown = (value: unknown): string => String(typeof value === 'object' && value !== null ? JSON.stringify(value) : value);

const textOf = (read: () => unknown, limit: number): string | undefined => valueOf(() => {
  const value = read();
  return value === undefined ? undefined : storableText(String(value), limit);
});

function valueOf<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
