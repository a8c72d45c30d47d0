import { INITIAL, PROCESSING, TIME_LIMIT_EXCEEDED } from '../../status/status.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { timeLimitOf } from './outcomes.ts';
import { anyOf, didYouMean, listed, quote } from './words.ts';
import { claimedFrom, subjectRunners } from './world.ts';
import type { World } from './world.ts';

/** Prerequisites on tasks and statuses that do not exist. */
export function* unknownPrerequisites({ declarations, tasks, statuses }: World): Generator<Finding> {
  for (const { label, taskName, prerequisites } of declarations) {
    for (const [task, wanted] of prerequisites) {
      if (!tasks.has(task) && task !== taskName) {
        yield finding(
          'unknown-prerequisite-task',
          taskName,
          `${label} waits for the task ${quote(task)}, but there is no such task.${didYouMean(task, [...tasks.keys()])}`,
        );
      }
      for (const status of wanted) {
        if (statuses.has(status)) continue;
        yield finding(
          'unknown-prerequisite-status',
          taskName,
          `${label} waits for ${quote(task)} to be ${quote(status)}, but there is no such ` +
            `status.${didYouMean(status, [...statuses.keys()])}`,
        );
      }
    }
  }
}

/** Prerequisites on tasks that the same object never goes through. */
export function* otherKinds(world: World): Generator<Finding> {
  const { tasks, runnerOf } = world;
  const isDoubtful = (task: string): boolean => {
    const runner = runnerOf.get(task);
    const kind = tasks.get(task)?.kind;
    return kind === undefined || (runner !== undefined && (runner.system ? kind !== 'system' : kind !== runner.kind));
  };
  for (const { task, runner } of subjectRunners(world)) {
    if (isDoubtful(task)) continue;
    const own = tasks.get(task)?.kind;
    for (const [name] of runner.prerequisites) {
      const kind = tasks.get(name)?.kind;
      if (kind === undefined || kind === own || isDoubtful(name)) continue;
      if (kind === 'system') {
        yield finding(
          'prerequisite-on-system-task',
          task,
          `${runner.label} waits for ${quote(name)}, but that is a system task: it has no objects and so no status for one.`,
        );
      } else {
        const message =
          `${runner.label} waits for ${quote(name)}, which is a task of objects of kind ${quote(kind)}, but its own are of kind ` +
          `${quote(own ?? '')}; no object goes through both.`;
        yield finding('prerequisite-on-other-kind', task, message);
      }
    }
  }
}

/** Own statuses that no entry can be claimed from. */
export function* ownStatuses(world: World): Generator<Finding> {
  for (const { task, runner } of subjectRunners(world)) {
    const own = runner.prerequisites.find(([name]) => name === task)?.[1] ?? [];
    if (own.length > 1) {
      const message = `${runner.label} waits for its own task ${quote(task)} to be ${anyOf(own)}, but entries of a task are claimed from one status only. Name one of them.`;
      yield finding('own-status-several', task, message);
      continue;
    }
    const from = claimedFrom(task, runner);
    if (from === INITIAL || !world.statuses.has(from)) continue;
    if (from === PROCESSING) {
      yield finding(
        'own-status-processing',
        task,
        `${runner.label} waits for its own task ${quote(task)} to be "${PROCESSING}", but such an entry belongs to a running attempt and ` +
          'cannot be claimed.',
      );
    } else if (!world.isGiven(task, from) && !leaves(runner, from)) {
      const message =
        `${runner.label} waits for its own task ${quote(task)} to be ${quote(from)}, but every entry begins as "${INITIAL}" and ` +
        'no other runner moves it: new objects never start. Leave the own task out of the prerequisites, unless only entries of ' +
        'old are meant.';
      yield finding('own-status-unreached', task, message);
    }
  }
}

/** Prerequisites that are met only after somebody switched something on, or only in passing. */
export function* doubtfulWaits(world: World): Generator<Finding> {
  const behind = new Map<string, string[]>();
  for (const { task, runner } of subjectRunners(world)) {
    for (const [name, statuses] of runner.prerequisites) {
      const other = world.tasks.get(name);
      const otherRunner = world.runnerOf.get(name);
      if (other === undefined || name === task || statuses.includes(INITIAL)) continue;
      if (!other.active) {
        yield finding(
          'awaits-inactive-task',
          task,
          `${runner.label} waits for ${quote(name)} to be ${anyOf(statuses)}, but that task is inactive, so it waits until the task is made ` +
            'active again.',
        );
      } else if (otherRunner?.initiallyEnabled === false) {
        behind.set(name, [...(behind.get(name) ?? []), task]);
      }
      if (statuses.every((status) => status === PROCESSING)) {
        yield finding(
          'awaits-processing',
          task,
          `${runner.label} waits for ${quote(name)} to be "${PROCESSING}", which holds only while an attempt runs; whether it is seen is ` +
            'chance.',
        );
      }
      const limited = otherRunner === undefined || leaves(otherRunner, TIME_LIMIT_EXCEEDED) || timeLimitOf(name, otherRunner, world) !== undefined;
      if (statuses.includes(TIME_LIMIT_EXCEEDED) && !limited) {
        yield finding(
          'awaits-time-limit',
          task,
          `${runner.label} waits for ${quote(name)} to be "${TIME_LIMIT_EXCEEDED}", but that task has no time limit.`,
        );
      }
    }
  }
  for (const [name, waiting] of behind) {
    const label = world.runnerOf.get(name)?.label ?? quote(name);
    yield finding(
      'awaits-disabled-runner',
      name,
      `${label} is disabled at first, but ${listed(waiting)} ${waiting.length === 1 ? 'waits' : 'wait'} for its task ${quote(name)}: ` +
        'nothing goes on until somebody enables it.',
    );
  }
}

function leaves(runner: { returns: readonly string[] | undefined; failedStatusMessage: string | undefined }, status: string): boolean {
  return runner.failedStatusMessage === status || (runner.returns?.includes(status) ?? false);
}
