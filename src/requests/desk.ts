import type { Clock } from '../clock.ts';
import type { Database } from '../db/database.ts';
import type { Run } from '../db/hot.ts';
import { statement } from '../db/hot.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { Batch, Place } from '../runner/request.ts';
import type { RequestTask } from './decide.ts';

/** Where requests are taken in, edited and approved. */
export interface Desk {
  database: Pick<Database, 'hot'>;
  clock: Clock;
}

/** The holds that keep requests which nobody has approved; those of people have their names. */
export const APPROVAL_HOLD = { reason: 'waits for approval', by: 'requests' } as const;

/** A request, locked until the end of the transaction. */
export interface LockedRequest {
  id: string;
  name: string;
  type: string;
  identifiers: Readonly<Record<string, string>>;
  approvedBy: string | null;
  approvedAt: Date | null;
  closedBy: string | null;
  closedAt: Date | null;
  closeReason: string | null;
}

/** An entry of a request, locked until the end of the transaction. */
export interface LockedEntry extends RequestTask {
  status: string;
  statusType: 'blank' | 'success' | 'warning' | 'error';
  claimFrom: string;
  attempt: number;
  unmet: number;
  reason: string | null;
  dueAt: Date | null;
  lastModified: Date;
}

/**
 * Locks a request, so that nobody else edits or approves it at the same time.
 *
 * @throws {UnknownNameError} there is no such request
 */
export async function lockRequest(run: Run, name: string): Promise<LockedRequest> {
  const [row] = await run<LockedRequest & { approvedAt: string | null; closedAt: string | null }>(LOCK_REQUEST, [name]);
  if (row !== undefined) return { ...row, approvedAt: dateOf(row.approvedAt), closedAt: dateOf(row.closedAt) };
  const known = (await run<{ name: string }>(NAMES, [])).map((one) => one.name);
  throw new UnknownNameError('request', name, known, nearest(name, known));
}

/** Locks the entries of a request: nobody claims one of them before the transaction ends. */
export async function lockEntries(run: Run, { id }: LockedRequest): Promise<LockedEntry[]> {
  const rows = await run<LockedEntry & { dueAt: string | null; lastModified: string }>(LOCK_ENTRIES, [id]);
  return rows.map((row) => ({ ...row, dueAt: dateOf(row.dueAt), lastModified: new Date(row.lastModified) }));
}

/** @throws {UnknownNameError} requests have no such task */
export function entryNamed(entries: readonly LockedEntry[], task: string): LockedEntry {
  const found = entries.find(({ name }) => name === task);
  if (found !== undefined) return found;
  const known = entries.map(({ name }) => name);
  throw new UnknownNameError('task of requests', task, known, nearest(task, known));
}

/** @throws {RefusedError} a person has closed the request */
export function assertNotClosed({ name, closedAt, closedBy, closeReason }: LockedRequest): void {
  if (closedAt !== null) throw new RefusedError(`${name} was closed by ${closedBy} at ${closedAt.toISOString()} (${closeReason}); nothing of it is changed any more.`);
}

/** What happened to a request, kept for ever. */
export type EventKind = 'received' | 'omitted' | 'added' | 'approved' | 'approval withdrawn' | 'run' | 'comment' | 'closed' | 'deadline' | 'changed';

/** Writes down what happened. */
export async function note(run: Run, requestId: string, event: { by: string; kind: EventKind; taskId?: number | undefined; text?: string }): Promise<void> {
  await run(NOTE, [requestId, event.by, event.kind, event.taskId ?? null, event.text ?? '']);
}

/** The tasks of requests, in the order of the fixtures. */
export async function readRequestTasks(run: Run): Promise<RequestTask[]> {
  return run<{ id: number; name: string; active: boolean; requestTypes: string[] | null; needsIdentifiers: string[]; batch: Batch | null; place: Place }>(TASKS, []);
}

const dateOf = (at: string | Date | null): Date | null => (at === null ? null : new Date(at));

const LOCK_REQUEST = statement(`
select q.subject_id as id, s.name, q.type, q.identifiers, q.approved_by as "approvedBy", q.approved_at as "approvedAt", q.closed_by as "closedBy",
       q.closed_at as "closedAt", q.close_reason as "closeReason"
  from subject s
  join request q on q.subject_id = s.id
 where s.kind = 'request' and s.name = $1
   for update of q`);

const NAMES = statement(`select name from subject where kind = 'request' order by id desc limit 1000`);

const TASK_COLUMNS = `
t.id, t.name, t.active, d.request_types as "requestTypes", coalesce(d.needs_identifiers, '{}') as "needsIdentifiers", d.batch, coalesce(d.place, 'any') as place`;

// The statuses are not joined: where an entry moves while we wait for its lock, it would have none.
const LOCK_ENTRIES = statement(`
select ${TASK_COLUMNS}, (select message from status where id = r.status_id) as status, (select type from status where id = r.status_id) as "statusType", f.message as "claimFrom", r.attempt, r.unmet, r.reason, r.due_at as "dueAt",
       r.last_modified as "lastModified"
  from task_register r
  join task t on t.id = r.task_id
  join status f on f.id = t.claim_from_id
  left join request_task d on d.task_id = t.id
 where r.subject_id = $1
 order by t.id
   for update of r`);

const TASKS = statement(`select ${TASK_COLUMNS} from task t left join request_task d on d.task_id = t.id where t.kind = 'request' order by t.id`);

const NOTE = statement(`insert into request_event (subject_id, by, kind, task_id, text) values ($1, $2, $3, $4, $5)`);
