import { createTask, parse, validateDetailed } from 'node-cron';
import type { Declaration } from './declaration.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { pairsFrom } from './reading.ts';
import { didYouMean, quote, show } from './words.ts';
import type { World } from './world.ts';

const DAY_SECONDS = 86_400;
/** Any calendar day falls on any day of the week it ever can within 28 years (between the century years that are no leap years). */
const FROM = Date.UTC(2000, 0, 1);
const DAYS = 28 * 366;

/** Slots that may be caught up one by one. */
const MOST_CAUGHT_UP = 1000;

/** Cron expressions that are wrong or never fire, intervals that are none, time zones that nobody knows, windows of what has none. */
export function* schedules({ declarations, tasks }: World): Generator<Finding> {
  for (const declaration of declarations) {
    if (typeof declaration.schedule === 'number') yield* interval(declaration, declaration.schedule);
    if (typeof declaration.schedule === 'string') yield* cron(declaration, declaration.schedule);
    yield* timeZone(declaration);
    yield* missedSlots(declaration);
  }
  for (const { name, kind, hasWindow } of tasks.values()) {
    if (!hasWindow || kind !== 'system') continue;
    yield finding('window-ignored', name, `The task ${quote(name)} has an execution_time, which a system task does not use: its runner's schedule says when it is done.`);
  }
}

function* interval({ label, taskName }: Declaration, seconds: number): Generator<Finding> {
  const milliseconds = seconds * 1000;
  if (!(seconds > 0) || !Number.isFinite(seconds)) {
    yield finding(
      'interval-invalid',
      taskName,
      `${label}.schedule should be a cron expression or a positive number of seconds, but it is ${seconds}.`,
    );
  } else if (Math.round(milliseconds) === 0 || Math.abs(milliseconds - Math.round(milliseconds)) > 1e-6 * Math.max(1, milliseconds)) {
    yield finding(
      'interval-invalid',
      taskName,
      `${label}.schedule should be a whole number of milliseconds, given in seconds, but it is ${seconds} s.`,
    );
  } else if (seconds < 1) {
    yield finding(
      'interval-odd',
      taskName,
      `${label}.schedule is every ${seconds} s. The schedule is the safety net only, since a finished prerequisite wakes a runner at once; ` +
        'a second or more is enough.',
    );
  } else if (seconds > 31 * DAY_SECONDS) {
    yield finding(
      'interval-odd',
      taskName,
      `${label}.schedule is every ${seconds} s, which is ${Math.round(seconds / DAY_SECONDS)} days. It is given in seconds; was it meant ` +
        'in milliseconds?',
    );
  }
}

function* cron({ label, taskName }: Declaration, expression: string): Generator<Finding> {
  const { valid, errors } = validateDetailed(expression);
  if (!valid) {
    const impossible = errors.some(({ message }) => message.includes('impossible'));
    if (impossible) {
      yield neverFires(label, taskName, expression);
      return;
    }
    const hint = /^\s*\d+(\.\d+)?\s*$/u.test(expression) ? ` For every ${expression.trim()} seconds write the number, without quotation marks.` : '';
    const reasons = errors.map(({ message }) => message.replace(' is a invalid ', ' is no valid ')).join('; ');
    yield finding(
      'cron-invalid',
      taskName,
      `${label}.schedule should be a cron expression (five fields, or six with seconds first) or a number of seconds, but it is ` +
        `${quote(expression)}: ${reasons}.${hint}`,
    );
  } else if (!everFires(expression)) {
    yield neverFires(label, taskName, expression);
  }
}

function neverFires(label: string, taskName: string | undefined, expression: string): Finding {
  return finding(
    'cron-never-fires',
    taskName,
    `${label}.schedule is ${quote(expression)}, but no day is ever both: the day of the month, the month and the day of the week must all ` +
      'match.',
  );
}

/** Whether some day matches; node-cron refuses 31 February by itself, but not the second Monday on the 1st. */
function everFires(expression: string): boolean {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = parse(expression);
  if (dayOfMonth.every((day) => typeof day === 'number') && new Set(dayOfWeek).size >= 7) return true;
  const task = createTask(expression, () => {}, { timezone: 'UTC' });
  try {
    const time = ((hour[0] ?? 0) * 3600 + (minute[0] ?? 0) * 60 + (second[0] ?? 0)) * 1000;
    for (let day = 0; day < DAYS; day++) {
      const date = new Date(FROM + day * DAY_SECONDS * 1000 + time);
      if (month.includes(date.getUTCMonth() + 1) && task.match(date)) return true;
    }
    return false;
  } finally {
    void task.destroy();
  }
}

function* missedSlots({ label, taskName, missedSlots: policy }: Declaration): Generator<Finding> {
  const all = pairsFrom(policy)?.find(([name]) => name === 'all')?.[1];
  const isCount = typeof all === 'number' && Number.isInteger(all) && all >= 1 && all <= MOST_CAUGHT_UP;
  if (policy === 'skip' || policy === 'once' || isCount) return;
  const found = all === undefined ? show(policy) : `{ all: ${show(all)} }`;
  yield finding(
    'missed-slots-invalid',
    taskName,
    `${label}.missedSlots should be 'skip', 'once' or { all: n } with a whole number n from 1 to ${MOST_CAUGHT_UP}, but it is ${found}.`,
  );
}

function* timeZone({ label, taskName, timeZone: zone }: Declaration): Generator<Finding> {
  if (typeof zone !== 'string') {
    if (zone === undefined) return;
    yield finding('time-zone-invalid', taskName, `${label}.timeZone should be the name of a time zone, such as 'Europe/Copenhagen', but it is no text.`);
    return;
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    yield finding(
      'time-zone-invalid',
      taskName,
      `${label}.timeZone should be the name of a time zone, such as 'Europe/Copenhagen', but it is ` +
        `${quote(zone)}.${didYouMean(zone, ['UTC', ...Intl.supportedValuesOf('timeZone')])}`,
    );
  }
}
