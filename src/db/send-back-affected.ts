import type { EntityManager } from '@mikro-orm/postgresql';
import { REQUEST_KIND } from '../runner/request.ts';
import { OMITTED } from '../status/status.ts';

/** What was changed of an object: figures by name, or the result of a task. */
export type Change = { subjectId: string } & ({ fields: readonly string[] } | { resultOf: number });

/** What a change concerns. */
export interface Affected {
  /** Entries that are done again, with the statuses that they had. */
  again: { subject: string; task: string; status: string }[];
  /** Entries that would be among them, but whose result a person gave; what follows from these alone is not affected. */
  kept: { subject: string; task: string; by: string }[];
}

/**
 * Follows changes through the graph and has done again what they concern: the runners that read a figure (all that do not say what they read
 * among them), or wait for a task, and all that waits for those, directly or not; but not past an entry whose result a person gave, as that
 * does not change. What runs is told to stop and writes nothing. To be called after the changes, in their transaction.
 *
 * @param actor who changed it
 */
export async function sendBackAffected(tx: EntityManager, changes: readonly Change[], actor: string): Promise<Affected> {
  if (changes.length === 0) return { again: [], kept: [] };
  const given = changes.flatMap((change): object[] =>
    'fields' in change ? change.fields.map((field) => ({ subject_id: change.subjectId, field })) : [{ subject_id: change.subjectId, result_of: change.resultOf }]);
  // All entries of these objects, so that nobody gives a result meanwhile; claims skip what is locked.
  await tx.execute(LOCK, [JSON.stringify(given)]);
  const reached = await tx.execute<Reached[]>(REACHED, [JSON.stringify(given)]);
  const open = JSON.stringify(reached.filter(({ by }) => by === null).map(({ subject_id, task_id }) => ({ subject_id, task_id })));
  await tx.execute(TOUCH, [open]);
  const sent = await tx.execute<(Affected['again'][number] & { running: boolean; subject_id: string; task_id: number; attempt: number })[]>(SEND, [open, actor]);
  const ran = sent.filter(({ running }) => running);
  // A statement of its own: an attempt may have begun after the snapshot of the one before.
  if (ran.length > 0) await tx.execute(END, [JSON.stringify(ran)]);
  await tx.execute(WAKE, [JSON.stringify(given)]);
  return {
    again: sent.map(({ subject, task, status }) => ({ subject, task, status })),
    kept: reached.flatMap(({ subject, task, by }) => (by === null ? [] : [{ subject, task, by }])),
  };
}

interface Reached {
  subject_id: string;
  task_id: number;
  subject: string;
  task: string;
  by: string | null;
}

const GIVEN = `jsonb_to_recordset(?::jsonb) as g(subject_id bigint, task_id integer, field text, result_of integer)`;

const LOCK = `select from task_register r where r.subject_id in (select g.subject_id from ${GIVEN}) order by r.subject_id, r.task_id for update`;

// A figure concerns who reads it, or what it is a part of, or a part of it.
const REACHED = `
with recursive given as materialized (select * from ${GIVEN}),
reached as (
  select r.subject_id, r.task_id, r.overridden_by
    from given g
    join task_register r on r.subject_id = g.subject_id
    join task t on t.id = r.task_id
   where case when g.result_of is null
              then t.reads is null or exists (
                     select from unnest(t.reads) as x(name) where x.name = g.field or starts_with(x.name, g.field || '.') or starts_with(g.field, x.name || '.'))
              else exists (select from task_requirement q where q.task_id = t.id and q.prerequisite_id = g.result_of) and t.id <> g.result_of
         end
   union
  select r.subject_id, r.task_id, r.overridden_by
    from reached c
    join task_requirement q on q.prerequisite_id = c.task_id
    join task_register r on r.subject_id = c.subject_id and r.task_id = q.task_id
   where c.overridden_by is null)
select c.subject_id, c.task_id, s.name as subject, t.name as task, c.overridden_by as by
  from reached c
  join subject s on s.id = c.subject_id
  join task t on t.id = c.task_id
 where not exists (select from given g where g.subject_id = c.subject_id and g.result_of = c.task_id)
 order by c.subject_id, c.task_id`;

const TOUCH = `
update task_register r
   set edit_xid = pg_current_xact_id(), edited_at = clock_timestamp()
  from ${GIVEN}
 where r.subject_id = g.subject_id and r.task_id = g.task_id`;

const SEND = `
with chosen as materialized (
  select r.subject_id, r.task_id, r.attempt, r.status_id = 2 as running, s.name as subject, t.name as task, x.message as status
    from ${GIVEN}
    join task_register r on r.subject_id = g.subject_id and r.task_id = g.task_id
    join subject s on s.id = r.subject_id
    join task t on t.id = r.task_id
    join status x on x.id = r.status_id
   where (r.status_id <> 1 or r.due_at is not null) and not (s.kind = '${REQUEST_KIND}' and x.message = '${OMITTED}')),
sent as (
  update task_register r
     set status_id = 1, cause = 'reset', actor = ?, due_at = null, dispatched_at = null, setbacks = 0, failure = null, reason = null, waits_for = null,
         lease_owner = null, lease_until = null, warning = null, last_modified = clock_timestamp()
    from chosen c
   where r.subject_id = c.subject_id and r.task_id = c.task_id)
select * from chosen order by subject_id, task_id`;

const END = `
update attempt a
   set ended_at = clock_timestamp(), outcome = 'superseded', progress = null
  from jsonb_to_recordset(?::jsonb) as c(subject_id bigint, task_id integer, attempt integer)
 where a.subject_id = c.subject_id and a.task_id = c.task_id and a.attempt = c.attempt and a.outcome = 'running'`;

// What only waited for its time makes no move, so the trigger keeps silent; and claims that came meanwhile passed over all that was locked.
const WAKE = `
select pg_notify('afterglow_ready', t.id::text)
  from task t
 where exists (
   select from task_register r
    where r.task_id = t.id and r.subject_id in (select g.subject_id from ${GIVEN}) and r.status_id = t.claim_from_id and r.ready and r.due_at is null)`;
