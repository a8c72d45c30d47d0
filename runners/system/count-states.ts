import { recordStates, SystemTaskRunner, type RunContext } from '../../src/index.ts';

/** A count rests so many times as long as it took, so that at millions of objects it takes a twentieth of one connection at most. */
const RESTS = 20;
/** What takes less is not minded, milliseconds: the last firing of a short run should count. */
const QUICK_MS = 500;

/** Keeps how many objects are completed, processing, waiting and blocked, for the plot on the first page and `afterglow history`. */
export class CountStates extends SystemTaskRunner {
  readonly taskName = 'Count states';
  readonly schedule = '* * * * *';
  override readonly runsAtStart = true;
  override readonly runsWhenIdle = true;
  /** By the process's own clock, milliseconds. */
  #restsUntil = 0;

  async runProcess({ em }: RunContext) {
    const began = performance.now();
    if (began < this.#restsUntil) return { rests: true };
    const counts = await recordStates(em);
    const ended = performance.now();
    if (ended - began > QUICK_MS) this.#restsUntil = ended + RESTS * (ended - began);
    return Object.fromEntries(counts.map(({ kind, total, completed, processing, waiting, blocked }) => [kind, { total, completed, processing, waiting, blocked }]));
  }
}
