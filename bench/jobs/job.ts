import { z } from 'zod';
import { JobRunner } from '../../src/runner/job.ts';
import { withOwnStatuses } from '../../src/runner/own-statuses.ts';
import { jobTasks } from '../../src/runner/job-tasks.ts';
import { statuses } from '../blast17.ts';
import type { Graph } from '../graph.ts';

/** A job that does nothing but tell who made it that it was called. */
export class BenchJob extends JobRunner<{ item: number }> {
  readonly taskName = 'bench';
  readonly args = z.object({ item: z.number() });
  // Never in the life of a run: what runs was announced.
  override readonly schedule = '0 0 1 1 *';
  readonly #onRun: (item: number) => void;

  constructor(onRun: (item: number) => void = () => {}) {
    super();
    this.#onRun = onRun;
  }

  override run({ item }: { item: number }): void {
    this.#onRun(item);
  }
}

/** Jobs of one type, without any object. */
export function jobsAlone(runner: BenchJob): Graph {
  return { statuses: withOwnStatuses(statuses, [runner]), tasks: jobTasks([runner]), runners: [runner] };
}
