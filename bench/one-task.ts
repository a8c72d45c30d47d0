import { TransientTaskRunner } from '../src/runner/runner.ts';
import type { Transient } from '../src/runner/transient.ts';
import { statuses } from './blast17.ts';
import type { Graph } from './graph.ts';

const TASK = 'only';

/** A task that needs nothing and is told to nobody but who made it. */
class OnlyRunner extends TransientTaskRunner {
  readonly taskName = TASK;
  readonly schedule = '0 0 1 1 *';
  readonly prerequisites = {};
  readonly failedStatusMessage = 'failed';
  readonly #onRun: (transient: Transient) => void;

  constructor(onRun: (transient: Transient) => void) {
    super();
    this.#onRun = onRun;
  }

  override runProcess(transient: Transient): string {
    this.#onRun(transient);
    return 'processed';
  }
}

/** A graph of one task without prerequisites, as a plain queue would be. */
export function oneTask(onRun: (transient: Transient) => void = () => {}): Graph {
  return { statuses, tasks: [{ name: TASK, kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true }], runners: [new OnlyRunner(onRun)] };
}
