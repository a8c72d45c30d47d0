import { Migration } from '@mikro-orm/migrations';

/**
 * Runs of scripts. A run is a subject of kind `run:<name>:<graph>`, its scripts are tasks of that kind; runs of one name whose
 * scripts wait for each other in the same way share their tasks.
 *
 * - `run` says of each run what the register does not: its state, its options, its counts, and which process works on it. We
 *   never delete a row.
 * - `run_success` keeps, for each script of the runs of a name, what its last success was made of and what came of it. It is
 *   written in the transaction that ends the attempt.
 */
export class Migration0011Runs extends Migration {
  override up(): void {
    this.addSql(tables);
  }
}

const tables = `
create table run (
  subject_id bigint primary key references subject on delete cascade,
  name text not null check (length(name) between 1 and 40),
  number integer not null check (number > 0),
  state text not null default 'started' check (state in ('started', 'running', 'finished', 'failed', 'aborted', 'halted', 'crashed')),
  file text not null,
  options jsonb not null default '{}',
  plan jsonb not null,
  jobs integer not null,
  tasks integer not null,
  succeeded integer not null default 0,
  failed integer not null default 0,
  skipped integer not null default 0,
  unchanged integer not null default 0,
  resumed integer not null default 0,
  message text,
  process jsonb not null,
  daemon_id integer,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  unique (name, number)
);

create table run_success (
  name text not null,
  script text not null,
  inputs jsonb not null,
  result jsonb,
  outputs jsonb not null default '{}',
  number integer not null,
  at timestamptz not null default now(),
  primary key (name, script)
);
`;
