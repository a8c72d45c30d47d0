import { Migration } from '@mikro-orm/migrations';

/**
 * A prerequisite may be met by any of several statuses: `task_requirement` has a row for each of them.
 *
 * `task_register.unmet` counts prerequisites, not rows. An entry has one status, so at most one of the rows of one prerequisite is
 * met, and what is unmet is the number of prerequisites less the number of rows that are met. For the same reason `register_moved`
 * stays as it is: a move adds one where a row's status is left and takes one away where a row's status is reached, so a move from
 * one alternative to another changes nothing, and none is counted twice.
 */
export class Migration0014Alternatives extends Migration {
  override up(): void {
    this.addSql(`alter table task_requirement drop constraint task_requirement_pkey, add primary key (task_id, prerequisite_id, status_id)`);
    this.addSql(subjectAdded);
  }
}

// All tasks of a new subject start as "not processed" (1), so a prerequisite that has this among its alternatives is met.
const subjectAdded = `
create or replace function subject_added() returns trigger language plpgsql as $$
declare
  ready text;
begin
  insert into task_register (subject_id, task_id, unmet, public_timestamp, priority)
  select s.id, t.id,
         (select count(distinct q.prerequisite_id) - count(*) filter (where q.status_id = 1) from task_requirement q where q.task_id = t.id),
         coalesce(s.public_timestamp, 'infinity'), s.priority
    from new_rows s
    join task t on t.kind = s.kind
   order by s.id, t.id;
  for ready in
    select distinct t.id::text from new_rows s join task t on t.kind = s.kind
     where (select count(distinct q.prerequisite_id) = count(*) filter (where q.status_id = 1) from task_requirement q where q.task_id = t.id)
  loop
    perform pg_notify('afterglow_ready', ready);
  end loop;
  return null;
end $$;
`;
