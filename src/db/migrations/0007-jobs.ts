import { Migration } from '@mikro-orm/migrations';

/**
 * Jobs: work that has arguments in place of an object. A job is a subject of the kind `job:<task>` with one entry, so that all that
 * the register can do is done for it; its arguments are the subject's `data`, its name is its id.
 *
 * - `job` has what a subject does not have. `state` and `ended_at` follow from the status of its entry, whoever changes that.
 * - `job_parent`: each parent that is neither completed nor skipped counts 1 in the child's `task_register.unmet`.
 * - `enqueue_jobs` adds one job or thousands; `cancel_jobs` and `requeue_jobs` are the acts of people.
 * - `job_cancelled` turns whatever ends an attempt that was to be cancelled into the status `cancelled`: the word that the runner
 *   should stop may reach it too late.
 * - `job_moved` follows the entries of jobs, as `register_moved` follows all of them; where there are no jobs it costs one look at
 *   the tasks.
 *
 * A parent that ends and a child that is enqueued at the same moment must not miss each other. Whoever ends locks the parent before it
 * looks for children, and whoever enqueues locks it too, and counts once more, but not before the end of its transaction
 * (`job_checked`): a runner may enqueue first and work for hours then, and nobody may wait for that. The two locks stand in each other's
 * way alone, not in that of those who wait for the job.
 */
export class Migration0007Jobs extends Migration {
  override up(): void {
    this.addSql(tables);
    this.addSql(enqueueJobs);
    this.addSql(jobChecked);
    this.addSql(cancelJobs);
    this.addSql(requeueJobs);
    this.addSql(jobCancelled);
    this.addSql(jobMoved);
    this.addSql(jobRemoved);
  }
}

// No foreign keys: they would cost more than the statements; job_removed does their work.
const tables = `
create table job (
  subject_id bigint primary key,
  task_id integer not null,
  enqueued_at timestamptz not null default clock_timestamp(),
  enqueued_by text not null,
  timeout_seconds double precision check (timeout_seconds > 0),
  requeues smallint not null default 0,
  awaited boolean not null default false,
  state text check (state in ('completed', 'failed', 'cancelled', 'skipped')),
  ended_at timestamptz
) with (fillfactor = 75);

create table job_parent (
  job_id bigint not null,
  parent_id bigint not null,
  place integer not null,
  primary key (job_id, parent_id)
);
create index job_parent_parent on job_parent (parent_id);

-- Of a transaction that is not committed yet, the jobs that have parents which were there before.
create table job_check (
  id bigint primary key generated always as identity,
  ids bigint[] not null
);
`;

/**
 * `given` is a list of `{ task, args, priority, timeout_seconds, delay_seconds, at, parents, after }`: `parents` are ids of jobs that
 * are there, `after` places in this list, from 1. What is null or left out is as plain as can be.
 */
