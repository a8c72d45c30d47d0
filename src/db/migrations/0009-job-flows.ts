import { Migration } from '@mikro-orm/migrations';

/**
 * What surrounds runs: how long they waited, how many there were, what hooks gave, how far flows are, which failures were told.
 *
 * - `task_register.ready_at`: since when an entry could have been claimed; `register_ready` keeps it. A claim writes into
 *   `attempt.queue_seconds` how long that was.
 * - `task_tally` has the counts of everything that happened to entries up to `transition_reader.read_to` of the reader
 *   "metrics"; what came later is counted when it is asked for, by `tally`. So the counts cost those nothing who claim and advance.
 *   They never fall: what is deleted before it was counted is counted by `subject_counted`.
 * - `transition_reader`: how far a reader of the transitions is. Their times are those of their inserts, and some become visible
 *   later than others, so `read_to` follows a mark (`mark_at`) only when every transaction that had begun to write by then
 *   (those before `mark_xid`) is over.
 * - `hook_call`: what hooks gave back or threw, apart from the results of attempts.
 * - `checkpoint`: what runners said on their way.
 * - `notice`: final failures that are to be told, one row each: of an attempt, or of a tick of a runner without an object.
 * - `job_schedule`: when a schedule of jobs last enqueued, and what.
 */
export class Migration0009JobFlows extends Migration {
  override up(): void {
    this.addSql(waiting);
    this.addSql(counting);
    this.addSql(tally);
    this.addSql(subjectCounted);
    this.addSql(surroundings);
  }
}

// The conditions of the trigger are checked for every update of a row, its function is called for few.
const waiting = `
alter table task_register add column ready_at timestamptz not null default clock_timestamp();
alter table attempt add column queue_seconds real;

create function register_ready() returns trigger language plpgsql as $$
begin
  new.ready_at := clock_timestamp();
  return new;
end $$;
create trigger register_ready before update of unmet, held, due_at, status_id on task_register for each row
  when (new.unmet = 0 and not new.held and new.due_at is null
        and (old.unmet <> 0 or old.held or (old.due_at is not null and new.status_id = old.status_id)
             or (new.status_id <> old.status_id and new.cause in ('release', 'rescue', 'postpone', 'retry', 'reset', 'load'))))
  execute function register_ready();
`;

const counting = `
create table transition_reader (
  name text primary key,
  read_to timestamptz not null default '-infinity',
  mark_at timestamptz,
  mark_xid xid8
);
insert into transition_reader (name) values ('metrics'), ('notices');
alter index transition_at set (autosummarize = on);

create table task_tally (
  task_id integer not null references task on delete cascade,
  name text not null,
  place smallint not null,
  count bigint not null,
  seconds double precision not null,
  primary key (task_id, name, place)
) with (fillfactor = 50);
`;

// The bounds of the two histograms are those of src/web/metrics.ts, seconds.
const tally = `
create function tally(since timestamptz, subjects bigint[] default null, until timestamptz default 'infinity')
returns table (task_id integer, name text, place smallint, count bigint, seconds double precision)
language plpgsql stable set plan_cache_mode = force_custom_plan as $$
begin
  return query
  with moved as materialized (
    select m.task_id, m.cause, m.from_id, s.type, a.outcome, a.queue_seconds, a.wall_seconds
      from transition m
      join status s on s.id = m.to_id
      left join attempt a on a.subject_id = m.subject_id and a.task_id = m.task_id and a.attempt = m.attempt
     where m.at > since and m.at <= until and (m.from_id = 2 or m.cause in ('claim', 'deliver', 'cancel')) and (subjects is null or m.subject_id = any (subjects)))
  select m.task_id, c.name, (-1)::smallint, count(*), 0::double precision
    from moved m
   cross join lateral (values
     ('runs', m.cause = 'claim'),
     ('successes', m.cause in ('finish', 'deliver') and m.type = 'success'),
     ('failures', m.cause in ('finish', 'deliver', 'fail', 'give up', 'time out') and m.type = 'error'),
     ('timeouts', m.from_id = 2 and m.outcome = 'timed out'),
     ('retries', m.cause = 'postpone'),
     ('rescues', m.cause = 'rescue'),
     ('cancellations', m.cause = 'cancel')) c(name, counts)
   where c.counts
   group by 1, 2
  union all
  select m.task_id, 'queue', width_bucket(m.queue_seconds::double precision, array[0.01, 0.1, 1, 10, 60, 600, 3600, 86400])::smallint, count(*), sum(m.queue_seconds::double precision)
    from moved m
   where m.cause = 'claim' and m.queue_seconds is not null
   group by 1, 3
  union all
  select m.task_id, 'run', width_bucket(m.wall_seconds, array[0.05, 0.25, 1, 5, 30, 120, 900, 3600])::smallint, count(*), sum(m.wall_seconds)
    from moved m
   where (m.from_id = 2 or m.cause = 'deliver') and m.wall_seconds is not null
   group by 1, 3;
end $$;
`;

// Goes before subject_removed, by its name. Where nobody has ever asked for the counts there is nothing to keep.
const subjectCounted = `
create function subject_counted() returns trigger language plpgsql as $$
declare
  since timestamptz;
  marked timestamptz;
begin
  select read_to, mark_at into since, marked from transition_reader where name = 'metrics' for share;
  if marked is not null then
    insert into task_tally as y
    select t.* from tally(since, array(select id from old_rows)) t order by 1, 2, 3
        on conflict (task_id, name, place) do update set count = y.count + excluded.count, seconds = y.seconds + excluded.seconds;
  end if;
  return null;
end $$;
create trigger subject_counted after delete on subject
  referencing old table as old_rows for each statement execute function subject_counted();
`;

const surroundings = `
create table hook_call (
  id bigint primary key generated always as identity,
  subject_id bigint not null references subject on delete cascade,
  task_id integer not null references task on delete cascade,
  attempt integer not null,
  hook text not null,
  event text not null check (event in ('before', 'after')),
  at timestamptz not null default clock_timestamp(),
  wall_seconds double precision not null,
  result jsonb,
  error jsonb
);
create index hook_call_attempt on hook_call (subject_id, task_id, attempt);

create table checkpoint (
  id bigint primary key generated always as identity,
  subject_id bigint not null references subject on delete cascade,
  task_id integer not null references task on delete cascade,
  attempt integer not null,
  name text not null check (length(name) between 1 and 100),
  at timestamptz not null default clock_timestamp(),
  data jsonb
);
create index checkpoint_subject on checkpoint (subject_id, id);

create table notice (
  id bigint primary key generated always as identity,
  subject_id bigint references subject on delete cascade,
  task_id integer not null references task on delete cascade,
  attempt integer,
  tick_id bigint unique,
  failed_at timestamptz not null,
  noticed_at timestamptz not null default clock_timestamp(),
  state text not null check (state in ('enqueued', 'held back')),
  check ((tick_id is null) = (subject_id is not null and attempt is not null)),
  unique (subject_id, task_id, attempt)
);
create index notice_task on notice (task_id, noticed_at);

create table job_schedule (
  runner text primary key,
  slot timestamptz,
  fired_at timestamptz,
  jobs bigint[] not null default '{}'
);
`;
