import type { EntityManager } from '@mikro-orm/postgresql';
import { within } from '../db/run-within.ts';
import { readOn } from '../db/transition-reader.ts';
import { DatabaseJobs } from '../jobs/jobs.ts';
import { step, type JobStep } from '../runner/jobs.ts';
import type { Channels } from './channels.ts';
import type { FailureMail, FailureWebhook } from './failure-notice.ts';

/** The jobs that tell. */
export interface Tellers {
  mail: FailureMail;
  webhook: FailureWebhook;
}

/**
 * Finds the final failures of tasks that somebody is to be told of, by the log of transitions and the ticks, and enqueues the jobs that tell. A
 * failure is found once over all daemons, whoever ran it and whatever dies meanwhile; beyond the most in an hour it is
 * only counted. Failures from before somebody first looked are not told.
 *
 * @returns how many failures were found
 */
export async function findFailures(em: EntityManager, channels: ReadonlyMap<string, Channels>, tellers: Tellers): Promise<number> {
  let found = 0;
  const wanted = JSON.stringify([...channels.values()].map(({ task, mostPerHour }) => ({ task, most: mostPerHour })));
  await readOn(em, 'notices', async (tx, since) => {
    const rows = await tx.execute<{ id: string; task: string; state: string }[]>(FIND, [wanted, since, since]);
    found = rows.length;
    const steps = rows.filter(({ state }) => state === 'enqueued').flatMap(({ id, task }): JobStep<unknown>[] => {
      const { mail, webhook } = channels.get(task)!;
      return [...(mail.length > 0 ? [step(tellers.mail, { notice: id })] : []), ...(webhook === undefined ? [] : [step(tellers.webhook, { notice: id })])];
    });
    await new DatabaseJobs({ run: within(tx), by: 'afterglow' }).group(steps as JobStep<never>[]);
  }, { eagerly: true });
  return found;
}

// What was found before is there already; what comes again with a new attempt is a new failure.
const FIND = `
with wanted as materialized (
  select t.id, t.name, w.most
    from jsonb_to_recordset(?::jsonb) as w(task text, most integer)
    join task t on t.name = w.task),
failed as (
  (select distinct on (m.subject_id, m.task_id, m.attempt) m.subject_id, m.task_id, m.attempt, null::bigint as tick_id, m.at, w.name, w.most
    from transition m
    join wanted w on w.id = m.task_id
    join status s on s.id = m.to_id and s.type = 'error'
    join subject u on u.id = m.subject_id
   where m.at > ?::timestamptz and m.cause in ('finish', 'fail', 'time out', 'give up', 'deliver')
     and not exists (select from notice n where n.subject_id = m.subject_id and n.task_id = m.task_id and n.attempt = m.attempt)
   order by m.subject_id, m.task_id, m.attempt, m.id)
  union all
  -- Of each runner without an object the newest ticks, by their index. Their ends are of the daemons' clocks.
  select null, w.id, null, k.id, k.ended_at, w.name, w.most
    from wanted w
   cross join lateral (select * from tick k where k.runner = w.name order by k.id desc limit 50) k
   where k.ended_at > ?::timestamptz and k.outcome in ('failed', 'timed out')
     and not exists (select from notice n where n.tick_id = k.id)),
placed as (
  select f.*, row_number() over (partition by f.task_id order by f.at, f.subject_id, f.tick_id)
           + (select count(*) from notice n where n.task_id = f.task_id and n.state = 'enqueued' and n.noticed_at > clock_timestamp() - interval '1 hour') as place
    from failed f),
noted as (
  insert into notice (subject_id, task_id, attempt, tick_id, failed_at, state)
  select subject_id, task_id, attempt, tick_id, at, case when place <= most then 'enqueued' else 'held back' end from placed order by at, subject_id
      on conflict do nothing
  returning id, task_id, state)
select n.id, w.name as task, n.state from noted n join wanted w on w.id = n.task_id order by n.id`;