const enqueueJobs = `
create function enqueue_jobs(given jsonb, enqueuer text) returns setof text language plpgsql as $$
declare
  ids bigint[] := array(select nextval('subject_id_seq') from generate_series(1, jsonb_array_length(given)));
  made integer;
  unknown text;
begin
  insert into subject (id, kind, name, priority, data) overriding system value
  select ids[g.place], t.kind, ids[g.place]::text, coalesce(g.priority, 0), coalesce(g.args, '{}')
    from rows from (jsonb_to_recordset(given) as (task text, args jsonb, priority integer)) with ordinality as g(task, args, priority, place)
    join task t on t.name = g.task and t.kind like 'job:%'
   order by g.place;
  get diagnostics made = row_count;
  if made < cardinality(ids) then
    select g.task into unknown
      from jsonb_to_recordset(given) as g(task text)
     where not exists (select from task t where t.name = g.task and t.kind like 'job:%') limit 1;
    raise exception 'there is no job "%"', unknown using errcode = 'AG002', detail = unknown;
  end if;

  insert into job (subject_id, task_id, enqueued_by, timeout_seconds)
  select ids[g.place], t.id, coalesce(g.by, enqueuer), g.timeout_seconds
    from rows from (jsonb_to_recordset(given) as (task text, by text, timeout_seconds double precision)) with ordinality as g(task, by, timeout_seconds, place)
    join task t on t.name = g.task
   order by g.place;

  if jsonb_path_exists(given, '$[*].parents[0]') or jsonb_path_exists(given, '$[*].after[0]') then
    insert into job_parent (job_id, parent_id, place)
    select distinct on (job_id, parent_id) job_id, parent_id, place
      from (select ids[g.place] as job_id, p.id::bigint as parent_id, p.place
              from rows from (jsonb_to_recordset(given) as (parents jsonb)) with ordinality as g(parents, place)
             cross join lateral jsonb_array_elements_text(coalesce(g.parents, '[]')) with ordinality as p(id, place)
            union all
            select ids[g.place], ids[a.at::integer], coalesce(jsonb_array_length(g.parents), 0) + a.place
              from rows from (jsonb_to_recordset(given) as (parents jsonb, after jsonb)) with ordinality as g(parents, after, place)
             cross join lateral jsonb_array_elements_text(coalesce(g.after, '[]')) with ordinality as a(at, place)) p
     order by job_id, parent_id, place;
    select p.parent_id::text into unknown
      from job_parent p
     where p.job_id = any (ids) and not exists (select from job j where j.subject_id = p.parent_id) limit 1;
    if unknown is not null then
      raise exception 'there is no job %', unknown using errcode = 'AG003', detail = unknown;
    end if;
    update task_register r
       set unmet = r.unmet + c.open
      from (select p.job_id, count(*) as open
              from job_parent p
              join job j on j.subject_id = p.parent_id
             where p.job_id = any (ids) and coalesce(j.state, 'open') not in ('completed', 'skipped')
             group by p.job_id) c
     where r.subject_id = c.job_id;
    -- What follows from a parent that has failed already never begins.
    update task_register r
       set status_id = (select s.id from status s where s.message = 'cancelled'), cause = 'cancel', actor = enqueuer, last_modified = clock_timestamp(),
           reason = left('parent ' || e.parent_id || ' "' || e.task || '" ' || e.state || coalesce(': ' || e.reason, ''), 500)
      from (select distinct on (p.job_id) p.job_id, p.parent_id, t.name as task, j.state, f.reason
              from job_parent p
              join job j on j.subject_id = p.parent_id
              join task t on t.id = j.task_id
              join task_register f on f.subject_id = p.parent_id and f.task_id = j.task_id
             where p.job_id = any (ids) and j.state in ('failed', 'cancelled')
             order by p.job_id, p.place) e
     where r.subject_id = e.job_id and r.status_id = 1;
    if jsonb_path_exists(given, '$[*].parents[0]') then
      insert into job_check (ids) values (ids);
    end if;
  end if;

  if jsonb_path_exists(given, '$[*].delay_seconds') or jsonb_path_exists(given, '$[*].at') then
    update task_register r
       set due_at = coalesce(g.at, clock_timestamp() + g.delay_seconds * interval '1 second')
      from rows from (jsonb_to_recordset(given) as (at timestamptz, delay_seconds double precision)) with ordinality as g(at, delay_seconds, place)
     where r.subject_id = ids[g.place] and (g.at is not null or g.delay_seconds > 0);
    -- Nobody looks for what is due all the time.
    perform pg_notify('afterglow_due', greatest(0, extract(epoch from min(r.due_at) - clock_timestamp()))::text) from task_register r where r.subject_id = any (ids);
  end if;
  return query select unnest(ids)::text;
end $$;
`;

