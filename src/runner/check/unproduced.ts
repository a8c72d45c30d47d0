import { INITIAL, PROCESSING } from '../../status/status.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { isProduced, stepsOf } from './steps.ts';
import { anyOf, quote } from './words.ts';
import { subjectRunners } from './world.ts';
import type { World } from './world.ts';

/** Prerequisites on a status that nothing ever gives to that task: because no runner does it, or because its runner leaves others. A warning, where an alternative is left. */
export function* unproduced(world: World): Generator<Finding> {
  const steps = stepsOf(world);
  for (const { task, runner } of subjectRunners(world)) {
    for (const [name, statuses] of runner.prerequisites) {
      const other = world.tasks.get(name);
      if (name === task || other === undefined || !statuses.every((status) => world.statuses.has(status))) continue;
      const open = statuses.filter((status) => status !== INITIAL && !world.isGiven(name, status));
      const step = steps.get(name);
      if (step === undefined) {
        if (open.length < statuses.length || !world.complete || world.runnerOf.has(name) || !other.active || other.kind !== world.tasks.get(task)?.kind) continue;
        yield finding(
          'awaits-missing-runner',
          task,
          `${runner.label} waits for ${quote(name)} to be ${anyOf(statuses)}, but no runner does that task, so it stays "${INITIAL}".`,
        );
      } else {
        const never = open.filter((status) => status !== PROCESSING && status !== step.from && !isProduced(status, step.outcomes));
        if (never.length === 0) continue;
        const left = [...new Set(step.outcomes)].filter((one) => one !== INITIAL);
        const message =
          `${runner.label} waits for ${quote(name)} to be ${anyOf(never)}, but ${step.runner.label} never leaves that; it ` +
          `leaves ${anyOf(left)}.`;
        yield finding(never.length === statuses.length ? 'awaits-unproduced-status' : 'alternative-unproduced', task, message);
      }
    }
  }
}
