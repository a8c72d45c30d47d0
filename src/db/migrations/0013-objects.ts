import { Migration } from '@mikro-orm/migrations';

/**
 * Operating on objects:
 *
 * - `edit`: what a person changed, one row a value: a figure of the object (`field`), or the result of a task (`task_id`).
 * - `subject.edited` names the fields that a person edited: whoever loads fixtures or files leaves them alone.
 * - `task.reads` is what the runner of a task reads of its object; null where it does not say, so that it may read anything.
 * - `task_register.overridden_by`: the entry has the result that a person gave it, and is not run again unless that is told.
 * - `task_register.edit_xid` and `edited_at` are set on every entry that reads an edited value. A claim whose snapshot is older
 *   than the edit would hand out the old value; it sees there that it is (src/engine/claim.ts).
 * - `flag`: what a person doubts about an object or the result of a task, until somebody resolves it.
 * - `state_count`: how many objects of a kind were in each state, over time.
 */
export class Migration0013Objects extends Migration {
  override up(): void {
    this.addSql(`
alter table subject add column edited text[] not null default '{}';
alter table task add column reads text[];
alter table task_register
  add column overridden_by text,
  add column edit_xid xid8,
  add column edited_at timestamptz;

create table edit (
  id bigint primary key generated always as identity,
  subject_id bigint not null references subject on delete cascade,
  task_id integer references task on delete cascade,
  field text,
  at timestamptz not null default clock_timestamp(),
  edited_by text not null,
  reason text,
  old_value jsonb,
  new_value jsonb,
  check ((task_id is null) <> (field is null))
);
create index edit_subject on edit (subject_id, id);
create index edit_task on edit (task_id) where task_id is not null;

create table flag (
  id bigint primary key generated always as identity,
  subject_id bigint not null references subject on delete cascade,
  task_id integer references task on delete cascade,
  reason text not null,
  raised_by text not null,
  raised_at timestamptz not null default clock_timestamp(),
  resolved_by text,
  resolved_at timestamptz,
  resolution text
);
create index flag_subject on flag (subject_id, id);
create index flag_task on flag (task_id) where task_id is not null;
create index flag_open on flag (id) where resolved_at is null;

create table state_count (
  kind text not null,
  at timestamptz not null,
  total integer not null,
  completed integer not null,
  processing integer not null,
  waiting integer not null,
  blocked integer not null,
  primary key (kind, at)
);`);
  }
}
