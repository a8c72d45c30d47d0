import { statement } from '../db/hot.ts';
import { RefusedError } from '../errors.ts';
import { OMITTED, PROCESSING } from '../status/status.ts';
import { nextBatch } from './batch.ts';
import { whyImpossible } from './decide.ts';
import { assertNotClosed, entryNamed, lockEntries, lockRequest, note, type Desk } from './desk.ts';
import { omit } from './take-in.ts';

/** Whom the change is by, and what it is about. */
export interface ListEdit {
  /** `R-17`. */
  request: string;
  task: string;
  by: string;
}

/**
 * Takes a task off the list of a request, with the reason: one that was not begun, or one that failed.
 *
 * @throws {UnknownNameError} there is no such request or task
 * @throws {RefusedError} the task runs, is done or is omitted already, or the request is closed
 */
export async function omitTask(desk: Desk, { request, task, by }: ListEdit, reason: string): Promise<void> {
  await desk.database.hot.transaction(async (run) => {
    const locked = await lockRequest(run, request);
    assertNotClosed(locked);
    const entry = entryNamed(await lockEntries(run, locked), task);
    if (entry.status === PROCESSING) throw new RefusedError(`"${task}" of ${request} is running, attempt ${entry.attempt}; cancel it first.`);
    if (entry.status === OMITTED) throw new RefusedError(`"${task}" of ${request} is omitted already: ${entry.reason ?? 'no reason is kept'}`);
    if (entry.statusType === 'success') throw new RefusedError(`"${task}" of ${request} was done at ${entry.lastModified.toISOString()}, so it cannot be omitted any more.`);
    await omit(run, [{ id: locked.id, task, reason }], by);
    await note(run, locked.id, { by, kind: 'omitted', taskId: entry.id, text: reason });
  });
}

/**
 * Puts an omitted task back on the list of a request. Where that is approved, the task runs as soon as it may.
 *
 * @throws {UnknownNameError} there is no such request or task
 * @throws {RefusedError} it is on the list already, it cannot be done (it is not active, an identifier is missing), or the request is closed
 */
export async function addTask(desk: Desk, { request, task, by }: ListEdit): Promise<void> {
  await desk.database.hot.transaction(async (run) => {
    const locked = await lockRequest(run, request);
    assertNotClosed(locked);
    const entry = entryNamed(await lockEntries(run, locked), task);
    if (entry.status !== OMITTED) throw new RefusedError(`"${task}" is on the list of ${request} already; its status is "${entry.status}".`);
    const why = whyImpossible(entry, locked);
    if (why !== undefined) throw new RefusedError(`"${task}" cannot be added to ${request}. ${why}`);
    const due = entry.batch === null || locked.approvedAt === null ? null : nextBatch(entry.batch, desk.clock.now());
    await run(ADD, [locked.id, entry.id, by, due?.toISOString() ?? null, due === null ? null : batchReason(entry.batch!)]);
    await note(run, locked.id, { by, kind: 'added', taskId: entry.id });
  });
}

/** Why an entry waits for its batch, as it stands in the register. */
export const batchReason = (batch: string): string => `for the next ${batch} batch`;

const ADD = statement(`
update task_register
   set status_id = 1, cause = 'reset', actor = $3, reason = $5, due_at = $4, last_modified = clock_timestamp()
 where subject_id = $1 and task_id = $2`);