// Nobody else sees these jobs yet, so they are counted from the beginning. `parked` comes with the next migration.
const jobChecked = `
create function job_checked() returns trigger language plpgsql as $$
declare
  woken integer;
begin
  perform from job j
    where j.subject_id in (select p.parent_id from job_parent p where p.job_id = any (new.ids))
    order by j.subject_id
      for key share;
  for woken in
    with counted as (
      select j.subject_id, j.task_id,
             j.parked::integer + (
               select count(*)
                 from job_parent p
                 left join job k on k.subject_id = p.parent_id
                where p.job_id = j.subject_id and coalesce(k.state, 'open') not in ('completed', 'skipped')) as unmet
        from job j
       where j.subject_id = any (new.ids)),
    changed as (
      update task_register r
         set unmet = c.unmet
        from counted c
       where r.subject_id = c.subject_id and r.task_id = c.task_id and r.unmet <> c.unmet
      returning r.task_id, r.status_id, r.ready, r.due_at)
    select distinct c.task_id from changed c where c.ready and c.due_at is null and c.status_id = 1
  loop
    perform pg_notify('afterglow_ready', woken::text);
  end loop;
  update task_register r
     set status_id = (select s.id from status s where s.message = 'cancelled'), cause = 'cancel', last_modified = clock_timestamp(),
         actor = (select j.enqueued_by from job j where j.subject_id = r.subject_id),
         reason = left('parent ' || e.parent_id || case when e.state is null then ' was deleted' else ' "' || e.task || '" ' || e.state || coalesce(': ' || e.reason, '') end, 500)
    from (select distinct on (p.job_id) p.job_id, p.parent_id, t.name as task, j.state, f.reason
            from job_parent p
            left join job j on j.subject_id = p.parent_id
            left join task t on t.id = j.task_id
            left join task_register f on f.subject_id = p.parent_id and f.task_id = j.task_id
           where p.job_id = any (new.ids) and (j.subject_id is null or j.state in ('failed', 'cancelled'))
           order by p.job_id, p.place) e
   where r.subject_id = e.job_id and r.status_id = 1;
  delete from job_check where id = new.id;
  return null;
end $$;
create constraint trigger job_checked after insert on job_check
  deferrable initially deferred for each row execute function job_checked();
`;

// The entries are locked first: none can begin or end between the two looks at them.
const cancelJobs = `
create function cancel_jobs(given bigint[], why text, by_whom text) returns table (job_id text, was text) language plpgsql as $$
begin
  perform from task_register r join job j on j.subject_id = r.subject_id and j.task_id = r.task_id
    where r.subject_id = any (given) order by r.subject_id for update of r;
  return query
    with told as (
      update task_register r
         set cancel_reason = why, cancelled_by = by_whom
        from job j
       where r.subject_id = any (given) and r.status_id = 2 and j.subject_id = r.subject_id and j.task_id = r.task_id
      returning r.subject_id, r.task_id, r.attempt),
    notified as (
      select pg_notify('afterglow_cancel', t.subject_id || '/' || t.task_id || '/' || t.attempt) from told t)
    select t.subject_id::text, 'running' from told t where (select count(*) from notified) >= 0;
  return query
    with ended as (
      update task_register r
         set status_id = (select s.id from status s where s.message = 'cancelled'), cause = 'cancel', actor = by_whom, due_at = null,
             reason = left('Cancelled by ' || by_whom || ': ' || why, 1000), cancel_reason = why, cancelled_by = by_whom,
             waits_for = null, last_modified = clock_timestamp()
        from job j
       where r.subject_id = any (given) and r.status_id = 1 and j.subject_id = r.subject_id and j.task_id = r.task_id
      returning r.subject_id)
    select e.subject_id::text, 'pending' from ended e;
end $$;
`;

// Among those that have no public timestamp, which come last, what was requeued goes first, the oldest at the head.
const requeueJobs = `
create function requeue_jobs(given bigint[], by_whom text) returns setof text language plpgsql as $$
declare
  ids bigint[];
begin
  with chosen as materialized (
    select r.subject_id, r.task_id
      from task_register r
      join job j on j.subject_id = r.subject_id and j.task_id = r.task_id
     where r.subject_id = any (given) and r.status_id not in (1, 2)
     order by r.subject_id
       for update of r),
  sent as (
    update task_register r
       set status_id = 1, cause = 'reset', actor = by_whom, due_at = null, setbacks = 0, failure = null, reason = null, waits_for = null,
           cancel_reason = null, cancelled_by = null, warning = null, last_modified = clock_timestamp()
      from chosen c
     where r.subject_id = c.subject_id and r.task_id = c.task_id
    returning r.subject_id)
  select array_agg(s.subject_id order by s.subject_id) into ids from sent s;
  update subject s set public_timestamp = j.enqueued_at from job j where s.id = any (ids) and j.subject_id = s.id;
  return query select unnest(ids)::text;
end $$;
`;

