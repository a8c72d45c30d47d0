/** It ran, and said so. */
export const SUCCESS = 'success';
/** Nothing that it depends on has changed since its last success, whose result stands. */
export const UNCHANGED = 'unchanged';
export const FAILED = 'failed';
/** It could not or should not run; the entry says why. */
export { SKIPPED } from '../status/status.ts';

/** What a parent must have come to. */
export const GOOD: readonly string[] = [SUCCESS, UNCHANGED];
/** The same where failures do not stop the run. */
export const ENDED: readonly string[] = [SUCCESS, UNCHANGED, FAILED];

/** What a script stands at, in the words of people. */
export type TaskState = 'waiting' | 'running' | 'success' | 'unchanged' | 'failed' | 'skipped';
