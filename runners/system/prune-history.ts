import { HISTORY, pruneHistory, SystemTaskRunner, type RunContext } from '../../src/index.ts';

/** Days that history is kept. */
const KEPT_DAYS = 365;

/** Deletes what is older than a year: attempts (never the last one of an entry), transitions, ticks, calls of hooks, checkpoints and notices; and named locks whose owner died. */
export class PruneHistory extends SystemTaskRunner {
  readonly taskName = 'Prune history';
  readonly schedule = '30 4 * * *';

  async runProcess({ em, signal }: RunContext) {
    const deleted: Record<string, number> = {};
    for (const table of HISTORY) {
      deleted[table] = 0;
      for (let gone; (gone = await pruneHistory(em, table, KEPT_DAYS * 86_400)) > 0; ) {
        deleted[table] += gone;
        signal.throwIfAborted();
      }
    }
    return deleted;
  }
}
