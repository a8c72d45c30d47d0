import type { EntityManager } from '@mikro-orm/postgresql';
import { countDrift } from '../../src/db/sync-graph.ts';
import { DeliveryError } from './delivery-error.ts';

/**
 * Checks that a pipeline of empty runners was delivered exactly: every entry is processed after one attempt that ended, with two
 * transitions, and nothing is open, lost, done twice or miscounted.
 *
 * @param expected what there has to be: transients × tasks
 * @throws {DeliveryError} the run is void; says everything that is wrong
 */
export async function assertDelivered(em: EntityManager, expected: { transients: number; tasks: number }): Promise<void> {
  const problems = await deliveryProblems(em, expected);
  if (problems.length > 0) throw new DeliveryError(problems);
}

async function deliveryProblems(em: EntityManager, expected: { transients: number; tasks: number }): Promise<string[]> {
  const entries = expected.transients * expected.tasks;
  const [row] = await em.execute<Record<keyof typeof WANTED | 'entries' | 'attempts' | 'transitions', string>[]>(COUNTS);
  const problems: string[] = [];
  const wants = (what: string, found: string, wanted: number) => {
    if (Number(found) !== wanted) problems.push(`${found} ${what}, expected ${wanted}`);
  };
  wants('entries', row!.entries, entries);
  wants('attempts', row!.attempts, entries);
  wants('transitions', row!.transitions, 2 * entries);
  for (const [name, what] of Object.entries(WANTED)) wants(what, row![name as keyof typeof WANTED], 0);
  wants('entries with a wrong count of unmet prerequisites', String(await countDrift(em)), 0);
  return problems;
}

const WANTED = {
  open: 'entries that are not processed',
  lost: 'entries without an attempt that finished',
  repeated: 'entries with more than one attempt',
  unended: 'attempts that did not end',
  unmoved: 'entries without exactly one claim and one finish',
} as const;

const COUNTS = `
select (select count(*) from task_register) as entries,
       (select count(*) from attempt) as attempts,
       (select count(*) from transition) as transitions,
       (select count(*) from task_register r join status s on s.id = r.status_id where s.message <> 'processed') as open,
       (select count(*) from task_register r
         where not exists (select from attempt a where a.subject_id = r.subject_id and a.task_id = r.task_id and a.outcome = 'finished')) as lost,
       (select count(*) from (select from attempt group by subject_id, task_id having count(*) > 1) a) as repeated,
       (select count(*) from attempt where ended_at is null) as unended,
       (select count(*) from task_register r
         where (select count(*) filter (where t.cause = 'claim') <> 1 or count(*) filter (where t.cause = 'finish') <> 1
                  from transition t where t.subject_id = r.subject_id and t.task_id = r.task_id)) as unmoved`;
