import { statement } from '../db/hot.ts';
import { RefusedError } from '../errors.ts';
import { OMITTED } from '../status/status.ts';
import { whyImpossible, whyOmitted } from './decide.ts';
import { assertNotClosed, lockEntries, lockRequest, note, type Desk } from './desk.ts';
import { isIdentifier } from './input.ts';

/**
 * Writes an identifier of the person into a request, where one was found out later. Tasks that were omitted for want of it come onto
 * the list of a request that is not approved; of one that is, a person adds them.
 *
 * @returns names of the tasks that came onto the list
 * @throws {UnknownNameError} there is no such request
 * @throws {RefusedError} it is no identifier, or the request is closed
 */
export async function identify(desk: Desk, { request, by }: { request: string; by: string }, name: string, value: string): Promise<string[]> {
  if (!isIdentifier(name, value)) throw new RefusedError('An identifier has a name of at most 64 letters, digits and _ . : -, and a value of 1 to 500 characters that says something.');
  return desk.database.hot.transaction(async (run) => {
    const locked = await lockRequest(run, request);
    assertNotClosed(locked);
    const known = { type: locked.type, identifiers: { ...locked.identifiers, [name]: value.trim() } };
    await run(SAVE, [locked.id, JSON.stringify(known.identifiers)]);
    await note(run, locked.id, { by, kind: 'changed', text: `identifier "${name}"` });
    if (locked.approvedAt !== null) return [];
    // What a person took off has another reason, and stays off.
    const wanting = (await lockEntries(run, locked)).filter((entry) => entry.status === OMITTED && entry.reason === whyImpossible(entry, locked));
    const decided = wanting.map((entry) => ({ entry, why: whyOmitted(entry, known) }));
    for (const { entry, why } of decided) {
      if (why !== undefined) await run(STILL, [locked.id, entry.id, why]);
      else {
        await run(ADD, [locked.id, entry.id, by]);
        await note(run, locked.id, { by, kind: 'added', taskId: entry.id });
      }
    }
    return decided.filter(({ why }) => why === undefined).map(({ entry }) => entry.name);
  });
}

const SAVE = statement(`update request set identifiers = $2::jsonb where subject_id = $1`);

const ADD = statement(`
update task_register set status_id = 1, cause = 'reset', actor = $3, reason = null, last_modified = clock_timestamp() where subject_id = $1 and task_id = $2`);

const STILL = statement(`update task_register set reason = $3 where subject_id = $1 and task_id = $2`);
