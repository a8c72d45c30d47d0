import { createTask, validateDetailed } from 'node-cron';
import { ConfigError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { firstPassSince } from './zone-offset.ts';

/** When a schedule fires: its slots, each an instant. */
export type Plan = CronPlan | IntervalPlan;

interface Slots {
  /** As it is kept in the schedule table; `parsePlan` of it gives the same plan. */
  readonly pattern: string;
  /** An IANA time zone. An interval does not heed it. */
  readonly timeZone: string;
  /** The first slot strictly after an instant; undefined where none is left within a hundred years. */
  next(after: Date): Date | undefined;
}

/** Slots at whole seconds whose local time matches a cron expression. */
export interface CronPlan extends Slots {
  readonly kind: 'cron';
  /** Hours and minutes, the longer first: how many slots one has that has any, if the clocks are not changed in it, and how far into it the first is. */
  readonly rounds: readonly Round[];
}

/** A span of the clock after which seconds, or minutes and seconds, come round again. */
export interface Round {
  readonly spanMs: number;
  readonly count: number;
  readonly firstMs: number;
}

/** Slots at the multiples of a span since 00:00 UTC on 1970-01-01, the same on every machine. */
export interface IntervalPlan extends Slots {
  readonly kind: 'interval';
  /** Milliseconds, a whole number. */
  readonly everyMs: number;
}

/** A runner's `schedule` as the text that is kept: a cron expression, or `every <n> s`. */
export function patternOf(schedule: string | number): string {
  return typeof schedule === 'number' ? `every ${Math.round(schedule * 1000) / 1000} s` : schedule.trim().replaceAll(/\s+/g, ' ');
}

/**
 * Reads a pattern: a cron expression of five fields, of six with seconds first, or one of `@hourly`, `@daily` and the like; or
 * `every <n> s`, n with at most three decimals.
 *
 * Cron is node-cron's: the day of the month, the month and the day of the week must all match (Vixie's cron would take either
 * day). When the clocks go forward, a time that does not exist is left out that day. When they go back, the hour that comes
 * twice counts once: no slot fires twice, and even `* * * * *` pauses for that hour. Intervals, and cron in UTC, never pause.
 *
 * @throws {ConfigError} the pattern cannot be read or never fires, or nobody knows the time zone
 */
export function parsePlan(pattern: string, timeZone: string): Plan {
  assertTimeZone(timeZone);
  const canonical = patternOf(pattern);
  return /^every\b/i.test(canonical) ? intervalPlan(canonical, timeZone) : cronPlan(canonical, timeZone);
}

function intervalPlan(pattern: string, timeZone: string): IntervalPlan {
  const seconds = /^every (\d{1,9}(?:\.\d{1,3})?) ?s$/i.exec(pattern)?.[1];
  const everyMs = Math.round(Number(seconds) * 1000);
  if (!(everyMs > 0)) {
    throw new ConfigError(`An interval should read like "every 30 s", a number of seconds above 0 with at most three decimals; found "${pattern}".`);
  }
  return {
    kind: 'interval',
    pattern: patternOf(Number(seconds)),
    timeZone,
    everyMs,
    next: (after) => new Date((Math.floor(after.getTime() / everyMs) + 1) * everyMs),
  };
}

function cronPlan(pattern: string, timeZone: string): CronPlan {
  const { valid, errors } = validateDetailed(pattern);
  if (!valid) {
    const reasons = errors.map(({ message }) => message.replace(' is a invalid ', ' is no valid ')).join('; ');
    throw new ConfigError(
      `A schedule should be a cron expression (five fields, or six with seconds first) or "every <n> s"; found "${pattern}": ${reasons}.`,
    );
  }
  const { next, rounds } = matcher(pattern, timeZone);
  if (next(new Date(0)) === undefined) {
    throw new ConfigError(`The schedule "${pattern}" never fires: no day is both on that day of the month and on that day of the week.`);
  }
  return { kind: 'cron', pattern, timeZone, next, rounds };
}

/** What node-cron 4.6 keeps in a task and asks for the next slot. It is not declared, so tests compare it with what is. */
interface WithMatcher {
  timeMatcher: {
    getNextMatch(after: Date): Date;
    /** Seconds, minutes, and so on; of these two every one that matches is listed. */
    expressions: readonly [readonly number[], readonly number[], ...unknown[]];
  };
}

// node-cron's public functions know the slots after the present instant only (getNextRuns), or whether an instant is one (match).
function matcher(pattern: string, timeZone: string): Pick<CronPlan, 'next' | 'rounds'> {
  const task = createTask(pattern, () => {}, { timezone: timeZone });
  // Out of node-cron's list of all tasks; the matcher stays good.
  void task.destroy();
  const { timeMatcher } = task as unknown as WithMatcher;
  const [seconds, minutes] = [new Set(timeMatcher.expressions[0]), new Set(timeMatcher.expressions[1])];
  const [firstSecond, firstMinute] = [Math.min(...seconds), Math.min(...minutes)];
  return {
    rounds: [
      { spanMs: 3_600_000, count: seconds.size * minutes.size, firstMs: (firstMinute * 60 + firstSecond) * 1000 },
      { spanMs: 60_000, count: seconds.size, firstMs: firstSecond * 1000 },
    ],
    next(after) {
      const slot = matchAfter(timeMatcher, after);
      const since = firstPassSince(timeZone, after.getTime());
      if (since === undefined) return slot;
      // node-cron knows one pass of the two. Asked from within the other one, if that is the first, it leaves slots out.
      const first = matchAfter(timeMatcher, new Date(since - 1));
      return first !== undefined && first > after ? first : slot;
    },
  };
}

function matchAfter(timeMatcher: WithMatcher['timeMatcher'], after: Date): Date | undefined {
  try {
    return timeMatcher.getNextMatch(after);
  } catch (error) {
    if ((error as Error).message.includes('next matching date')) return undefined;
    throw error;
  }
}

const known = new Map<string, Plan | undefined>();

/** The plan of a row of the schedule table; undefined where somebody wrote what cannot be read. */
export function storedPlan(pattern: string, timeZone: string): Plan | undefined {
  const key = `${pattern}\n${timeZone}`;
  if (!known.has(key)) {
    // People edit rarely; this is for a process that lives for years.
    if (known.size > 1000) known.clear();
    known.set(key, readable(pattern, timeZone));
  }
  return known.get(key);
}

function readable(pattern: string, timeZone: string): Plan | undefined {
  try {
    return parsePlan(pattern, timeZone);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

function assertTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch (error) {
    const near = nearest(timeZone, ['UTC', ...Intl.supportedValuesOf('timeZone')]);
    const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
    throw new ConfigError(`A time zone should have a name like "UTC" or "Europe/Copenhagen"; found "${timeZone}".${hint}`, { cause: error });
  }
}
