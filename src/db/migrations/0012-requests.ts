import { Migration } from '@mikro-orm/migrations';

/**
 * Requests that people approve: subjects of kind `request`. What is not plain columns:
 *
 * - `request_task` keeps what runners declare of their tasks, so that any process can decide which tasks apply.
 * - `request.decided` lists the tasks that were decided on. What comes later (a task that is new) is decided when it comes.
 * - Whether a request is completed is no column: the view `request_state` derives it from the entries.
 * - `request_stays_held` keeps a request that nobody has approved held, whoever lifts holds.
 */
export class Migration0012Requests extends Migration {
  override up(): void {
    this.addSql(tables);
    this.addSql(requestSaved);
    this.addSql(requestStaysHeld);
    this.addSql(requestState);
  }
}

const tables = `
create sequence request_number;

create table request_task (
  task_id integer primary key references task on delete cascade,
  request_types text[] not null,
  needs_identifiers text[] not null default '{}',
  batch text check (batch in ('weekly', 'monthly')),
  place text not null default 'any' check (place in ('any', 'last', 'closing'))
);

create table request (
  subject_id bigint primary key references subject on delete cascade,
  email text not null check (length(email) between 3 and 254),
  type text not null check (length(type) between 1 and 64),
  requested_at timestamptz not null,
  deadline timestamptz not null,
  identifiers jsonb not null default '{}' check (jsonb_typeof(identifiers) = 'object'),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  notes text not null default '',
  created_at timestamptz not null,
  created_by text not null,
  decided integer[] not null default '{}',
  approved_at timestamptz,
  approved_by text,
  closed_at timestamptz,
  closed_by text,
  close_reason text,
  check ((approved_at is null) = (approved_by is null)),
  check ((closed_at is null) = (closed_by is null) and (closed_at is null) = (close_reason is null))
);
create index request_person on request (lower(email), type);
create index request_deadline on request (deadline);

create table request_event (
  id bigint primary key generated always as identity,
  subject_id bigint not null references subject on delete cascade,
  at timestamptz not null default clock_timestamp(),
  by text not null,
  kind text not null check (kind in ('received', 'omitted', 'added', 'approved', 'approval withdrawn', 'run', 'comment', 'closed', 'deadline', 'changed')),
  task_id integer references task on delete set null,
  text text not null default ''
);
create index request_event_subject on request_event (subject_id, id);
`;

// What a claim hands to runners is in subject.data.
const requestSaved = `
create function request_saved() returns trigger language plpgsql as $$
begin
  update subject
     set data = jsonb_build_object('email', new.email, 'type', new.type, 'requested_at', new.requested_at, 'deadline', new.deadline,
                                   'identifiers', new.identifiers, 'details', new.details, 'notes', new.notes)
   where id = new.subject_id;
  return null;
end $$;
create trigger request_saved after insert or update of email, type, requested_at, deadline, identifiers, details, notes on request
  for each row execute function request_saved();
`;

// A person who lifts the hold is told; one that ran out by itself is placed again, as nobody is there to be told. When the
// subject itself goes, so does its hold. The trigger of all holds comes before this one: their names are in this order.
const requestStaysHeld = `
create function request_stays_held() returns trigger language plpgsql as $$
declare
  lifted record;
begin
  for lifted in
    select o.subject_id, o.until, s.name, q.closed_at
      from old_rows o
      join subject s on s.id = o.subject_id
      join request q on q.subject_id = s.id
     where o.task_id is null and (q.approved_at is null or q.closed_at is not null)
  loop
    if lifted.until is null then
      raise exception '%', case when lifted.closed_at is null then lifted.name || ' waits for approval: approve it, and it is let go.' else lifted.name || ' is closed; nothing of it is run any more.' end
        using errcode = 'AG002';
    end if;
    insert into hold (subject_id, task_id, reason, placed_by)
    values (lifted.subject_id, null, case when lifted.closed_at is null then 'waits for approval' else 'the request is closed' end, 'requests');
  end loop;
  return null;
end $$;
create trigger request_stays_held after delete on hold
  referencing old table as old_rows for each statement execute function request_stays_held();
`;

// A request without a task that applies is not completed: nothing has been done for it.
const requestState = `
create view request_state as
select c.subject_id, c.tasks, c.omitted, c.running, c.failed, c.done,
       case when c.is_closed then 'closed'
            when c.is_approved and c.done = c.tasks and c.done > c.omitted then 'success'
            when c.running > 0 then 'running'
            when not c.is_approved then 'inactive'
            when c.failed > 0 then 'fail'
            else 'active'
       end as state,
       case when not c.is_closed and c.is_approved and c.done = c.tasks and c.done > c.omitted then c.last_moved end as completed_at
  from (
    select q.subject_id, q.approved_at is not null as is_approved, q.closed_at is not null as is_closed,
           count(r.task_id)::integer as tasks,
           (count(*) filter (where s.message = 'omitted'))::integer as omitted,
           (count(*) filter (where r.status_id = 2))::integer as running,
           (count(*) filter (where s.type = 'error'))::integer as failed,
           (count(*) filter (where s.type = 'success'))::integer as done,
           max(r.last_modified) as last_moved
      from request q
      left join task_register r on r.subject_id = q.subject_id
      left join status s on s.id = r.status_id
     group by q.subject_id) c;
`;
