import type { DatabaseAddress } from '../../src/db/database.ts';
import type { Graph } from '../graph.ts';
import { DeliveryError } from '../pipeline/delivery-error.ts';
import { withClient } from '../server.ts';
import type { Item } from './peer.ts';

/**
 * The status table that a peer's handlers keep, as small as it can be and still say where each object stands and what became ready: a
 * row for each object and task with its status and the number of prerequisites that do not hold yet. One call does all that a handler
 * has to do: it marks what is done as processed, lowers the counters of the tasks that wait for it, and returns those that became
 * ready. An item that is done already changes nothing. There is a function for one item and one for many, each the fastest that we
 * found; their planner settings keep the order in which rows are locked, so that two calls cannot wait for each other.
 */
const SCHEMA = `
create table entry (
  subject_id bigint not null,
  task_id smallint not null,
  status_id smallint not null default 1,
  unmet smallint not null,
  last_modified timestamptz not null default now(),
  primary key (subject_id, task_id)
) with (fillfactor = 85);
create table requirement (needs_id smallint, task_id smallint, primary key (needs_id, task_id));

create function finish_entry(bigint, smallint) returns table (subject_id bigint, task_id smallint)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  update entry set status_id = 2, last_modified = clock_timestamp() where subject_id = $1 and task_id = $2 and status_id = 1;
  if not found then
    return;
  end if;
  return query
  with lowered as (
    update entry e
       set unmet = e.unmet - 1
      from requirement r
     where r.needs_id = $2 and e.subject_id = $1 and e.task_id = r.task_id
    returning e.subject_id, e.task_id, e.unmet)
  select l.subject_id, l.task_id from lowered l where l.unmet = 0;
end
$$;

create function finish_entries(bigint[], smallint[]) returns table (subject_id bigint, task_id smallint)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  return query
  with done as (
    update entry e
       set status_id = 2, last_modified = clock_timestamp()
      from unnest($1, $2) as f(subject_id, task_id)
     where e.subject_id = f.subject_id and e.task_id = f.task_id and e.status_id = 1
    returning e.subject_id, e.task_id),
  met as materialized (
    select d.subject_id, r.task_id, count(*)::smallint as count
      from done d
      join requirement r on r.needs_id = d.task_id
     group by d.subject_id, r.task_id
     order by d.subject_id, r.task_id),
  lowered as (
    update entry e
       set unmet = e.unmet - m.count
      from met m
     where e.subject_id = m.subject_id and e.task_id = m.task_id
    returning e.subject_id, e.task_id, e.unmet)
  select l.subject_id, l.task_id from lowered l where l.unmet = 0;
end
$$;`;

/** Makes the table with an entry for each object and task. @returns the items that are ready at the start */
export async function makeStatusTable(address: DatabaseAddress, { tasks, runners }: Graph, objects: number): Promise<Item[]> {
  const ids = new Map(tasks.map(({ name }, at) => [name, at + 1]));
  const needs = runners.flatMap(({ taskName, prerequisites }) =>
    Object.keys(prerequisites).filter((name) => name !== taskName).map((name) => ({ needs: ids.get(name)!, task: ids.get(taskName)! })),
  );
  const unmet = tasks.map(({ name }) => needs.filter(({ task }) => task === ids.get(name)).length);
  await withClient(address, async (client) => {
    await client.query(SCHEMA);
    await client.query('insert into requirement select * from unnest($1::smallint[], $2::smallint[])', [needs.map((one) => one.needs), needs.map(({ task }) => task)]);
    await client.query(
      `insert into entry (subject_id, task_id, unmet)
       select s.id, t.task_id, t.unmet
         from generate_series(1, $1::integer) s(id)
        cross join unnest($2::smallint[]) with ordinality t(unmet, task_id)`,
      [objects, unmet],
    );
    await client.query('vacuum analyze');
  });
  const first = unmet.flatMap((count, at) => (count === 0 ? [at + 1] : []));
  return Array.from({ length: objects }, (_, at) => first.map((task) => ({ subject: at + 1, task }))).flat();
}

/** @throws {DeliveryError} an entry is not processed, or a counter is not 0 */
export async function assertAllProcessed(address: DatabaseAddress, entries: number): Promise<void> {
  await withClient(address, async (client) => {
    const { rows } = await client.query<{ all: string; done: string }>(`select count(*) as all, count(*) filter (where status_id = 2 and unmet = 0) as done from entry`);
    const { all, done } = rows[0]!;
    if (Number(all) !== entries || Number(done) !== entries) throw new DeliveryError([`${done} entries of ${all} are processed, expected ${entries}`]);
  });
}