// A person who resets the entry meanwhile wants it done again.
const jobCancelled = `
create function job_cancelled() returns trigger language plpgsql as $$
begin
  if exists (select from task t where t.id = new.task_id and t.kind like 'job:%') then
    select s.id into strict new.status_id from status s where s.message = 'cancelled';
    new.cause := 'cancel';
    new.reason := left('Cancelled by ' || coalesce(old.cancelled_by, 'somebody') || ': ' || old.cancel_reason, 1000);
    new.cancel_reason := old.cancel_reason;
    new.due_at := null;
    new.waits_for := null;
    new.failure := null;
    new.setbacks := 0;
  end if;
  return new;
end $$;
create trigger job_cancelled before update on task_register for each row
  when (old.status_id = 2 and new.status_id <> 2 and old.cancel_reason is not null and new.cause <> 'reset')
  execute function job_cancelled();
`;

/**
 * The two tables of rows are joined in full and filtered afterwards, for the reason that register_moved has: else the plan is a nested
 * loop. Children are cancelled level by level, all of them by one update at the end: a trigger that called itself for each level
 * would run out of stack on a long chain.
 */
const jobMoved = `
create function job_moved() returns trigger language plpgsql as $$
declare
  ids bigint[];
  tasks integer[];
  froms smallint[];
  tos smallint[];
  ended bigint[];
  heard text;
  listener text;
  woken integer;
  doomed bigint[];
  whys text[];
  level bigint[];
  reasons text[];
  names text[];
  states text[];
begin
  if not exists (select from task t where t.kind like 'job:%' and t.id in (select n.task_id from new_rows n)) then
    return null;
  end if;
  with moved as materialized (
    select n.subject_id, n.task_id, o.status_id as from_id, n.status_id as to_id
      from new_rows n
      full join old_rows o on o.subject_id = n.subject_id and o.task_id = n.task_id
     where n.status_id is distinct from o.status_id)
  select array_agg(m.subject_id order by m.subject_id), array_agg(m.task_id order by m.subject_id), array_agg(m.from_id order by m.subject_id),
         array_agg(m.to_id order by m.subject_id)
    into ids, tasks, froms, tos
    from moved m
   where m.from_id not in (1, 2) or m.to_id not in (1, 2);
  if ids is null then
    return null;
  end if;

  -- In the order in which those who enqueue lock them.
  perform from job j where j.subject_id = any (ids) order by j.subject_id for update;
  if not found then
    return null;
  end if;
  with written as (
    update job j
       set state = m.state, ended_at = case when m.state is not null then clock_timestamp() end,
           requeues = j.requeues + (m.state is null and j.state is not null)::integer
      from (select m.id, m.task_id,
                   case when m.to_id in (1, 2) then null when s.message in ('cancelled', 'skipped') then s.message when s.type = 'error' then 'failed' else 'completed' end as state
              from unnest(ids, tasks, tos) as m(id, task_id, to_id)
              join status s on s.id = m.to_id) m
     where j.subject_id = m.id and j.task_id = m.task_id
    returning j.subject_id, j.state, j.awaited)
  select array_agg(w.subject_id) filter (where w.state is not null), string_agg(w.subject_id::text, ',') filter (where w.awaited and w.state is not null)
    into ended, heard
    from written w;
  for listener in select unnest(string_to_array(heard, ',')) loop
    perform pg_notify('afterglow_job', listener);
  end loop;
  if not exists (select from job_parent p where p.parent_id = any (ids)) then
    return null;
  end if;

  for woken in
    with delta as (
      select p.job_id,
             sum((f.type <> 'error' and m.from_id not in (1, 2))::integer - (t.type <> 'error' and m.to_id not in (1, 2))::integer) as open
        from unnest(ids, froms, tos) as m(id, from_id, to_id)
        join status f on f.id = m.from_id
        join status t on t.id = m.to_id
        join job_parent p on p.parent_id = m.id
       group by p.job_id),
    locked as materialized (
      select r.subject_id, r.task_id, d.open
        from delta d
        join job j on j.subject_id = d.job_id
        join task_register r on r.subject_id = d.job_id and r.task_id = j.task_id
       where d.open <> 0
       order by r.subject_id
         for update of r),
    counted as (
      update task_register r
         set unmet = r.unmet + l.open
        from locked l
       where r.subject_id = l.subject_id and r.task_id = l.task_id
      returning r.task_id, r.status_id, r.ready, r.due_at)
    select distinct c.task_id from counted c where c.ready and c.due_at is null and c.status_id = 1
  loop
    perform pg_notify('afterglow_ready', woken::text);
  end loop;

  select array_agg(j.subject_id), array_agg(t.name), array_agg(j.state), array_agg(coalesce(r.reason, ''))
    into level, names, states, reasons
    from job j
    join task t on t.id = j.task_id
    join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id
   where j.subject_id = any (ended) and j.state in ('failed', 'cancelled');
  while cardinality(level) > 0 loop
    select array_agg(c.job_id), array_agg(c.task), array_agg('cancelled'::text), array_agg(c.why)
      into level, names, states, reasons
      from (select distinct on (p.job_id) p.job_id, t.name as task,
                   left('parent ' || l.id || ' "' || l.task || '" ' || l.state || case when l.reason = '' then '' else ': ' || l.reason end, 500) as why
              from unnest(level, names, states, reasons) as l(id, task, state, reason)
             -- By their keys, however many jobs there are: a level is small.
             cross join lateral (select * from job_parent where parent_id = l.id offset 0) p
             cross join lateral (
                   select j.task_id
                     from job j
                     join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id
                    where j.subject_id = p.job_id and r.status_id = 1
                   offset 0) k
              join task t on t.id = k.task_id
             where doomed is null or p.job_id <> all (doomed)
             order by p.job_id, p.place) c;
    doomed := doomed || level;
    whys := whys || reasons;
  end loop;
  if cardinality(doomed) > 0 then
    update task_register r
       set status_id = (select s.id from status s where s.message = 'cancelled'), cause = 'cancel', reason = d.why, due_at = null, waits_for = null,
           actor = (select n.actor from new_rows n limit 1), last_modified = clock_timestamp()
      from unnest(doomed, whys) as d(id, why)
      join job j on j.subject_id = d.id
     where r.subject_id = d.id and r.task_id = j.task_id and r.status_id = 1;
  end if;
  return null;
end $$;
create trigger job_moved after update on task_register
  referencing old table as old_rows new table as new_rows for each statement execute function job_moved();
`;

