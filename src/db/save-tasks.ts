import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError } from '../errors.ts';
import type { TaskFixture } from '../fixtures/fixture.ts';
import type { Status } from '../status/status.ts';
import type { Saved } from './save-transients.ts';
import { savedOf } from './saved-of.ts';
import { describeUse, usesOfTasks } from './uses.ts';

/** Nobody may add objects or move entries while tasks come and go; held to the end of the transaction. */
export const LOCK_REGISTER = 'lock table task_register in share row exclusive mode';

/** Adds the statuses that are new and changes the types of those whose type differs. The built-in three keep their ids. */
export async function saveStatuses(tx: EntityManager, statuses: readonly Status[]): Promise<Saved> {
  return savedOf(await tx.execute(saveStatus, [JSON.stringify(statuses.map((status, place) => ({ ...status, place })))]), statuses.length);
}

/**
 * Adds the tasks that are new, with entries for all objects of their kind, and changes those that differ.
 *
 * @throws {RefusedError} a task that has been worked on would change its kind
 */
export async function saveTasks(tx: EntityManager, tasks: readonly TaskFixture[]): Promise<Saved> {
  const given = JSON.stringify(tasks.map(columnsOf));
  const moved = await tx.execute<MovedTask[]>(newOrOfAnotherKind, [given]);
  if (moved.length > 0) await tx.execute(LOCK_REGISTER);
  await leaveKind(tx, moved.filter((task): task is MovedTask & { id: number } => task.id !== null));
  const saved = savedOf(await tx.execute(saveTask, [given]), tasks.length);
  if (moved.length > 0) await tx.execute(addEntries, [JSON.stringify(moved.map(({ name }) => name))]);
  return saved;
}

function columnsOf({ timeLimitSeconds, window, ...task }: TaskFixture, place: number): Record<string, unknown> {
  return {
    ...task, place, time_limit_seconds: timeLimitSeconds,
    window_from: window?.opens ?? null, window_to: window?.closes ?? null, window_zone: window?.zone ?? 'UTC',
  };
}

/** A task that is new (its id is null) or changes its kind. */
interface MovedTask {
  id: number | null;
  name: string;
  kind: string;
  old_kind: string;
}

/** Takes tasks from the objects that they were for, where none of them was worked on. */
async function leaveKind(tx: EntityManager, tasks: readonly (MovedTask & { id: number })[]): Promise<void> {
  if (tasks.length === 0) return;
  const ids = tasks.map(({ id }) => id);
  const uses = await usesOfTasks(tx, ids);
  const refusals = tasks.flatMap(({ id, name, kind, old_kind }) => {
    const use = describeUse(uses.get(id));
    return use === undefined ? [] : [`task "${name}" cannot change its kind from "${old_kind}" to "${kind}": ${use} it.`];
  });
  if (refusals.length > 0) throw new RefusedError(`Nothing was loaded:\n${refusals.join('\n')}`);
  await tx.execute(`delete from task_register where task_id in (select jsonb_array_elements_text(?::jsonb)::integer)`, [JSON.stringify(ids)]);
}

const saveStatus = `
with given as (
  select * from jsonb_to_recordset(?::jsonb) as g(place integer, message text, type text)),
changed as (
  update status s
     set type = g.type
    from given g
   where s.message = g.message and s.type <> g.type
  returning s.message),
added as (
  insert into status (message, type)
  select message, type
    from given g
   where not exists (select from status s where s.message = g.message)
   order by place
  returning message)
select message as name, true as is_new from added
union all
select message, false from changed`;

const TASKS = `
  select * from jsonb_to_recordset(?::jsonb) as g(
    place integer, name text, kind text, description text, owner text, time_limit_seconds double precision, active boolean,
    window_from time, window_to time, window_zone text)`;

const newOrOfAnotherKind = `
select t.id, g.name, g.kind, t.kind as old_kind
  from (${TASKS}) g
  left join task t on t.name = g.name
 where g.kind is distinct from t.kind
 order by g.place`;

const saveTask = `
with given as (${TASKS}),
changed as (
  update task t
     set kind = g.kind, description = g.description, owner = g.owner, time_limit_seconds = g.time_limit_seconds, active = g.active,
         window_from = g.window_from, window_to = g.window_to, window_zone = g.window_zone
    from given g
   where t.name = g.name
     and (t.kind, t.description, t.owner, t.time_limit_seconds, t.active, t.window_from, t.window_to, t.window_zone)
         is distinct from (g.kind, g.description, g.owner, g.time_limit_seconds, g.active, g.window_from, g.window_to, g.window_zone)
  returning t.name),
added as (
  insert into task (name, kind, description, owner, time_limit_seconds, active, window_from, window_to, window_zone)
  select name, kind, description, owner, time_limit_seconds, active, window_from, window_to, window_zone
    from given g
   where not exists (select from task t where t.name = g.name)
   order by place
  returning name)
select name, true as is_new from added
union all
select name, false from changed`;

// An entry that is not there yet will start as 1, not processed. Those of an object that is held are held too.
const addEntries = `
insert into task_register (subject_id, task_id, held, unmet, public_timestamp, priority)
select s.id, t.id, exists (select from hold h where h.subject_id = s.id and (h.task_id is null or h.task_id = t.id)),
       (select count(distinct q.prerequisite_id) - count(*) filter (where coalesce(p.status_id, 1) = q.status_id)
          from task_requirement q
          left join task_register p on p.subject_id = s.id and p.task_id = q.prerequisite_id
         where q.task_id = t.id),
       coalesce(s.public_timestamp, 'infinity'), s.priority
  from jsonb_array_elements_text(?::jsonb) as g(name)
  join task t on t.name = g.name
  join subject s on s.kind = t.kind
 order by s.id, t.id`;
