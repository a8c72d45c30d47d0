import { DeliveryError } from '../pipeline/delivery-error.ts';
import { median, quantile } from '../statistics.ts';
import type { Register } from './register.ts';

/** What is measured at every size: `expected` entries have to be taken each time. */
export interface Scenario {
  name: string;
  /** The task that it is about; it is measured where the register has it. */
  task: string;
  expected: number;
  run: (register: Register) => Promise<{ ms: number; entries: number }>;
}

/** Milliseconds: the medians over the rounds of each round's own quantiles. */
export interface Timing {
  scenario: string;
  transients: number;
  p50: number;
  p95: number;
  /** This size's p50 over the smallest size's, in the same round; the median over the rounds. */
  ratio: number;
}

/**
 * Measures scenarios at several sizes side by side: one sample at each size after the other, so that whatever else the machine does
 * meets all sizes alike.
 *
 * @param all the smallest first
 */
export async function timeRounds(all: readonly Register[], scenarios: readonly Scenario[], { rounds, samples }: { rounds: number; samples: number }): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const scenario of scenarios) {
    const registers = all.filter(({ graph }) => graph.tasks.some(({ name }) => name === scenario.task));
    const perRound: number[][][] = [];
    // Warm-up: plans, catalogues and the pages that will be read.
    for (const register of registers) for (let i = 0; i < 5; i += 1) await sample(scenario, register);
    for (let round = 0; round < rounds; round += 1) {
      const taken = registers.map((): number[] => []);
      for (let i = 0; i < samples; i += 1) {
        // Another size begins each time.
        for (let turn = 0; turn < registers.length; turn += 1) {
          const at = (turn + i) % registers.length;
          taken[at]!.push(await sample(scenario, registers[at]!));
        }
      }
      perRound.push(taken);
    }
    for (const [at, { transients }] of registers.entries()) {
      timings.push({
        scenario: scenario.name,
        transients,
        p50: median(perRound.map((taken) => median(taken[at]!))),
        p95: median(perRound.map((taken) => quantile(taken[at]!, 0.95))),
        ratio: median(perRound.map((taken) => median(taken[at]!) / median(taken[0]!))),
      });
    }
  }
  return timings;
}

async function sample({ name, expected, run }: Scenario, register: Register): Promise<number> {
  const { ms, entries } = await run(register);
  if (entries !== expected) throw new DeliveryError([`"${name}" at ${register.transients} transients took ${entries} entries, expected ${expected}`]);
  return ms;
}
