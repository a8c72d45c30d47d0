import { within } from '../db/run-within.ts';
import { CancelledError, LeaseLostError } from '../errors.ts';
import { advance, type Ending } from './advance.ts';
import type { LazyEntityManager } from './lazy-em.ts';

/**
 * Commits the runner's rows and how its attempt ended in one transaction, or neither.
 *
 * @throws {LeaseLostError} the attempt holds its lease no more; nothing was written
 * @throws {CancelledError} its job was cancelled meanwhile; nothing was written
 * @throws whatever else kept it from being committed
 */
export async function commitTogether(database: LazyEntityManager, of: { task: string; subject: string; attempt: number; taskId: number }, actor: string, ending: Ending): Promise<void> {
  await database.commit(async (em) => {
    const held = await advance(within(em), of.taskId, actor, [ending]);
    if (!held.has(ending)) throw new LeaseLostError(of);
    const overruled = held.get(ending);
    if (overruled !== undefined) throw new CancelledError(overruled.by, overruled.reason);
  });
}
