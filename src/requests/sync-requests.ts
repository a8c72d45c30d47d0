import type { EntityManager } from '@mikro-orm/postgresql';
import { isRequestRunner, placeOf } from '../runner/request.ts';
import type { TaskRunner } from '../runner/runner.ts';
import { OMITTED } from '../status/status.ts';
import { whyOmitted, type RequestTask } from './decide.ts';

/**
 * Writes what the runners of requests declare, and decides on tasks that are new to requests that came in before: in the
 * transaction that brings the tasks, so that nothing of them runs undecided. A request that was approved without the task
 * does not get it; a person may add it.
 *
 * @param leaveAlone tasks of which a newer runner has had its say
 */
export async function syncRequests(tx: EntityManager, runners: readonly TaskRunner[], leaveAlone: readonly string[] = []): Promise<void> {
  const current = runners.filter(isRequestRunner).filter(({ taskName }) => !leaveAlone.includes(taskName));
  const rows = current.map((runner) => ({
    task: runner.taskName, request_types: runner.requestTypes.map((type) => type.trim().toLowerCase()), needs_identifiers: runner.needsIdentifiers,
    batch: runner.batch ?? null, place: placeOf(runner),
  }));
  if (rows.length > 0) await tx.execute(SAVE_DECLARATIONS, [JSON.stringify(rows)]);
  const undecided = await tx.execute<Undecided[]>(UNDECIDED);
  if (undecided.length === 0) return;
  const omitted = undecided.flatMap(({ id, type, identifiers, approved, ...task }) => {
    const reason = approved ? 'This task is newer than the approval of the request.' : whyOmitted(task.task, { type, identifiers });
    return reason === undefined ? [] : [{ id, task_id: task.task.id, reason }];
  });
  await tx.execute(OMIT, [JSON.stringify(omitted)]);
  await tx.execute(DECIDED, [JSON.stringify(undecided.map(({ id, task }) => ({ id, task_id: task.id })))]);
}

interface Undecided {
  id: string;
  type: string;
  identifiers: Record<string, string>;
  approved: boolean;
  task: RequestTask;
}

const SAVE_DECLARATIONS = `
insert into request_task as d (task_id, request_types, needs_identifiers, batch, place)
select t.id, array(select jsonb_array_elements_text(g.request_types)), array(select jsonb_array_elements_text(g.needs_identifiers)), g.batch, g.place
  from jsonb_to_recordset(?::jsonb) as g(task text, request_types jsonb, needs_identifiers jsonb, batch text, place text)
  join task t on t.name = g.task
    on conflict (task_id) do update
   set request_types = excluded.request_types, needs_identifiers = excluded.needs_identifiers, batch = excluded.batch, place = excluded.place
 where (d.request_types, d.needs_identifiers, d.batch, d.place) is distinct from (excluded.request_types, excluded.needs_identifiers, excluded.batch, excluded.place)`;

const UNDECIDED = `
select q.subject_id as id, q.type, q.identifiers, q.approved_at is not null or q.closed_at is not null as approved,
       jsonb_build_object('id', t.id, 'name', t.name, 'active', t.active, 'requestTypes', d.request_types,
                          'needsIdentifiers', coalesce(d.needs_identifiers, '{}'), 'batch', d.batch, 'place', coalesce(d.place, 'any')) as task
  from request q
  join task_register r on r.subject_id = q.subject_id and r.task_id <> all (q.decided)
  join task t on t.id = r.task_id
  left join request_task d on d.task_id = t.id
 order by q.subject_id, t.id`;

const OMIT = `
update task_register r
   set status_id = x.id, cause = 'omit', actor = 'requests', reason = g.reason, last_modified = clock_timestamp()
  from jsonb_to_recordset(?::jsonb) as g(id bigint, task_id integer, reason text)
  join status x on x.message = '${OMITTED}'
 where r.subject_id = g.id and r.task_id = g.task_id and r.status_id = 1 and r.attempt = 0`;

const DECIDED = `
update request q
   set decided = q.decided || n.tasks
  from (select g.id, array_agg(g.task_id) as tasks from jsonb_to_recordset(?::jsonb) as g(id bigint, task_id integer) group by g.id) n
 where q.subject_id = n.id`;
