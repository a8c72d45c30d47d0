import type { z } from 'zod';
import { JobArgumentsError, type ArgumentProblem } from '../errors.ts';
import type { Json } from './outcome.ts';
import type { JobType } from './jobs.ts';

/** Arguments as jobs are enqueued with. */
export type JobArguments = { readonly [key: string]: Json | undefined };

/** Arguments that a type took. */
export interface ReadArguments {
  /** As its schema gives them: with defaults, and without what it does not know. */
  args: unknown;
  /** Paths of what it does not know: they are tolerated, so that newer and older versions can work side by side. */
  unknown: readonly string[];
}

/**
 * Reads the arguments of a job.
 *
 * @param given what stands in the database, or comes from a caller
 * @throws {JobArgumentsError} with everything that is wrong with them
 */
export function readArguments(type: Pick<JobType, 'taskName' | 'args'>, given: unknown): ReadArguments {
  const problems = isPlain(given) ? [...notJson(given, [])] : [{ path: 'arguments', expected: 'an object of JSON', found: show(given) }];
  if (problems.length > 0) throw new JobArgumentsError(type.taskName, problems);
  let parsed = type.args.safeParse(given);
  let taken = given as JobArguments;
  // A strict schema refuses what it does not know; a deploy would stand still with it.
  if (!parsed.success && parsed.error.issues.every(({ code }) => code === 'unrecognized_keys')) {
    taken = structuredClone(taken);
    for (const issue of parsed.error.issues) if (issue.code === 'unrecognized_keys') for (const key of issue.keys) remove(taken, [...issue.path, key]);
    parsed = type.args.safeParse(taken);
  }
  if (!parsed.success) throw new JobArgumentsError(type.taskName, parsed.error.issues.map((issue) => problemOf(issue, given)));
  return { args: parsed.data, unknown: [...missingIn(parsed.data, given, [])] };
}

function problemOf(issue: z.core.$ZodIssue, given: unknown): ArgumentProblem {
  const found = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], given);
  const expected = issue.code === 'invalid_type' ? issue.expected : issue.message;
  return { path: pathOf(issue.path), expected, found: found === undefined ? 'nothing' : show(found) };
}

/** What JSON would lose or change. */
function* notJson(value: unknown, path: readonly PropertyKey[]): Generator<ArgumentProblem> {
  const problem = (expected: string): ArgumentProblem => ({ path: pathOf(path), expected, found: show(value) });
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (value.includes('\0') || !value.isWellFormed()) yield problem('a text without NUL characters and halves of characters');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) yield problem('a finite number');
  } else if (Array.isArray(value)) {
    for (const [place, item] of value.entries()) yield* notJson(item, [...path, place]);
  } else if (isPlain(value)) {
    for (const [key, item] of Object.entries(value)) if (item !== undefined) yield* notJson(item, [...path, key]);
  } else yield problem('something that JSON has: a text, a number, true, false, null, or a list or an object of these');
}

/** Paths of what is in `given` and not in `taken`. What a schema turned into something else is not looked into. */
function* missingIn(taken: unknown, given: unknown, path: readonly PropertyKey[]): Generator<string> {
  if (Array.isArray(taken) && Array.isArray(given) && taken.length === given.length) {
    for (const [place, item] of given.entries()) yield* missingIn(taken[place], item, [...path, place]);
  } else if (isPlain(taken) && isPlain(given)) {
    for (const [key, item] of Object.entries(given)) {
      if (item === undefined) continue;
      if (key in taken) yield* missingIn(taken[key], item, [...path, key]);
      else yield pathOf([...path, key]);
    }
  }
}

function remove(from: unknown, path: readonly PropertyKey[]): void {
  const holder = path.slice(0, -1).reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], from);
  delete (holder as Record<PropertyKey, unknown>)[path.at(-1)!];
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** `arguments.steps[2].name`. */
const pathOf = (path: readonly PropertyKey[]): string => path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`), 'arguments');

function show(value: unknown): string {
  if (typeof value === 'bigint') return `the BigInt ${value}`;
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'number') return String(value);
  if (value instanceof Date || (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlain(value))) return `a ${value.constructor?.name ?? 'thing'}`;
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
