import * as errors from '../errors.ts';

/** An error on its way to another process: what `instanceof` and its readers need of it. */
export interface WireError {
  /** The nearest class of src/errors.ts or of JavaScript's own; undefined: what was thrown is no error. */
  kind: string | undefined;
  name: string;
  message: string;
  stack: string | undefined;
  /** Its own fields, as far as they are plain. */
  fields: Record<string, unknown>;
  cause: WireError | undefined;
}

/** Causes of causes, and fields, that go along. */
const DEEPEST = 3;
const MOST_FIELDS = 50;
const LONGEST = 20_000;

const OURS = new Map(Object.entries(errors).filter(([, value]) => typeof value === 'function' && value.prototype instanceof Error));
const BUILT_IN = new Map<string, new (message?: string) => Error>([Error, TypeError, RangeError, SyntaxError, ReferenceError, AggregateError as never].map((made) => [made.name, made]));

/** Takes an error apart. Anything may be thrown, so what cannot be read is left out, and this never throws. */
export function toWire(thrown: unknown, depth = 0): WireError {
  try {
    if (!(thrown instanceof Error)) return { kind: undefined, name: 'thrown value', message: shown(thrown), stack: undefined, fields: {}, cause: undefined };
    return {
      kind: kindOf(thrown),
      name: cut(thrown.name),
      message: cut(thrown.message),
      stack: thrown.stack === undefined ? undefined : cut(thrown.stack),
      fields: Object.fromEntries(Object.entries(thrown).filter(([key, value]) => key !== 'cause' && isPlain(value)).slice(0, MOST_FIELDS)),
      cause: thrown.cause === undefined || depth >= DEEPEST ? undefined : toWire(thrown.cause, depth + 1),
    };
  } catch {
    return { kind: 'Error', name: 'Error', message: 'An error was thrown that cannot be read.', stack: undefined, fields: {}, cause: undefined };
  }
}

/** Puts it together again: an error of the same class with the same fields. What was thrown and was no error comes as an error that says so. */
export function fromWire(wire: WireError): Error {
  const error = new Error(wire.message, wire.cause === undefined ? undefined : { cause: fromWire(wire.cause) });
  const made = OURS.get(wire.kind ?? '') ?? BUILT_IN.get(wire.kind ?? '') ?? Error;
  Object.setPrototypeOf(error, made.prototype as object);
  const hidden = { stack: wire.stack ?? `${wire.name}: ${wire.message}`, ...(wire.name === error.name || 'name' in wire.fields ? {} : { name: wire.name }) };
  for (const [key, value] of Object.entries(hidden)) Object.defineProperty(error, key, { value, writable: true, configurable: true });
  return Object.assign(error, wire.fields);
}

function kindOf(error: Error): string {
  for (let prototype: unknown = Object.getPrototypeOf(error); prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    for (const known of [OURS, BUILT_IN]) for (const [name, made] of known) if (made.prototype === prototype) return name;
  }
  return 'Error';
}

const isPlain = (value: unknown): boolean =>
  value === null || typeof value === 'number' || typeof value === 'boolean' || value instanceof Date || (typeof value === 'string' && value.length <= LONGEST);

const cut = (text: unknown): string => String(text).slice(0, LONGEST);
const shown = (value: unknown): string => cut(typeof value === 'object' && value !== null ? JSON.stringify(value) : value);
