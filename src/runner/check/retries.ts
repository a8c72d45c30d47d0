import { DEFAULT_RETRY } from '../retry-policy.ts';
import type { RetryPolicy } from '../retry-policy.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { didYouMean, quote, show } from './words.ts';
import type { World } from './world.ts';

/** A longer wait than a year is a mistake. */
const LONGEST_SECONDS = 31_536_000;
/** 100^99 × a year is still a number, so that no wait is ever infinite, here or in PostgreSQL. */
const MOST_ATTEMPTS = 100;
const LARGEST_FACTOR = 100;
/** What PostgreSQL's `integer` holds. */
const MOST_RETRIES = 2_147_483_647;

/** What each field may be: in words, and as a question. */
const RULES: Readonly<Record<keyof RetryPolicy, readonly [expected: string, isAllowed: (value: unknown) => boolean]>> = {
  attempts: [`a whole number from 1 to ${MOST_ATTEMPTS}`, (value) => Number.isInteger(value) && isFrom(1, MOST_ATTEMPTS, value)],
  baseSeconds: [`a number of seconds from 0 to ${LONGEST_SECONDS} (a year)`, (value) => isFrom(0, LONGEST_SECONDS, value)],
  factor: [`a number from 1 to ${LARGEST_FACTOR}`, (value) => isFrom(1, LARGEST_FACTOR, value)],
  capSeconds: [`a number of seconds from 0 to ${LONGEST_SECONDS} (a year)`, (value) => isFrom(0, LONGEST_SECONDS, value)],
  perHour: ['a whole number from 1 up', (value) => Number.isInteger(value) && isFrom(1, MOST_RETRIES, value)],
  thrown: ['true or false', (value) => typeof value === 'boolean'],
  timeLimit: ['true or false', (value) => typeof value === 'boolean'],
};

/** Retry policies that are out of range, or say something that nothing reads. */
export function* retries({ declarations }: World): Generator<Finding> {
  for (const { label, taskName, retry = [] } of declarations) {
    const wrong = (message: string): Finding => finding('retry-invalid', taskName, message);
    const policy: Record<string, unknown> = { ...DEFAULT_RETRY };
    for (const [field, value] of retry) {
      const rule = isField(field) ? RULES[field] : undefined;
      if (rule === undefined) {
        yield wrong(`${label}.retry has ${quote(field)}, which nothing reads.${didYouMean(field, Object.keys(RULES))}`);
      } else if (!rule[1](value)) {
        yield wrong(`${label}.retry.${field} should be ${rule[0]}, but it is ${show(value)}.`);
      } else {
        policy[field] = value;
      }
    }
    const { baseSeconds, capSeconds } = policy as unknown as RetryPolicy;
    if (capSeconds < baseSeconds) {
      const found = retry.some(([field]) => field === 'capSeconds') ? 'it is' : 'unless given it is';
      yield wrong(`${label}.retry.capSeconds should be at least baseSeconds, which is ${baseSeconds}, but ${found} ${capSeconds}.`);
    }
  }
}

function isField(name: string): name is keyof RetryPolicy {
  return Object.hasOwn(RULES, name);
}

function isFrom(least: number, most: number, value: unknown): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}
