import { statement } from '../db/hot.ts';
import { RefusedError } from '../errors.ts';
import { retryDeadlock } from '../engine/retry-deadlock.ts';
import { OMITTED } from '../status/status.ts';
import { nextBatch } from './batch.ts';
import { APPROVAL_HOLD, assertNotClosed, lockEntries, lockRequest, note, type Desk } from './desk.ts';
import { batchReason } from './edit-list.ts';

/**
 * Approves a request with its list of tasks: it starts. Costly tasks wait for their next batch.
 *
 * @param seen the last event that the person had seen; undefined: it is approved as it stands
 * @throws {UnknownNameError} there is no such request
 * @throws {RefusedError} it was approved already, has no task to do, is closed, or was changed since it was looked at
 */
export async function approve(desk: Desk, { request, by, seen }: { request: string; by: string; seen?: string | undefined }): Promise<void> {
  await retryDeadlock(() =>
    desk.database.hot.transaction(async (run) => {
      const locked = await lockRequest(run, request);
      assertNotClosed(locked);
      if (locked.approvedAt !== null) throw new RefusedError(`${request} was approved by ${locked.approvedBy} at ${locked.approvedAt.toISOString()}.`);
      const [last] = await run<{ id: string; by: string; kind: string }>(LAST_EVENT, [locked.id]);
      if (seen !== undefined && last !== undefined && last.id !== seen) throw new RefusedError(`${request} was changed since you looked at it (${last.kind} by ${last.by}). Look at it again, then approve it.`);
      const entries = await lockEntries(run, locked);
      if (entries.every(({ status }) => status === OMITTED)) throw new RefusedError(`${request} has no task to do: all of them are omitted. Add one first, or close the request.`);
      await run(APPROVE, [locked.id, by]);
      const batched = entries.filter(({ batch, status, claimFrom }) => batch !== null && status === claimFrom);
      const rows = batched.map(({ id, batch }) => ({ task_id: id, due_at: nextBatch(batch!, desk.clock.now()), reason: batchReason(batch!) }));
      if (rows.length > 0) await run(WAIT, [locked.id, JSON.stringify(rows)]);
      await run(LIFT, [locked.id, APPROVAL_HOLD.by]);
      await note(run, locked.id, { by, kind: 'approved' });
    }),
  );
}

/**
 * Takes an approval back, before anything has run.
 *
 * @throws {UnknownNameError} there is no such request
 * @throws {RefusedError} it is not approved, a task of it has begun, or it is closed
 */
export async function withdrawApproval(desk: Desk, { request, by }: { request: string; by: string }): Promise<void> {
  await retryDeadlock(() =>
    desk.database.hot.transaction(async (run) => {
      const locked = await lockRequest(run, request);
      assertNotClosed(locked);
      if (locked.approvedAt === null) throw new RefusedError(`${request} is not approved.`);
      const begun = (await lockEntries(run, locked)).find(({ attempt }) => attempt > 0);
      if (begun !== undefined) throw new RefusedError(`"${begun.name}" of ${request} has begun already, so the approval cannot be withdrawn any more. Hold or cancel what is left.`);
      await run(WITHDRAW, [locked.id]);
      await run(FORGET_BATCH, [locked.id]);
      await run(HOLD_AGAIN, [locked.id, APPROVAL_HOLD.reason, APPROVAL_HOLD.by]);
      await note(run, locked.id, { by, kind: 'approval withdrawn' });
    }),
  );
}

/**
 * Closes a request of which nothing more will be done, with the reason; the person may make a new one then.
 *
 * @throws {UnknownNameError} there is no such request
 * @throws {RefusedError} a task of it runs, or it is closed already
 */
export async function close(desk: Desk, { request, by, reason }: { request: string; by: string; reason: string }): Promise<void> {
  await retryDeadlock(() =>
    desk.database.hot.transaction(async (run) => {
      const locked = await lockRequest(run, request);
      assertNotClosed(locked);
      const running = (await lockEntries(run, locked)).find(({ statusType, status, claimFrom }) => statusType === 'warning' && status !== claimFrom);
      if (running !== undefined) throw new RefusedError(`"${running.name}" of ${request} is running; cancel it first.`);
      await run(HOLD_AGAIN, [locked.id, 'the request is closed', APPROVAL_HOLD.by]);
      await run(CLOSE, [locked.id, by, reason]);
      await note(run, locked.id, { by, kind: 'closed', text: reason });
    }),
  );
}

const LAST_EVENT = statement(`select id, by, kind from request_event where subject_id = $1 and kind <> 'comment' order by id desc limit 1`);

const APPROVE = statement(`update request set approved_at = clock_timestamp(), approved_by = $2 where subject_id = $1`);

const WAIT = statement(`
update task_register r
   set due_at = g.due_at, reason = g.reason
  from jsonb_to_recordset($2::jsonb) as g(task_id integer, due_at timestamptz, reason text)
 where r.subject_id = $1 and r.task_id = g.task_id`);

// A person's own hold in the place of ours stays.
const LIFT = statement(`delete from hold where subject_id = $1 and task_id is null and placed_by = $2`);

const WITHDRAW = statement(`update request set approved_at = null, approved_by = null where subject_id = $1`);

const FORGET_BATCH = statement(`update task_register set due_at = null, reason = null where subject_id = $1 and status_id = 1 and due_at is not null`);

const HOLD_AGAIN = statement(`insert into hold (subject_id, task_id, reason, placed_by) values ($1, null, $2, $3) on conflict (subject_id, task_id) do nothing`);

const CLOSE = statement(`update request set closed_at = clock_timestamp(), closed_by = $2, close_reason = $3 where subject_id = $1`);
