import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { quote, show } from './words.ts';
import type { World } from './world.ts';

/** Node's timers hold 2^31 − 1 milliseconds; a longer one fires at once (Node documentation, `setTimeout`). */
const LONGEST_SECONDS = 2_147_483;
/** What PostgreSQL's `integer` holds. */
const LARGEST = 2_147_483_647;

/** Time limits, of tasks and of runners, that are no spans of time, and versions and concurrencies that are no small integers. */
export function* limits({ tasks, declarations }: World): Generator<Finding> {
  for (const { name, timeLimitSeconds } of tasks.values()) {
    if (timeLimitSeconds === undefined || timeLimitSeconds === null || isSpan(timeLimitSeconds)) continue;
    yield finding(
      'time-limit-invalid',
      name,
      `The time limit of the task ${quote(name)} ${expectation('null')}, but it is ${show(timeLimitSeconds)}.`,
    );
  }
  for (const { label, taskName, timeLimitSeconds, version, concurrency } of declarations) {
    if (timeLimitSeconds !== undefined && timeLimitSeconds !== Infinity && !isSpan(timeLimitSeconds)) {
      yield finding('time-limit-invalid', taskName, `${label}.timeLimitSeconds ${expectation('Infinity')}, but it is ${show(timeLimitSeconds)}.`);
    }
    if (!isWhole(version)) yield finding('version-invalid', taskName, `${label}.version should be a whole number from 1 up, but it is ${show(version)}.`);
    if (concurrency !== undefined && !isWhole(concurrency)) {
      const expected = 'should be a whole number of attempts from 1 up, or undefined for no limit';
      yield finding('concurrency-invalid', taskName, `${label}.concurrency ${expected}, but it is ${show(concurrency)}.`);
    }
  }
}

function isWhole(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= LARGEST;
}

function isSpan(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value <= LONGEST_SECONDS;
}

function expectation(none: string): string {
  return `should be a positive number of seconds, at most ${LONGEST_SECONDS} (24.8 days), or ${none} for no limit`;
}
