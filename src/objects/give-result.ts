import type { EntityManager } from '@mikro-orm/postgresql';
import { sendBackAffected } from '../db/send-back-affected.ts';
import { storable } from '../db/storable.ts';
import { SUBJECT_COLUMNS, subjectOf, type SubjectColumns } from '../engine/claim.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { Json } from '../runner/outcome.ts';
import { isSubjectRunner, type TaskRunner } from '../runner/runner.ts';
import { INITIAL, type StatusType } from '../status/status.ts';
import { withoutSubject, type Editor, type EditReport } from './edit-values.ts';
import { assertEditable, type FoundObject } from './found-object.ts';
import { rehearse } from './rehearse.ts';

/** A result that a person gives in the place of an attempt. */
export interface GivenResult {
  task: string;
  /** Kept as the result of an attempt that the person made. */
  result: Json;
  /** The status that the entry has then, of type success or error; `processed` unless given. */
  status?: string | undefined;
}

/**
 * Puts a person's result in the place of an attempt's, and has done again what waits for the task. What runs of the entry is told to stop
 * and writes nothing. The entry is the person's from then on: neither a retry nor a reset nor another edit runs it again, unless told to.
 *
 * @param runners a runner that has a `takeResult` for the task keeps the result in its own tables as well
 * @throws {UnknownNameError} there is no such task or status
 * @throws {RefusedError} the object does not go through the task, the status is no end, or the runner does not take the result
 */
export async function giveResult(em: EntityManager, object: FoundObject, given: GivenResult, editor: Editor, runners: readonly TaskRunner[] = []): Promise<EditReport> {
  assertEditable(object);
  const runner = runners.filter(isSubjectRunner).find(({ taskName }) => taskName === given.task);
  return rehearse(em, editor.dryRun === true, async (tx) => {
    const entry = await lockEntry(tx, object, given.task);
    const statusId = await endStatus(tx, given.status ?? 'processed');
    const [row] = await tx.execute<[SubjectColumns]>(`select s.id as subject_id, ${SUBJECT_COLUMNS} from subject s left join transient t on t.subject_id = s.id where s.id = ?`, [object.id]);
    let result = storable(given.result, 'result') ?? null;
    if (runner?.takeResult !== undefined) {
      try {
        result = storable(await runner.takeResult(subjectOf(object.kind, row), result, { em: tx }), 'result') ?? null;
        await tx.flush();
      } catch (error) {
        throw new RefusedError(`The runner of "${given.task}" does not take this result: ${(error as Error).message}`, { cause: error });
      }
    }
    const old = { status: entry.status, result: entry.result };
    // By moves that the status machine knows: afresh, and then to where the person says that it stands.
    if (entry.status !== INITIAL) await tx.execute(MOVE, [1, 'reset', editor.by, 0, null, object.id, entry.taskId]);
    await tx.execute(`update attempt set ended_at = clock_timestamp(), outcome = 'superseded', progress = null where subject_id = ? and task_id = ? and outcome = 'running'`, [object.id, entry.taskId]);
    await tx.execute(MOVE, [statusId, 'load', editor.by, 1, editor.by, object.id, entry.taskId]);
    await tx.execute(ATTEMPT, [statusId, JSON.stringify(result), object.id, entry.taskId]);
    const now = { status: given.status ?? 'processed', result };
    await tx.execute(
      `insert into edit (subject_id, task_id, edited_by, reason, old_value, new_value) values (?, ?, ?, ?, ?::jsonb, ?::jsonb)`,
      [object.id, entry.taskId, editor.by, editor.reason ?? null, JSON.stringify(old), JSON.stringify(now)],
    );
    const followed = await sendBackAffected(tx, [{ subjectId: object.id, resultOf: entry.taskId }], editor.by);
    return { subject: object.name, changes: [{ what: given.task, old, new: now }], again: followed.again, kept: withoutSubject(followed.kept) };
  });
}

async function lockEntry(tx: EntityManager, { id, kind, name }: FoundObject, task: string): Promise<{ taskId: number; status: string; result: Json }> {
  await tx.execute(`select from subject where id = ? for no key update`, [id]);
  // All of them, as what follows is locked later and in this order.
  await tx.execute(`select from task_register where subject_id = ? order by task_id for update`, [id]);
  const rows = await tx.execute<{ task_id: number; task: string; status: string; result: Json }[]>(ENTRIES, [id]);
  const row = rows.find((one) => one.task === task);
  if (row !== undefined) return { taskId: row.task_id, status: row.status, result: row.result };
  const names = rows.map((one) => one.task);
  const [known] = await tx.execute<{ kind: string }[]>(`select kind from task where name = ?`, [task]);
  if (known !== undefined) throw new RefusedError(`${name} is a ${kind} and does not go through "${task}", which is for objects of the kind "${known.kind}".`);
  throw new UnknownNameError('task', task, names, nearest(task, names));
}

async function endStatus(tx: EntityManager, status: string): Promise<number> {
  const rows = await tx.execute<{ id: number; message: string; type: StatusType }[]>(`select id, message, type from status order by id`);
  const found = rows.find(({ message }) => message === status);
  const names = rows.map(({ message }) => message);
  if (found === undefined) throw new UnknownNameError('status', status, names, nearest(status, names));
  if (found.type !== 'success' && found.type !== 'error') throw new RefusedError(`"${status}" is no end of a task: only a status of type success or error can be given.`);
  return found.id;
}

const ENTRIES = `
select r.task_id, t.name as task, s.message as status,
       (select a.result from attempt a where a.subject_id = r.subject_id and a.task_id = r.task_id and a.outcome = 'finished' order by a.attempt desc limit 1) as result
  from task_register r
  join task t on t.id = r.task_id
  join status s on s.id = r.status_id
 where r.subject_id = ?
 order by t.id`;

const MOVE = `
update task_register
   set status_id = ?, cause = ?, actor = ?, attempt = attempt + ?, overridden_by = ?, due_at = null, dispatched_at = null, setbacks = 0, failure = null, reason = null,
       waits_for = null, lease_owner = null, lease_until = null, cancel_reason = null, warning = null, wall_seconds = null, last_modified = clock_timestamp()
 where subject_id = ? and task_id = ?`;

// The number of no daemon: a person made it.
const ATTEMPT = `
insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version, ended_at, outcome, status_id, wall_seconds, cpu_seconds, result)
select r.subject_id, r.task_id, r.attempt, 0, t.runner_version, clock_timestamp(), 'finished', ?, 0, 0, ?::jsonb
  from task_register r
  join task t on t.id = r.task_id
 where r.subject_id = ? and r.task_id = ?`;
