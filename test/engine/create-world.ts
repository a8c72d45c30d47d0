import { onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { INITIAL, type Status } from '../../src/status/status.ts';
import { ScriptedRunner } from './scripted-runner.ts';
import { STATUSES, World, type GivenResource, type GivenTask } from './world.ts';

/** A database with the given tasks and their runners, in place of whatever was in it. */
export async function createWorld<Name extends string>(
  database: Database,
  given: { tasks: Readonly<Record<Name, GivenTask>>; statuses?: readonly Status[]; resources?: readonly GivenResource[] },
): Promise<World<Name>> {
  const em = database.em();
  await em.execute(CLEAR);
  const statuses = [...STATUSES, ...(given.statuses ?? [])];
  const tasks = Object.entries<GivenTask>(given.tasks);
  await em.execute(`insert into status (message, type) select message, type from jsonb_to_recordset(?::jsonb) as s(message text, type text) on conflict do nothing`, [JSON.stringify(statuses)]);
  await em.execute(
    `insert into task (name, kind, time_limit_seconds, active) select name, kind, "limit", active from jsonb_to_recordset(?::jsonb) as t(name text, kind text, "limit" double precision, active boolean)`,
    [JSON.stringify(tasks.map(([name, task]) => ({ kind: 'transient', active: true, limit: null, ...task, name })))],
  );
  await em.execute(
    `insert into resource (name, concurrency, per_minute, failures_to_open, cool_seconds, longest_cool_seconds)
     select name, concurrency, "perMinute", coalesce(failures, 5), coalesce("coolSeconds", 30), 600
       from jsonb_to_recordset(?::jsonb) as r(name text, concurrency integer, "perMinute" integer, failures integer, "coolSeconds" double precision)`,
    [JSON.stringify(given.resources ?? [])],
  );
  const runners = new Map(tasks.map(([name, task]) => [name as Name, new ScriptedRunner(name, task)]));
  const machine = createStatusMachine(statuses, tasks.map(([, { from }]) => from ?? INITIAL));
  const world = new World<Name>(database, machine, runners);
  await world.sync();
  onTestFinished(() => world.end());
  return world;
}

const CLEAR = `
delete from subject;
delete from attempt;
delete from transition;
delete from task_register;
delete from task_requirement;
delete from task_use;
delete from task;
delete from resource;
delete from status_move;
delete from status where id >= 10;
delete from schedule;
delete from tick;
delete from daemon;
create table if not exists note (subject_id bigint not null, attempt integer not null, text text not null unique deferrable initially immediate);
delete from note`;
