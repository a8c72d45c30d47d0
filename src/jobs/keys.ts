import { RefusedError } from '../errors.ts';
import { goesByKeys, type Debounce, type JobLimit, type JobPolicies } from '../runner/job-policies.ts';
import { readArguments, type JobArguments } from '../runner/job-arguments.ts';
import type { JobType } from '../runner/jobs.ts';

/** The longest key, characters: it stands in indexes. */
const LONGEST_KEY = 500;

/** What the policies of its class make of one job. */
export interface JobKeys {
  /** Which jobs it belongs together with; undefined: it is for itself. */
  key: string | undefined;
  /** What its limit counts by, and the limit; undefined where there is none. */
  limitId: string | undefined;
  limit: JobLimit | undefined;
  debounce: Debounce | undefined;
  supersedes: boolean;
}

/**
 * The keys of a job that is to be enqueued; they are made of its arguments by name, in whatever order those stand.
 *
 * @param given the arguments, as they were given
 * @returns undefined where its class has no policies
 * @throws {JobArgumentsError} the arguments are wrong
 * @throws {RefusedError} the class gave what is no key
 */
export function keysOf(type: JobType & JobPolicies, given: object): JobKeys | undefined {
  if (!goesByKeys(type)) return undefined;
  const args = readArguments(type, given).args as object;
  const key = text(type.taskName, 'key', type.key?.(args));
  const { limit, debounce, supersedes = false } = type;
  // A limit counts something always: where nothing says what, all jobs of the class.
  const limitId = limit === undefined ? undefined : (text(type.taskName, 'limitId', type.limitId?.(args)) ?? key ?? '');
  return { key, limitId, limit, debounce, supersedes };
}

/**
 * The arguments of two jobs of a key in one.
 *
 * @throws {JobArgumentsError} what came of it is not what the class declares
 */
export function mergedArguments(type: JobType, { merge }: Debounce, older: object, newer: object): JobArguments {
  if (merge === undefined) return newer as JobArguments;
  // What was enqueued by an older version may miss what this one knows.
  const merged = merge(readArguments(type, older).args as object, readArguments(type, newer).args as object);
  readArguments(type, merged);
  return merged as JobArguments;
}

function text(job: string, what: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value.length <= LONGEST_KEY)) return value;
  const found = typeof value === 'string' ? `one of ${value.length} characters` : JSON.stringify(value);
  throw new RefusedError(`The ${what} of a job "${job}" must be a text of at most ${LONGEST_KEY} characters, or undefined for none; found ${found}.`);
}
