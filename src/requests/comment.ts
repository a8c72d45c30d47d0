import { RefusedError } from '../errors.ts';
import { lockRequest, note, type Desk } from './desk.ts';

/** Characters of a comment at most. */
const LONGEST = 5000;

/**
 * Keeps a remark with a request.
 *
 * @throws {UnknownNameError} there is no such request
 * @throws {RefusedError} there is nothing in it, or too much
 */
export async function comment(desk: Desk, { request, by, text }: { request: string; by: string; text: string }): Promise<void> {
  const said = text.trim();
  if (said === '' || said.length > LONGEST) throw new RefusedError(`A comment has 1 to ${LONGEST} characters; this one has ${said.length}.`);
  await desk.database.hot.transaction(async (run) => note(run, (await lockRequest(run, request)).id, { by, kind: 'comment', text: said }));
}
