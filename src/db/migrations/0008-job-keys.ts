import { Migration } from '@mikro-orm/migrations';

/**
 * Settings, and what does not qualify under them:
 *
 * - `setting`: what people set for qualifiers, by name. Whoever changes one tells all daemons.
 * - `unqualified`: tasks, or keys of them (`key` is '' for the task as a whole), that a daemon does not qualify for at the
 *   moment. Each daemon writes its own rows, for explanations and pages; nothing is decided by them.
 */
export class Migration0008JobKeys extends Migration {
  override up(): void {
    this.addSql(settings);
  }
}

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
