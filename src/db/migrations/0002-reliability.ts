import { Migration } from '@mikro-orm/migrations';

/**
 * Retries, limits, holds and many workers. What is not plain columns:
 *
 * - `task_register.ready` is generated from `unmet` and `held` and stands in the claim's partial index in their place: a counter
 *   that goes from 3 to 2 changes no indexed column then, so that the new version of the row needs no new index entries (HOT).
 *   The lower fillfactor leaves room for it on the same page.
 * - `rescues` is called `setbacks` now: it counts every failure of the machinery since the entry's last result.
 * - `resource`, with `task_use` and `resource_start`, is locked by the claims of the tasks that use it, and by no others.
 * - `register_moved` is the same as before, but for `ready`.
 */
export class Migration0002Reliability extends Migration {
  override up(): void {
    this.addSql(columns);
    this.addSql(tables);
    this.addSql(inWindow);
    this.addSql(holdChanged);
    this.addSql(registerMoved);
    this.addSql(subjectState);
  }
}

const columns = `
drop view subject_state;
drop index leased;
do $$
declare
  old text;
begin
  -- Those of other statuses are made anew when a daemon starts.
  for old in select indexname from pg_indexes where schemaname = current_schema() and tablename = 'task_register' and indexname ~ '^ready_[0-9]+$' loop
    execute 'drop index ' || quote_ident(old);
  end loop;
end $$;
alter table task_register rename column rescues to setbacks;
alter table task_register
  add column held boolean not null default false,
  add column failure text check (failure in ('machinery', 'science')),
  add column reason text,
  add column waits_for text,
  add column cancel_reason text,
  add column cancelled_by text;
alter table task_register add column ready boolean not null generated always as (unmet = 0 and not held) stored;
alter table task_register set (fillfactor = 50);
create index ready_1 on task_register (task_id, public_timestamp, priority desc, subject_id)
  where status_id = 1 and ready and due_at is null;
create index running on task_register (task_id) where status_id = 2;

alter table attempt
  add column failure text check (failure in ('machinery', 'science')),
  add column retry_at timestamptz,
  drop constraint attempt_outcome_check,
  add constraint attempt_outcome_check
    check (outcome in ('running', 'finished', 'failed', 'timed out', 'released', 'rescued', 'superseded', 'cancelled'));

alter table task
  add column runner_version integer not null default 0,
  add column most_attempts smallint not null default 5,
  add column retry_base_seconds double precision not null default 10,
  add column retry_factor double precision not null default 2,
  add column retry_cap_seconds double precision not null default 3600,
  add column retries_per_hour integer not null default 1000,
  add column retry_hour timestamptz,
  add column retries_in_hour integer not null default 0,
  add column concurrency integer check (concurrency > 0),
  add column requires text[] not null default '{}',
  add column window_from time,
  add column window_to time,
  add column window_zone text not null default 'UTC';

alter table daemon
  add column role text not null default 'daemon' check (role in ('daemon', 'worker')),
  add column engine text not null default 'local',
  add column clock_skew_seconds double precision,
  add column rss_bytes bigint,
  add column cpu_load real;
`;

const tables = `
create table resource (
  name text primary key check (length(name) between 1 and 64),
  description text not null default '',
  concurrency integer check (concurrency > 0),
  per_minute integer check (per_minute > 0),
  failures_to_open integer not null default 5 check (failures_to_open > 0),
  cool_seconds double precision not null default 30 check (cool_seconds > 0),
  longest_cool_seconds double precision not null default 600,
  state text not null default 'closed' check (state in ('closed', 'open')),
  failures integer not null default 0,
  opened_at timestamptz,
  open_until timestamptz,
  cooling_seconds double precision,
  last_error text,
  last_failed_at timestamptz
);

create table task_use (
  task_id integer not null references task on delete cascade,
  resource text not null references resource,
  units integer not null check (units > 0),
  primary key (task_id, resource)
);
create index task_use_resource on task_use (resource);

create table resource_start (
  resource text not null references resource on delete cascade,
  at timestamptz not null,
  units integer not null
);
create index resource_start_at on resource_start (resource, at);

create table hold (
  id bigint primary key generated always as identity,
  subject_id bigint not null references subject on delete cascade,
  task_id integer references task on delete cascade,
  reason text not null,
  placed_by text not null,
  placed_at timestamptz not null default now(),
  until timestamptz,
  unique nulls not distinct (subject_id, task_id)
);
create index hold_until on hold (until) where until is not null;

create table named_lock (
  name text primary key check (length(name) between 1 and 200),
  token uuid not null,
  owner text not null,
  taken_at timestamptz not null,
  expires_at timestamptz not null
);
`;

// Both ends on the clock of the zone, the second one left out; it may lie on the next day.
const inWindow = `
create function in_window(opens time, closes time, zone text) returns boolean stable language sql as $$
  select case when opens is null then true
              when opens <= closes then local.t >= opens and local.t < closes
              else local.t >= opens or local.t < closes
         end
    from (select (clock_timestamp() at time zone zone)::time as t) local
$$;
`;

