import { recordStates, SystemTaskRunner, type RunContext } from '../../src/index.ts';

/** Keeps how many objects are completed, processing, waiting and blocked, for the plot on the first page and `afterglow history`. */
export class CountStates extends SystemTaskRunner {
  readonly taskName = 'Count states';
  readonly schedule = '* * * * *';
  override readonly runsAtStart = true;
  override readonly runsWhenIdle = true;

  async runProcess({ em }: RunContext) {
    const counts = await recordStates(em);
    return Object.fromEntries(counts.map(({ kind, total, completed, processing, waiting, blocked }) => [kind, { total, completed, processing, waiting, blocked }]));
  }
}
