import { INITIAL, PROCESSING, TIME_LIMIT_EXCEEDED } from '../../status/status.ts';
import type { Declaration } from './declaration.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { didYouMean, listed, quote } from './words.ts';
import { claimedFrom, subjectRunners } from './world.ts';
import type { World } from './world.ts';

/** Failed statuses that do not exist, or that say something else than failure. */
export function* failedStatuses({ declarations, statuses }: World): Generator<Finding> {
  for (const declaration of declarations) {
    const { label, system, taskName, failedStatusMessage: failed } = declaration;
    if (system || failed === undefined) continue;
    const shown = quote(failed);
    if (!statuses.has(failed)) {
      yield finding(
        'unknown-failed-status',
        taskName,
        `${label} leaves ${shown} when it throws, but there is no such status.${didYouMean(failed, [...statuses.keys()])}`,
      );
    } else if (failed === PROCESSING) {
      yield finding(
        'failed-status-processing',
        taskName,
        `${label} leaves ${shown} when it throws, but that status belongs to a running attempt; name a status of type error.`,
      );
    } else if (statuses.get(failed) === 'success') {
      yield finding(
        'failed-status-success',
        taskName,
        `${label} leaves ${shown} when it throws, which is of type success: everything behind it would take the failure for a result. Name ` +
          `a status of type error, or catch the error and return ${shown}.`,
      );
    } else if (statuses.get(failed) === 'blank' && (failed !== INITIAL || claimedFrom(taskName ?? '', declaration) !== INITIAL)) {
      yield finding(
        'failed-status-blank',
        taskName,
        `${label} leaves ${shown} when it throws, which is of type blank: failed objects would look as if nothing had happened yet. Name a ` +
          'status of type error.',
      );
    }
  }
}

/** Declared returns that do not exist, that a runner may not return, or that hold no success. */
export function* returnedStatuses({ declarations, statuses }: World): Generator<Finding> {
  for (const { label, system, taskName, returns } of declarations) {
    if (system || returns === undefined) continue;
    for (const status of returns) {
      if (!statuses.has(status)) {
        yield finding(
          'unknown-returned-status',
          taskName,
          `${label} declares that it returns ${quote(status)}, but there is no such status.${didYouMean(status, [...statuses.keys()])}`,
        );
      } else if (status === PROCESSING) {
        yield finding(
          'returns-processing',
          taskName,
          `${label} declares that it returns "${PROCESSING}", but that status belongs to a running attempt and is refused as a result.`,
        );
      }
    }
    if (returns.length === 0) {
      yield finding(
        'returns-nothing',
        taskName,
        `${label} declares an empty list of returns, so whatever it returned would be refused. Leave returns out to allow any status.`,
      );
    } else if (returns.every((status) => statuses.has(status) && statuses.get(status) !== 'success')) {
      yield finding(
        'returns-no-success',
        taskName,
        `${label} can return ${listed(returns, 'or')} only, none of type success, so its task is never counted as done.`,
      );
    }
  }
}

/** Runners that may leave an entry in the very status that they claim entries from, and so take it again and again. */
export function* endlessLoops(world: World): Generator<Finding> {
  for (const { task, runner } of subjectRunners(world)) {
    const from = claimedFrom(task, runner);
    const ways = waysBack(from, task, runner, world);
    if (ways.length === 0) continue;
    const start = from === INITIAL ? `starts from ${quote(from)}` : `waits for its own task ${quote(task)} to be ${quote(from)}`;
    yield finding(
      'selects-for-ever',
      task,
      `${runner.label} ${start} and ${listedWays(ways)}, so it would take the same object again for ever. Leave another status, or start ` +
        'from another one.',
    );
  }
}

function waysBack(from: string, task: string, runner: Declaration, world: World): string[] {
  return [
    ...(runner.returns?.includes(from) ? ['may return it'] : []),
    ...(runner.failedStatusMessage === from && from !== PROCESSING ? ['leaves it when it throws'] : []),
    ...(from === TIME_LIMIT_EXCEEDED && timeLimitOf(task, runner, world) !== undefined ? ['gets it at the time limit'] : []),
  ];
}

function listedWays(ways: readonly string[]): string {
  return ways.length < 2 ? ways.join('') : `${ways.slice(0, -1).join(', ')} and ${ways.at(-1)}`;
}

/** The limit that attempts of a task are under, seconds; undefined where there is none. */
export function timeLimitOf(task: string, runner: Declaration, { tasks }: World): unknown {
  const limit = runner.timeLimitSeconds === undefined ? tasks.get(task)?.timeLimitSeconds : runner.timeLimitSeconds;
  return limit === null || limit === Infinity ? undefined : limit;
}
