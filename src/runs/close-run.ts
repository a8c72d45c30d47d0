import type { EntityManager } from '@mikro-orm/postgresql';
import type { Hot } from '../db/hot.ts';
import { readEntries, skipEntries, stateOf } from './entries.ts';
import type { OpenRun } from './open-run.ts';

/** How a run ended: as it should; with failures; by Ctrl-C; at the first failure, as asked; or by a defect or an accident. */
export type RunEndState = 'finished' | 'failed' | 'aborted' | 'halted' | 'crashed';

/** How many scripts came to what. */
export interface RunCounts {
  tasks: number;
  succeeded: number;
  failed: number;
  skipped: number;
  unchanged: number;
}

/** Says in the register that a process works on a run. */
export async function beginRun(em: EntityManager, { subjectId }: OpenRun, daemonId: number): Promise<void> {
  await em.execute(`update run set state = 'running', daemon_id = ? where subject_id = ?`, [daemonId, subjectId]);
}

/**
 * Ends a run: what nobody has begun is skipped, everything is counted, and the state is written. A run in which a script has failed
 * or was skipped does not end as finished.
 *
 * @param end.left why scripts that were not begun were not
 */
export async function closeRun(
  { em, hot }: { em: () => EntityManager; hot: Hot }, run: OpenRun, end: { state: RunEndState; left: string; message?: string | undefined },
): Promise<{ state: RunEndState; counts: RunCounts; skipped: { script: string; reason: string }[] }> {
  const waiting = (await readEntries(hot.run, run)).filter(({ status }) => stateOf(status) === 'waiting');
  const skips = waiting.map(({ script, reason }) => ({ script, reason: reason ?? end.left }));
  const done = await skipEntries(hot.run, run, skips);
  const states = (await readEntries(hot.run, run)).map(({ status }) => stateOf(status));
  const count = (state: string): number => states.filter((one) => one === state).length;
  const counts = { tasks: states.length, succeeded: count('success'), failed: count('failed'), skipped: count('skipped'), unchanged: count('unchanged') };
  const state = end.state === 'finished' && counts.failed + counts.skipped > 0 ? 'failed' : end.state;
  await em().execute(
    `update run
        set state = ?, message = ?, tasks = ?, succeeded = ?, failed = ?, skipped = ?, unchanged = ?, ended_at = clock_timestamp()
      where subject_id = ?`,
    [state, end.message ?? null, counts.tasks, counts.succeeded, counts.failed, counts.skipped, counts.unchanged, run.subjectId],
  );
  return { state, counts, skipped: skips.filter(({ script }) => done.includes(script)) };
}