// What waits for a job that is deleted before it is completed can never run.
const jobRemoved = `
create function job_removed() returns trigger language plpgsql as $$
declare
  gone bigint[];
begin
  if not exists (select from old_rows o where o.kind like 'job:%') then
    return null;
  end if;
  select array_agg(o.id) into gone from old_rows o where o.kind like 'job:%';
  -- As those who enqueue lock them, so that none of their children is missed.
  perform from job j where j.subject_id = any (gone) order by j.subject_id for update;
  update task_register r
     set unmet = r.unmet - c.open
    from (select p.job_id, count(*) as open, min(p.parent_id) as parent_id
            from job_parent p
            join job j on j.subject_id = p.parent_id
           where p.parent_id = any (gone) and coalesce(j.state, 'open') not in ('completed', 'skipped')
           group by p.job_id) c
    join job k on k.subject_id = c.job_id
   where r.subject_id = c.job_id and r.task_id = k.task_id;
  update task_register r
     set status_id = (select s.id from status s where s.message = 'cancelled'), cause = 'cancel', due_at = null, waits_for = null, last_modified = clock_timestamp(),
         reason = 'parent ' || c.parent_id || ' was deleted'
    from (select p.job_id, min(p.parent_id) as parent_id
            from job_parent p
            join job j on j.subject_id = p.parent_id
           where p.parent_id = any (gone) and coalesce(j.state, 'open') not in ('completed', 'skipped')
           group by p.job_id) c
    join job k on k.subject_id = c.job_id
   where r.subject_id = c.job_id and r.task_id = k.task_id and r.status_id = 1;
  delete from job_parent where job_id = any (gone);
  delete from job_parent where parent_id = any (gone);
  delete from job where subject_id = any (gone);
  return null;
end $$;
create trigger job_removed after delete on subject
  referencing old table as old_rows for each statement execute function job_removed();
`;
