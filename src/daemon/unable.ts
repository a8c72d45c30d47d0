import { describeError } from '../db/storable.ts';
import type { EngineTask } from '../engine/engine-options.ts';
import type { Logger } from '../log.ts';

/**
 * Tasks that this machine cannot do, by the word of their runners: a script or its interpreter is not there. Their entries are left
 * to machines that can, instead of failing one after the other. Each runner is asked once; who mends it starts the daemon again.
 */
export class Unable {
  readonly #problems = new Map<EngineTask['runner'], readonly string[]>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether it cannot be done here. */
  has({ name, runner }: EngineTask): boolean {
    let problems = this.#problems.get(runner);
    if (problems === undefined) {
      problems = problemsOf(runner);
      this.#problems.set(runner, problems);
      for (const problem of problems) this.#log.error({ task: name }, notHere(name, problem));
    }
    return problems.length > 0;
  }

  /** Whole sentences; empty where everything can be done. */
  get troubles(): string[] {
    return [...this.#problems].flatMap(([{ taskName }, problems]) => problems.map((problem) => notHere(taskName, problem)));
  }
}

function problemsOf(runner: EngineTask['runner']): readonly string[] {
  try {
    return runner.problems();
  } catch (error) {
    return [`Its runner cannot say what keeps it from working: ${describeError(error).message}`];
  }
}

const notHere = (task: string, problem: string): string => `"${task}" is not done on this machine: ${problem}`;
