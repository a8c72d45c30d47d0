import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { systemClock } from '../../src/clock.ts';
import { SystemTaskRunner } from '../../src/runner/runner.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { ScriptedRunner, type Script } from '../engine/scripted-runner.ts';
import { STATUSES, World } from '../engine/world.ts';

/** Setbacks are what this is about, so no number of them gives an entry up, and none is waited out for long. */
const RETRY = { attempts: 1000, baseSeconds: 0.2, capSeconds: 1, perHour: 1_000_000 };

/** 20 to 150 ms, so that something always runs. */
const aWhile = () => delay(20 + Math.random() * 130);
const returns: Script = async (subject, { attempt }) => {
  await aWhile();
  // Large enough that the tables grow, and cannot be compressed.
  return { status: 'processed', result: { subject: subject.name, attempt, noise: randomBytes(8000).toString('base64') } };
};
// The row first: the transaction is open while it computes.
const writes = (task: string): Script => async (subject, { em, attempt }) => {
  await em.execute(`insert into effect (subject_id, task, attempt) values (?, ?, ?)`, [subject.id, task, attempt]);
  await aWhile();
  return 'processed';
};

/** Fires every second, wherever daemons are. */
export class Beat extends SystemTaskRunner {
  readonly taskName = 'Beat';
  readonly schedule = 1;
  runProcess(): void {}
}

/** Two tasks between two others; two give results, two write rows of their own. */
export function diamondWorld(database: Database): World {
  const runners = new Map([
    ['A', new ScriptedRunner('A', { does: returns, retry: RETRY })],
    ['B', new ScriptedRunner('B', { needs: { A: 'processed' }, does: writes('B'), retry: RETRY })],
    ['C', new ScriptedRunner('C', { needs: { A: 'processed' }, does: returns, retry: RETRY })],
    ['D', new ScriptedRunner('D', { needs: { B: 'processed', C: 'processed' }, does: writes('D'), retry: RETRY })],
  ]);
  return new World(database, createStatusMachine(STATUSES), runners);
}

/** Fills a fresh database with the tasks. */
export async function prepareDiamond(database: Database): Promise<World> {
  const em = database.em();
  await em.execute(`insert into status (message, type) select message, type from jsonb_to_recordset(?::jsonb) as s(message text, type text) on conflict do nothing`, [JSON.stringify(STATUSES)]);
  await em.execute(`insert into task (name, kind) select name, 'transient' from unnest(array['A', 'B', 'C', 'D']) as t(name)`);
  await em.execute(`create table effect (subject_id bigint not null, task text not null, attempt integer not null)`);
  const world = diamondWorld(database);
  await world.sync();
  await syncSchedules(em, [...world.runners, new Beat()], systemClock);
  return world;
}

/** How many entries are not `processed` yet. */
export async function openEntries(database: Database): Promise<number> {
  const [row] = await database.em().execute<{ open: number }[]>(`select count(*)::int as open from task_register r join status s on s.id = r.status_id where s.message <> 'processed'`);
  return row!.open;
}

/** What is wrong once all is done: entries that are stuck, results and rows that are lost or there twice, and what began too early. */
export async function whatBroke(database: Database): Promise<string[]> {
  const em = database.em();
  const broken: string[] = [];
  for (const [what, sql] of Object.entries(CHECKS)) {
    const rows = await em.execute<object[]>(sql);
    if (rows.length > 0) broken.push(`${what}: ${rows.length}, e.g. ${JSON.stringify(rows[0])}`);
  }
  const drift = await countDrift(em);
  if (drift > 0) broken.push(`entries with a wrong count of unmet prerequisites: ${drift}`);
  return broken;
}

const CHECKS: Record<string, string> = {
  'entries that are not processed': `
    select r.subject_id, t.name, s.message, r.attempt, r.cause, r.reason, r.lease_owner, r.lease_until, r.due_at
      from task_register r join task t on t.id = r.task_id join status s on s.id = r.status_id where s.message <> 'processed'`,
  'rows of runners that are lost or there twice': `
    select r.subject_id, t.name, count(e.task) as times from task_register r join task t on t.id = r.task_id
      left join effect e on e.subject_id = r.subject_id and e.task = t.name where t.name in ('B', 'D') group by 1, 2 having count(e.task) <> 1`,
  'rows of an attempt that did not finish': `
    select e.* from effect e join task t on t.name = e.task join attempt a on a.subject_id = e.subject_id and a.task_id = t.id and a.attempt = e.attempt where a.outcome <> 'finished'`,
  'entries that finished never or twice': `
    select r.subject_id, r.task_id, count(a.attempt) as times from task_register r
      left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.outcome = 'finished' group by 1, 2 having count(a.attempt) <> 1`,
  'entries that became processed never or twice': `
    select r.subject_id, r.task_id, count(x.id) as times from task_register r join status s on s.message = 'processed'
      left join transition x on x.subject_id = r.subject_id and x.task_id = r.task_id and x.to_id = s.id group by 1, 2 having count(x.id) <> 1`,
  'results that are lost': `
    select a.subject_id, t.name from attempt a join task t on t.id = a.task_id where t.name in ('A', 'C') and a.outcome = 'finished' and a.result->>'attempt' is distinct from a.attempt::text`,
  'attempts that still run': `select subject_id, task_id, attempt, daemon_id from attempt where outcome = 'running' or ended_at is null`,
  'entries that began before their prerequisites were met': `
    select x.subject_id, x.task_id, x.attempt, x.at from transition x join task_requirement q on q.task_id = x.task_id
     where x.cause = 'claim' and not exists (select from transition p where p.subject_id = x.subject_id and p.task_id = q.prerequisite_id and p.to_id = q.status_id and p.id < x.id)`,
  'attempts that started before those they waited for had ended': `
    select a.subject_id, a.task_id, a.attempt, a.started_at, p.ended_at from attempt a join task_requirement q on q.task_id = a.task_id
      join attempt p on p.subject_id = a.subject_id and p.task_id = q.prerequisite_id and p.outcome = 'finished' where p.ended_at > a.started_at`,
};
