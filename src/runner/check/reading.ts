/**
 * Reading values that may be anything. Runners come from users' files: a getter may throw, a proxy may refuse, a list
 * may be something else. Everything behind this file works on plain copies, so that no check needs a fence of its own.
 */

/** Stands for a field whose getter threw. */
export class Unreadable {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

const LONGEST_LIST = 100_000;

/** The value of a field, undefined where there is none, {@link Unreadable} where reading threw. */
export function read(from: unknown, field: string): unknown {
  if (from === null || (typeof from !== 'object' && typeof from !== 'function')) return undefined;
  try {
    return (from as Record<string, unknown>)[field];
  } catch (error) {
    return new Unreadable(reasonOf(error));
  }
}

/** A copy of a list, or undefined where the value is none (or has more than 100,000 members). */
export function listFrom(value: unknown): unknown[] | undefined {
  return attempt(() => (Array.isArray(value) && value.length <= LONGEST_LIST ? Array.from(value as unknown[]) : undefined));
}

/** The pairs of a plain object, or undefined where the value is none: a list, a map, a promise, a date, a text. */
export function pairsFrom(value: unknown): [string, unknown][] | undefined {
  return attempt(() => {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Object.prototype.toString.call(value) !== '[object Object]' || Symbol.iterator in value) return undefined;
    return Object.keys(value).map((key): [string, unknown] => [key, read(value, key)]);
  });
}

/** `instanceof` that is false where asking throws. */
export function isA<T>(value: unknown, type: abstract new (...given: never[]) => T): value is T {
  return attempt(() => value instanceof type) ?? false;
}

/** The names of an object's own fields and of the methods of its classes, up to and without `stop`. */
export function namesOf(value: object, stop: readonly object[]): string[] {
  const names = new Set<string>();
  attempt(() => {
    let level: object | null = value;
    for (let depth = 0; level !== null && level !== Object.prototype && !stop.includes(level) && depth < 100; depth++) {
      for (const name of Object.getOwnPropertyNames(level)) names.add(name);
      level = Object.getPrototypeOf(level) as object | null;
    }
  });
  names.delete('constructor');
  return [...names];
}

/** The names of the classes that a value is made of, its own first. */
export function classNamesOf(value: unknown): string[] {
  const names: string[] = [];
  attempt(() => {
    let level = Object.getPrototypeOf(value) as object | null;
    for (let depth = 0; level !== null && depth < 100; depth++) {
      const name = read(read(level, 'constructor'), 'name');
      if (typeof name === 'string' && name !== '' && name !== 'Object') names.push(name);
      level = Object.getPrototypeOf(level) as object | null;
    }
  });
  return names;
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  const message = attempt(() => (error as { message?: unknown } | null | undefined)?.message);
  return typeof message === 'string' ? message : 'it threw';
}
