import type { Database } from '../db/database.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { oneOf } from '../runner/prerequisites.ts';
import { claimOne } from './claim.ts';
import type { ClaimedEntry } from './claim.ts';
import type { EngineTask } from './engine-options.ts';
import { explain, type Explanation } from './explain/obstacles.ts';
import { readSnapshot } from './explain/snapshot.ts';

/**
 * Claims one entry for a person, in its turn or not.
 *
 * @throws {UnknownNameError} there is no such transient
 * @throws {RefusedError} its prerequisites are not met, it runs already, or it is done; says which
 */
export async function claimNamed(database: Pick<Database, 'em' | 'hot'>, task: EngineTask, subject: string, by: { daemonId: number; actor: string; leaseSeconds: number }): Promise<ClaimedEntry> {
  const em = database.em();
  const [found] = await em.execute<{ id: string }[]>(`select id from subject where kind = ? and name = ?`, [task.kind, subject]);
  if (found === undefined) {
    const names = (await em.execute<{ name: string }[]>(`select name from subject where kind = ? order by name limit 5000`, [task.kind])).map(({ name }) => name);
    throw new UnknownNameError(task.kind, subject, names, nearest(subject, names));
  }
  const entry = await claimOne(database.hot.run, { ...task, version: task.runner.version }, by, found.id);
  if (entry !== undefined) return entry;
  const explanation = explain(await readSnapshot(database.hot.run, [subject])).find((one) => one.task === task.name);
  throw new RefusedError(explanation === undefined ? `${subject} has no entry of "${task.name}".` : describe(task.name, subject, explanation, task.claimFrom));
}

// A person runs an entry whether or not it is its turn, so of all that `explain` finds only what the claim minds is said.
function describe(task: string, subject: string, { status, obstacles }: Explanation, claimFrom: string): string {
  const unmet = obstacles.filter((one) => one.kind === 'prerequisite');
  if (unmet.length > 0) {
    return `"${task}" of ${subject} cannot run yet: ${unmet.map((one) => `"${one.task}" must be ${oneOf(one.wanted.map((wanted) => `"${wanted}"`))}, it is "${one.found ?? 'not in the register'}"`).join('; ')}.`;
  }
  const running = obstacles.find((one) => one.kind === 'running');
  if (running !== undefined) return `"${task}" of ${subject} is "${status}"${running.by === null ? '' : `, by ${running.by}`}. Use "afterglow cancel" or "afterglow reset" first.`;
  if (obstacles.some(({ kind }) => kind === 'done')) return `"${task}" of ${subject} is "${status}"; it is run from "${claimFrom}". Use "afterglow reset" first.`;
  const holds = obstacles.filter((one) => one.kind === 'hold');
  if (holds.length > 0) return `"${task}" of ${subject} is held by ${holds.map(({ by, reason }) => `${by}: ${reason}`).join('; ')}. Use "afterglow unhold" first.`;
  return `"${task}" of ${subject} is being claimed by somebody else.`;
}
