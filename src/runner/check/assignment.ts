import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { didYouMean, quote } from './words.ts';
import type { World } from './world.ts';

/** Runners whose task is in no fixture. */
export function* unknownTasks({ declarations, tasks }: World): Generator<Finding> {
  for (const { label, taskName } of declarations) {
    if (taskName === undefined || tasks.has(taskName)) continue;
    yield finding(
      'unknown-task',
      taskName,
      `${label} does ${quote(taskName)}, but there is no task of that name.${didYouMean(taskName, [...tasks.keys()])}`,
    );
  }
}

/** Tasks that two runners would race for. An entry is claimed by its task's runner, so there is one to a task, whatever the statuses that they start from. */
export function* twoRunners({ declarations, tasks }: World): Generator<Finding> {
  for (const task of tasks.keys()) {
    const labels = declarations.filter(({ taskName }) => taskName === task).map(({ label }) => label);
    if (labels.length < 2) continue;
    yield finding('two-runners', task, `The task ${quote(task)} should have one runner, but ${labels.join(' and ')} would race for it.`);
  }
}

/**
 * Active tasks that nothing does: their entries stay as they are and no object is ever finished. A warning, because
 * it harms no other task and is the natural state of a pipeline whose tasks are written down before their runners are;
 * another runner that waits for such a task is an error of its own.
 */
export function* noRunner({ complete, tasks, runnerOf }: World): Generator<Finding> {
  if (!complete) return;
  for (const { name, active } of tasks.values()) {
    if (!active || runnerOf.has(name)) continue;
    yield finding(
      'no-runner',
      name,
      `No runner does the task ${quote(name)}, so it stays "not processed" for every object. Add a runner for it, or set active: false.`,
    );
  }
}

/** Runners of another kind than their task's. */
export function* kinds({ declarations, tasks }: World): Generator<Finding> {
  for (const { label, system, taskName, kind } of declarations) {
    const task = tasks.get(taskName ?? '');
    if (task === undefined || task.kind === undefined) continue;
    const name = quote(task.name);
    if (system && task.kind !== 'system') {
      const message =
        `${label} extends SystemTaskRunner, which works without an object, but its task ${name} is of kind ${quote(task.kind)}. ` +
        `Extend TransientTaskRunner, or make the task's kind system.`;
      yield finding('system-runner-on-object-task', task.name, message);
    } else if (!system && task.kind === 'system') {
      const message =
        `${label} works on one object at a time, but its task ${name} is of kind "system". Extend SystemTaskRunner, or give the ` +
        'task the kind of the objects.';
      yield finding('object-runner-on-system-task', task.name, message);
    } else if (!system && kind !== undefined && kind !== task.kind) {
      const known = [...new Set([...tasks.values()].flatMap((one) => (one.kind === undefined ? [] : [one.kind])))];
      const hint = known.includes(kind) ? '' : ` No task is of kind ${quote(kind)}.`;
      yield finding(
        'kind-mismatch',
        task.name,
        `${label} works on objects of kind ${quote(kind)}, but its task ${name} is of kind ${quote(task.kind)}.${hint}`,
      );
    }
  }
}
