import { statement, type Run } from '../db/hot.ts';
import { isCertainlyDead, type ProcessIdentity } from './process-identity.ts';

/** What there is to take care of. */
export interface Look {
  /** Daemons that say that they work, and certainly do not. */
  dead: number[];
  /** Whether a lease is over. */
  expired: boolean;
  /** Whether a time has come that an entry waits for, or at which a hold ends, or a key of jobs was left without its turn. */
  due: boolean;
  /** Seconds until the next time that an entry waits for; null where none does. */
  nextDueSeconds: number | null;
}

/** Looks, in one statement, whether anything needs care: a daemon with nothing to do must cost the database next to nothing. */
export async function look(run: Run, daemonId: number): Promise<Look> {
  const [row] = await run<{ others: (ProcessIdentity & { id: number })[]; expired: boolean; due: boolean; next: number | null }>(LOOK, [daemonId]);
  const { others, expired, due, next } = row!;
  return { dead: others.filter(isCertainlyDead).map(({ id }) => id), expired, due, nextDueSeconds: next };
}

/** Marks daemons as gone. */
export async function bury(run: Run, daemons: readonly number[]): Promise<void> {
  await run(BURY, [daemons]);
}

/** For those who count how often it is asked. */
export const LOOK = statement(`
select (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'host', host, 'machine', machine, 'pid', pid, 'processStart', process_start)), '[]')
          from daemon
         where stopped_at is null and id <> $1) as others,
       exists (select from task_register where status_id = 2 and lease_until < clock_timestamp()) as expired,
       exists (select from task_register where due_at <= clock_timestamp()) or exists (select from hold where until <= clock_timestamp())
       or exists (select from key_left) as due,
       (select extract(epoch from min(due_at) - clock_timestamp())::float8 from task_register where due_at > clock_timestamp()) as next`);

const BURY = statement(`
with silenced as (
  delete from unqualified where daemon_id = any ($1::integer[]))
update daemon set stopped_at = clock_timestamp(), running = 0 where id = any ($1::integer[])`);
