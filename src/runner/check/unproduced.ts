import { INITIAL, PROCESSING } from '../../status/status.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { isProduced, stepsOf } from './steps.ts';
import { listed, quote } from './words.ts';
import { subjectRunners } from './world.ts';
import type { World } from './world.ts';

/** Prerequisites on a status that nothing ever gives to that task: because no runner does it, or because its runner leaves others. */
export function* unproduced(world: World): Generator<Finding> {
  const steps = stepsOf(world);
  for (const { task, runner } of subjectRunners(world)) {
    for (const [name, status] of runner.prerequisites) {
      const other = world.tasks.get(name);
      if (name === task || other === undefined || !world.statuses.has(status) || status === INITIAL || world.isGiven(name, status)) continue;
      const step = steps.get(name);
      if (step === undefined) {
        if (!world.complete || world.runnerOf.has(name) || !other.active || other.kind !== world.tasks.get(task)?.kind) continue;
        yield finding(
          'awaits-missing-runner',
          task,
          `${runner.label} waits for ${quote(name)} to be ${quote(status)}, but no runner does that task, so it stays "${INITIAL}".`,
        );
      } else if (status !== PROCESSING && status !== step.from && !isProduced(status, step.outcomes)) {
        const left = [...new Set(step.outcomes)].filter((one) => one !== INITIAL);
        const message =
          `${runner.label} waits for ${quote(name)} to be ${quote(status)}, but ${step.runner.label} never leaves that; it ` +
          `leaves ${listed(left, 'or')}.`;
        yield finding('awaits-unproduced-status', task, message);
      }
    }
  }
}