// Whoever writes holds, the entries know it. An entry that may run again wakes its task. Of those who place and lift holds of
// one object at once, each must see what the others did, so they wait for each other: whoever comes later looks later.
const holdChanged = `
create function hold_changed() returns trigger language plpgsql as $$
declare
  woken integer;
begin
  perform from subject s where s.id in (select subject_id from changed) order by s.id for no key update;
  for woken in
    with named as (
      select subject_id, task_id from changed),
    freed as (
      update task_register r
         set held = exists (select from hold h where h.subject_id = r.subject_id and (h.task_id is null or h.task_id = r.task_id))
        from (select distinct r2.subject_id, r2.task_id
                from named n
                join task_register r2 on r2.subject_id = n.subject_id and (n.task_id is null or r2.task_id = n.task_id)) e
       where r.subject_id = e.subject_id and r.task_id = e.task_id
         and r.held <> exists (select from hold h where h.subject_id = r.subject_id and (h.task_id is null or h.task_id = r.task_id))
      returning r.task_id, r.ready)
    select distinct task_id from freed where ready
  loop
    perform pg_notify('afterglow_ready', woken::text);
  end loop;
  return null;
end $$;
create trigger hold_placed after insert on hold
  referencing new table as changed for each statement execute function hold_changed();
create trigger hold_lifted after delete on hold
  referencing old table as changed for each statement execute function hold_changed();
`;

const registerMoved = `
create or replace function register_moved() returns trigger language plpgsql as $$
declare
  moves integer;
  legal integer;
  ready_tasks integer[];
  bad record;
begin
  if pg_trigger_depth() > 1 and (
    select count(*) from new_rows n full join old_rows o on o.subject_id = n.subject_id and o.task_id = n.task_id
     where n.status_id is distinct from o.status_id) = 0
  then
    return null;
  end if;
  with moved as materialized (
    select n.subject_id, n.task_id, o.status_id as from_id, n.status_id as to_id, n.cause, n.actor, n.attempt, n.ready, n.due_at
      from new_rows n
      full join old_rows o on o.subject_id = n.subject_id and o.task_id = n.task_id
     where n.status_id is distinct from o.status_id),
  logged as (
    insert into transition (subject_id, task_id, from_id, to_id, cause, actor, attempt)
    select m.subject_id, m.task_id, m.from_id, m.to_id, m.cause, m.actor, m.attempt
      from moved m
      join status_move s on s.from_id = m.from_id and s.cause = m.cause and s.to_id = m.to_id
    returning 1),
  delta as (
    select m.subject_id, q.task_id, sum((m.from_id = q.status_id)::int - (m.to_id = q.status_id)::int) as change
      from moved m
      join task_requirement q on q.prerequisite_id = m.task_id and q.status_id in (m.from_id, m.to_id)
     group by 1, 2),
  locked as materialized (
    select r.subject_id, r.task_id, d.change
      from task_register r
      join delta d on d.subject_id = r.subject_id and d.task_id = r.task_id
     where d.change <> 0
     order by 1, 2
       for update of r),
  counted as (
    update task_register r
       set unmet = r.unmet + l.change
      from locked l
     where r.subject_id = l.subject_id and r.task_id = l.task_id
    returning r.task_id, r.status_id, r.ready, r.due_at),
  woken as (
    select task_id, status_id from counted where ready and due_at is null
    union
    select task_id, to_id from moved where ready and due_at is null)
  select (select count(*) from moved), (select count(*) from logged),
         (select array_agg(distinct t.id) from woken w join task t on t.id = w.task_id and t.claim_from_id = w.status_id)
    into moves, legal, ready_tasks;

  if legal <> moves then
    select t.name as task, s.name as subject, f.message as from_message, n.cause, g.message as to_message, n.status_id into bad
      from new_rows n
      join old_rows o on o.subject_id = n.subject_id and o.task_id = n.task_id
      join task t on t.id = n.task_id
      join subject s on s.id = n.subject_id
      left join status f on f.id = o.status_id
      left join status g on g.id = n.status_id
     where n.status_id <> o.status_id
       and not exists (select from status_move m where m.from_id = o.status_id and m.cause = n.cause and m.to_id = n.status_id)
     limit 1;
    raise exception 'the status machine has no move "%" from "%" to "%" ("%" of %)',
      bad.cause, bad.from_message, coalesce(bad.to_message, 'status ' || bad.status_id), bad.task, bad.subject
      using errcode = 'AG001', hint = 'Set the columns cause and actor together with status_id, or use "afterglow reset".';
  end if;
  for i in 1 .. coalesce(array_length(ready_tasks, 1), 0) loop
    perform pg_notify('afterglow_ready', ready_tasks[i]::text);
  end loop;
  return null;
end $$;
`;

// What is held cannot be claimed, so it counts as at rest.
const subjectState = `
create view subject_state as
select c.subject_id, c.total, c.running, case when c.running + c.ready = 0 then c.total else c.final end as done,
       case when c.running + c.ready > 0 then case when c.untouched then 'waiting' else 'processing' end
            when c.succeeded = c.total then 'completed'
            else 'blocked'
       end as state
  from (
    select r.subject_id,
           count(*) as total,
           count(*) filter (where r.status_id = 2) as running,
           count(*) filter (where r.status_id = t.claim_from_id and r.ready) as ready,
           count(*) filter (where s.type in ('success', 'error')) as final,
           count(*) filter (where s.type = 'success') as succeeded,
           bool_and(r.attempt = 0 and r.status_id = 1) as untouched
      from task_register r
      join task t on t.id = r.task_id
      join status s on s.id = r.status_id
     group by r.subject_id) c;
`;
