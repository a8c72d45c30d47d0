import { JobRunner } from '../job.ts';
import { Qualifier } from '../qualifier.ts';
import type { TaskRunner } from '../runner.ts';
import { isA, listFrom, pairsFrom, read, Unreadable } from './reading.ts';
import { show } from './words.ts';

/** What PostgreSQL's `integer` holds. */
const LARGEST = 2_147_483_647;

/** Reads the qualifiers of a runner, and of a job's the policies too; each sentence begins with the field. */
export function policyProblems(runner: TaskRunner): string[] {
  const problems = [...qualifierProblems(read(runner, 'qualifiers'))];
  if (isA(runner, JobRunner)) {
    const field = (name: string): unknown => {
      const value = read(runner, name);
      return value instanceof Unreadable ? undefined : value;
    };
    const [limit, most, debounce, supersedes] = [field('limit'), field('concurrencyPerKey'), field('debounce'), field('supersedes')];
    problems.push(...limitProblems(limit), ...debounceProblems(debounce));
    if (most !== undefined && !isWhole(most)) problems.push(`concurrencyPerKey should be a whole number of jobs from 1 up, or undefined for no limit, but it is ${show(most)}.`);
    if (typeof supersedes !== 'boolean') problems.push(`supersedes should be true or false, but it is ${show(supersedes)}.`);
    if (typeof field('key') !== 'function') {
      for (const [name, value] of [['concurrencyPerKey', most], ['debounce', debounce], ['supersedes', supersedes === true ? true : undefined]] as const) {
        if (value !== undefined) problems.push(`${name} goes by keys, but there is no method key(args) that would say which jobs belong together.`);
      }
    }
  }
  return problems;
}

function* qualifierProblems(qualifiers: unknown): Generator<string> {
  if (qualifiers === undefined || qualifiers instanceof Unreadable) return;
  const list = listFrom(qualifiers);
  if (list === undefined) yield `qualifiers should be a list such as [setting('night', true)], but it is ${show(qualifiers)}.`;
  for (const one of list ?? []) {
    if (!isA(one, Qualifier) || typeof read(one, 'check') !== 'function') yield `qualifiers should have qualifiers only, such as setting('night', true) or instances of a class that extends Qualifier, but one of them is ${show(one)}.`;
  }
}

function* limitProblems(limit: unknown): Generator<string> {
  if (limit === undefined) return;
  const fields = fieldsOf(limit);
  if (fields === undefined) {
    yield `limit should be an object such as { most: 1 }, but it is ${show(limit)}.`;
    return;
  }
  const { most, action, withinSeconds } = fields;
  if (!isWhole(most)) yield `limit.most should be a whole number of jobs from 1 up, but it is ${show(most)}.`;
  if (action !== undefined && action !== 'error' && action !== 'silence') yield `limit.action should be 'error' or 'silence', but it is ${show(action)}.`;
  if (withinSeconds !== undefined && !isSpan(withinSeconds, 0)) yield `limit.withinSeconds should be a number of seconds, but it is ${show(withinSeconds)}.`;
}

function* debounceProblems(debounce: unknown): Generator<string> {
  if (debounce === undefined) return;
  const fields = fieldsOf(debounce);
  if (fields === undefined) {
    yield `debounce should be an object such as { seconds: 30 }, but it is ${show(debounce)}.`;
    return;
  }
  const { seconds, longestSeconds, enough, merge } = fields;
  if (!isSpan(seconds, 0)) yield `debounce.seconds should be a number of seconds from 0 up, but it is ${show(seconds)}.`;
  if (longestSeconds !== undefined && !isSpan(longestSeconds, 0)) yield `debounce.longestSeconds should be a number of seconds from 0 up, but it is ${show(longestSeconds)}.`;
  if (enough !== undefined && !isWhole(enough)) yield `debounce.enough should be a whole number of jobs from 1 up, but it is ${show(enough)}.`;
  if (merge !== undefined && typeof merge !== 'function') yield `debounce.merge should be a function of the older and the newer arguments, but it is ${show(merge)}.`;
}

const fieldsOf = (value: unknown): Record<string, unknown> | undefined => {
  const pairs = pairsFrom(value);
  return pairs === undefined ? undefined : Object.fromEntries(pairs);
};

const isWhole = (value: unknown): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= LARGEST;

/** A span that an interval of PostgreSQL holds, too. */
const isSpan = (value: unknown, least: number): boolean => typeof value === 'number' && value >= least && value <= LARGEST;
