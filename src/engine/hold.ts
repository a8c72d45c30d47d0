import { statement, type Hot } from '../db/hot.ts';
import type { Database } from '../db/database.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { assertKnown } from './known-names.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** What a person means to hold, or to let go. */
export interface HoldTarget {
  /** Names. */
  subjects: readonly string[];
  /** The one task that is meant; undefined: the objects as a whole. */
  task?: string | undefined;
}

/** A hold that is to be placed. */
export interface HoldOrder extends HoldTarget {
  reason: string;
  /** When it is lifted by itself; a number of seconds is counted by the database's clock. Undefined: a person has to lift it. */
  until?: Date | number | undefined;
  by: string;
}

/** A hold on one object, or on one task of it. */
export interface Hold {
  subject: string;
  /** Null: on all tasks of it. */
  task: string | null;
  reason: string;
  by: string;
  until: Date | null;
}

/** A hold that was placed, or would be. */
export interface PlacedHold extends Hold {
  /** Attempts of what it holds that run now; they are not stopped. */
  running: number;
  /** The hold that was there before, and is replaced. */
  before: Pick<Hold, 'reason' | 'by' | 'until'> | null;
}

/** What became of one object, or of one task of it, that was to be let go. */
export interface LiftedHold {
  subject: string;
  task: string | null;
  /** The hold that was lifted, or would be; null where there was none. */
  lifted: Pick<Hold, 'reason' | 'by' | 'until'> | null;
  /** Holds that still keep it, or part of it. */
  left: Pick<Hold, 'task' | 'reason' | 'by'>[];
}

/**
 * Places holds: what is held is not claimed. What runs already runs to its end. A hold on the same object and task is replaced.
 *
 * @param dryRun only says what would be done
 * @throws {UnknownNameError} there is no such object or task
 * @throws {RefusedError} an object does not go through the task, or the end of the hold is over
 */
export async function placeHolds(database: Pick<Database, 'em' | 'hot'>, order: HoldOrder, dryRun = false): Promise<PlacedHold[]> {
  const { reason, by, until } = order;
  if (until instanceof Date ? until.getTime() <= Date.now() : until !== undefined && !(until > 0)) {
    throw new RefusedError(`A hold that ends at ${until instanceof Date ? until.toISOString() : `${until} s from now`} would hold nothing.`);
  }
  const taskId = await known(database, order);
  const end = until instanceof Date ? [until.toISOString(), null] : [null, until ?? null];
  const rows = await retryDeadlock(() => database.hot.transaction((run) => run<PlacedRow>(dryRun ? WOULD_PLACE : PLACE, [order.subjects, taskId, reason, by, ...end])));
  return rows.map((row) => ({
    subject: row.subject, task: order.task ?? null, reason, by, until: dateOf(row.until), running: row.running,
    before: row.old_reason === null ? null : { reason: row.old_reason, by: row.old_by!, until: dateOf(row.old_until) },
  }));
}

/**
 * Lifts holds: of the objects as a whole, or of the one task. Of the others it says which are left.
 *
 * @param dryRun only says what would be done
 * @throws {UnknownNameError} there is no such object or task
 * @throws {RefusedError} an object does not go through the task, or is a request that nobody has approved
 */
export async function liftHolds(database: Pick<Database, 'em' | 'hot'>, target: HoldTarget, dryRun = false): Promise<LiftedHold[]> {
  const taskId = await known(database, target);
  const lift = () => retryDeadlock(() => database.hot.transaction((run) => run<LiftedRow>(dryRun ? WOULD_LIFT : LIFT, [target.subjects, taskId])));
  const rows = await lift().catch((error: Error & { code?: unknown }) => {
    // The database keeps requests that wait for approval.
    throw error.code === 'AG002' ? new RefusedError(error.message) : error;
  });
  return rows.map((row) => ({
    subject: row.subject, task: target.task ?? null, left: row.left,
    lifted: row.reason === null ? null : { reason: row.reason, by: row.placed_by!, until: dateOf(row.until) },
  }));
}

/**
 * What a command line means by some words: names of objects, and where the last of several is a task's and no object's, that task.
 *
 * @throws {UnknownNameError} the last word is neither
 */
