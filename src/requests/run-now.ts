import { statement } from '../db/hot.ts';
import { RefusedError } from '../errors.ts';
import { OMITTED, PROCESSING } from '../status/status.ts';
import { assertNotClosed, entryNamed, lockEntries, lockRequest, note, type Desk } from './desk.ts';
import type { ListEdit } from './edit-list.ts';

/** What came of the wish to have a task run now. Nobody waits for the run. */
export interface RunAnswer {
  /** `started`: a daemon takes it as soon as one has room. `running`: it runs already, or has run since it was looked at. `done`: it is done, and is not done twice. */
  answer: 'started' | 'running' | 'done';
  /** The number of the entry's last attempt. */
  attempt: number;
  /** A sentence. */
  message: string;
}

/**
 * Has one task of an approved request run now: one that failed is done again, one that waits for its batch is let go. It does not
 * wait for the run. A success is not run twice unless `again` says so.
 *
 * @param attempt the number of the last attempt that the person has seen: after another one, nothing is started
 * @throws {UnknownNameError} there is no such request or task
 * @throws {RefusedError} the request is not approved or is closed, the task is omitted or not active, or waits for others
 */
export async function runNow(desk: Desk, { request, task, by }: ListEdit, { again = false, attempt }: { again?: boolean; attempt?: number | undefined } = {}): Promise<RunAnswer> {
  return desk.database.hot.transaction(async (run) => {
    const locked = await lockRequest(run, request);
    assertNotClosed(locked);
    if (locked.approvedAt === null) throw new RefusedError(`${request} waits for approval; nothing of it is run before.`);
    const entry = entryNamed(await lockEntries(run, locked), task);
    const answer = (word: RunAnswer['answer'], message: string): RunAnswer => ({ answer: word, attempt: entry.attempt, message });
    if (entry.status === OMITTED) throw new RefusedError(`"${task}" of ${request} is omitted (${entry.reason ?? 'no reason is kept'}). Add it to the list first.`);
    if (!entry.active) throw new RefusedError(`"${task}" is not active, so nothing of it is run.`);
    if (entry.status === PROCESSING) return answer('running', `"${task}" of ${request} is running already, attempt ${entry.attempt}.`);
    if (attempt !== undefined && entry.attempt !== attempt) return answer('running', `"${task}" of ${request} has been run since you looked at it, attempt ${entry.attempt}; its status is "${entry.status}".`);
    if (entry.statusType === 'success' && !again) return answer('done', `"${task}" of ${request} was done at ${entry.lastModified.toISOString()}. It is not run a second time unless that is asked for.`);
    if (entry.status === entry.claimFrom && entry.unmet > 0) throw new RefusedError(`"${task}" of ${request} waits for ${entry.unmet === 1 ? 'another task' : `${entry.unmet} other tasks`}, and runs after ${entry.unmet === 1 ? 'it' : 'them'} by itself.`);
    if (entry.status === entry.claimFrom) await run(LET_GO, [locked.id, entry.id]);
    else await run(SEND_BACK, [locked.id, entry.id, entry.statusType === 'error' ? 'retry' : 'reset', by]);
    await note(run, locked.id, { by, kind: 'run', taskId: entry.id, text: entry.statusType === 'success' ? 'again, although it was done' : '' });
    return answer('started', `"${task}" of ${request} is run as soon as a daemon has room for it.`);
  });
}

// Neither a change of due_at nor the wish of a person is a move, so the trigger keeps silent.
const LET_GO = statement(`
with due as (
  update task_register set due_at = null, reason = null where subject_id = $1 and task_id = $2 returning task_id)
select pg_notify('afterglow_ready', task_id::text) from due`);

const SEND_BACK = statement(`
update task_register
   set status_id = 1, cause = $3, actor = $4, due_at = null, setbacks = 0, failure = null, reason = null, waits_for = null, warning = null,
       last_modified = clock_timestamp()
 where subject_id = $1 and task_id = $2`);
