import { Migration } from '@mikro-orm/migrations';

/**
 * Keys of jobs, settings, and what does not qualify:
 *
 * - `job.key` is what concurrency per key, debouncing, superseding and the last run go by, `job.limit_id` what the limit counts.
 * - `job.parked`: the job waits for others of its key, which counts 1 in its `task_register.unmet`. `job_turn` admits the next,
 *   oldest first, when one of the key ends, whatever the end was. It runs when the transaction commits, so that the lock it takes, one
 *   per task, is held for that moment alone, and is the last that the transaction takes.
 * - `key_left`: keys in which somebody had an entry in hand when the next was to be admitted.
 * - `job.merged`: how many later ones were merged into it. `job.skip` says why it was skipped.
 * - `setting`: what people set for qualifiers, by name. Whoever changes one tells all daemons.
 * - `unqualified`: tasks, or keys of them (`key` is '' for the task as a whole), that a daemon does not qualify for at the
 *   moment. Each daemon writes its own rows, for explanations and pages; nothing is decided by them.
 */
export class Migration0008JobKeys extends Migration {
  override up(): void {
    this.addSql(keys);
    this.addSql(keyJobs);
    this.addSql(settleKey);
    this.addSql(jobTurn);
    this.addSql(settings);
  }
}

const keys = `
alter table task
  add column concurrency_per_key integer check (concurrency_per_key > 0),
  add column goes_by_keys boolean not null default false;
alter table job
  add column key text,
  add column limit_id text,
  add column parked boolean not null default false,
  add column merged integer not null default 0,
  add column skip jsonb;
create index job_key on job (task_id, key, subject_id) where key is not null;
create index job_admitted on job (task_id, key) where key is not null and ended_at is null and not parked;
create index job_parked on job (task_id, key, subject_id) where ended_at is null and parked;
create index job_limit on job (task_id, limit_id, ended_at) where limit_id is not null;
create index job_skipped on job (task_id, ended_at) where state = 'skipped';
`;

// Jobs that were enqueued in this transaction get their keys. What could be admitted is so when it commits.
const keyJobs = `
create function key_jobs(given jsonb) returns void language plpgsql as $$
begin
  with keyed as (
    update job j
       set key = g.key, limit_id = g.limit_id, parked = g.key is not null and t.concurrency_per_key is not null and j.ended_at is null
      from jsonb_to_recordset(given) as g(id bigint, key text, limit_id text), task t
     where j.subject_id = g.id and t.id = j.task_id
    returning j.subject_id, j.task_id, j.parked)
  update task_register r
     set unmet = r.unmet + 1
    from keyed k
   where k.parked and r.subject_id = k.subject_id and r.task_id = k.task_id;
end $$;
`;

// One lock a task: attempts of one task that end together end in one statement, and could not take the locks of several keys in order.
// Nobody is waited for meanwhile: whoever has an entry of the key in hand may be about to end it, and would wait for this lock. What is left
// because of that is noted, and settled by whoever takes care.
// What is beyond the limit, because a job was requeued or the limit lowered, is parked again as far as it does not run, the youngest first.
const settleKey = `
create table key_left (
  task_id integer not null references task on delete cascade,
  key text not null,
  primary key (task_id, key)
);

create function settle_key(of_task integer, of_key text) returns void language plpgsql as $$
declare
  most integer;
  room integer;
  one bigint;
  busy boolean := false;
  woken boolean := false;
begin
  perform pg_advisory_xact_lock(7216008, of_task);
  delete from key_left l where l.task_id = of_task and l.key = of_key;
  select coalesce(t.concurrency_per_key, 2147483647) into most from task t where t.id = of_task;
  select most - count(*) into room from job j where j.task_id = of_task and j.key = of_key and j.ended_at is null and not j.parked;
  if room < 0 then
    for one in
      select j.subject_id from job j where j.task_id = of_task and j.key = of_key and j.ended_at is null and not j.parked order by j.subject_id desc
    loop
      exit when room = 0;
      perform from task_register r where r.subject_id = one and r.task_id = of_task for update skip locked;
      if not found then
        busy := true;
        continue;
      end if;
      update task_register r set unmet = r.unmet + 1 where r.subject_id = one and r.task_id = of_task and r.status_id = 1;
      if found then
        update job j set parked = true where j.subject_id = one;
        room := room + 1;
      end if;
    end loop;
    busy := busy and room < 0;
  elsif room > 0 then
    for one in
      select j.subject_id from job j where j.task_id = of_task and j.key = of_key and j.ended_at is null and j.parked order by j.subject_id
    loop
      perform from task_register r where r.subject_id = one and r.task_id = of_task for update skip locked;
      if not found then
        busy := true;
        continue;
      end if;
      update job j set parked = false where j.subject_id = one and j.parked and j.ended_at is null;
      if found then
        update task_register r set unmet = r.unmet - 1 where r.subject_id = one and r.task_id = of_task;
        woken := woken or (select r.ready and r.due_at is null and r.status_id = 1 from task_register r where r.subject_id = one and r.task_id = of_task);
        room := room - 1;
        exit when room = 0;
      end if;
    end loop;
    busy := busy and room > 0;
  end if;
  if busy then
    insert into key_left (task_id, key) values (of_task, of_key) on conflict do nothing;
  end if;
  if woken then
    perform pg_notify('afterglow_ready', of_task::text);
  end if;
end $$;
`;

const jobTurn = `
create function job_turn() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform settle_key(old.task_id, old.key);
  -- Keys of a class that has no concurrency per key have no turns. What was parked while it had one still has.
  elsif new.parked or exists (select from task t where t.id = new.task_id and t.concurrency_per_key is not null) then
    perform settle_key(new.task_id, new.key);
  end if;
  return null;
end $$;
create constraint trigger job_turn after update on job deferrable initially deferred for each row
  when (new.key is not null and (old.key is distinct from new.key or old.ended_at is distinct from new.ended_at))
  execute function job_turn();
create constraint trigger job_gone after delete on job deferrable initially deferred for each row
  when (old.key is not null and old.ended_at is null)
  execute function job_turn();

create function keys_resettled() returns trigger language plpgsql as $$
declare
  one text;
begin
  for one in select distinct j.key from job j where j.task_id = new.id and j.key is not null and j.ended_at is null order by 1 loop
    perform settle_key(new.id, one);
  end loop;
  return null;
end $$;
create trigger keys_resettled after update on task for each row
  when (old.concurrency_per_key is distinct from new.concurrency_per_key)
  execute function keys_resettled();
`;

const settings = `
create table setting (
  name text primary key check (name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,63}$'),
  value jsonb not null,
  changed_at timestamptz not null default now(),
  changed_by text not null
);
create function setting_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('afterglow_setting', '');
  return null;
end $$;
create trigger setting_changed after insert or update or delete on setting for each statement execute function setting_changed();

create table unqualified (
  daemon_id integer not null,
  task_id integer not null references task on delete cascade,
  key text not null default '',
  reason text not null,
  failures integer not null,
  since timestamptz not null default clock_timestamp(),
  again_at timestamptz not null,
  primary key (daemon_id, task_id, key)
);
`;