export async function targetOf({ hot }: { hot: Hot }, words: readonly string[]): Promise<HoldTarget> {
  const last = words.at(-1)!;
  const [found] = await hot.run<{ task: boolean; subject: boolean }>(WHAT_IS, [last]);
  if (words.length === 1 || found!.subject) return { subjects: words };
  if (found!.task) return { subjects: words.slice(0, -1), task: last };
  const names = (await hot.run<{ name: string }>(NAMES, [])).map(({ name }) => name);
  throw new UnknownNameError('transient or task', last, names, nearest(last, names));
}

/** @returns the task's id, null where none was named */
async function known({ em, hot }: Pick<Database, 'em' | 'hot'>, { subjects, task }: HoldTarget): Promise<number | null> {
  await assertKnown(em(), { subjects, tasks: task === undefined ? undefined : [task] });
  if (task === undefined) return null;
  const rows = await hot.run<{ id: number; subject: string | null }>(STRANGERS, [subjects, task]);
  const stranger = rows.find(({ subject }) => subject !== null);
  if (stranger !== undefined) throw new RefusedError(`${stranger.subject} does not go through "${task}", which is for objects of another kind.`);
  return rows[0]!.id;
}

interface PlacedRow {
  subject: string;
  running: number;
  until: string | Date | null;
  old_reason: string | null;
  old_by: string | null;
  old_until: string | Date | null;
}

interface LiftedRow {
  subject: string;
  reason: string | null;
  placed_by: string | null;
  until: string | Date | null;
  left: Pick<Hold, 'task' | 'reason' | 'by'>[];
}

const dateOf = (at: string | Date | null): Date | null => (at === null ? null : new Date(at));

const WHAT_IS = statement(`select exists (select from task where name = $1) as task, exists (select from subject where name = $1) as subject`);

const NAMES = statement(`(select name from task order by id) union all (select name from subject order by name limit 5000)`);

const STRANGERS = statement(`
select t.id, s.name as subject
  from task t
  left join subject s on s.name = any ($1::text[]) and not exists (select from task_register r where r.subject_id = s.id and r.task_id = t.id)
 where t.name = $2`);

const NAMED = `
  select s.id, s.name, h.reason, h.placed_by, h.until,
         (select count(*)::int from task_register r where r.subject_id = s.id and r.status_id = 2 and ($2::integer is null or r.task_id = $2)) as running
    from subject s
    left join hold h on h.subject_id = s.id and h.task_id is not distinct from $2::integer
   where s.name = any ($1::text[])`;

// The trigger on the table tells the entries.
const PLACE = statement(`
with named as materialized (${NAMED}),
placed as (
  insert into hold (subject_id, task_id, reason, placed_by, until)
  select id, $2::integer, $3, $4, coalesce($5::timestamptz, clock_timestamp() + $6::double precision * interval '1 second')
    from named
  on conflict (subject_id, task_id) do update
     set reason = excluded.reason, placed_by = excluded.placed_by, placed_at = excluded.placed_at, until = excluded.until
  returning subject_id, until)
select n.name as subject, n.running, p.until, n.reason as old_reason, n.placed_by as old_by, n.until as old_until
  from named n
  join placed p on p.subject_id = n.id
 order by n.name`);

const WOULD_PLACE = statement(`
select n.name as subject, n.running, coalesce($5::timestamptz, clock_timestamp() + $6::double precision * interval '1 second') as until,
       n.reason as old_reason, n.placed_by as old_by, n.until as old_until, $3::text as reason, $4::text as placed_by
  from (${NAMED}) n
 order by n.name`);

const liftSql = (lift: string) => `
with named as materialized (${NAMED}),
lifted as (${lift})
select n.name as subject, n.reason, n.placed_by, n.until,
       coalesce((
         select jsonb_agg(jsonb_build_object('task', t.name, 'reason', h.reason, 'by', h.placed_by) order by h.id)
           from hold h
           left join task t on t.id = h.task_id
          where h.subject_id = n.id and h.task_id is distinct from $2::integer and ($2::integer is null or h.task_id is null)), '[]') as left
  from named n
 order by n.name`;

const LIFT = statement(liftSql(`
  delete from hold h
   using named n
   where h.subject_id = n.id and h.task_id is not distinct from $2::integer`));

const WOULD_LIFT = statement(liftSql(`select`));
