import type { EntityManager } from '@mikro-orm/postgresql';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { JobRunner } from '../runner/job.ts';
import { goesByKeys } from '../runner/job-policies.ts';
import { claimFromOf } from '../runner/prerequisites.ts';
import { retryPolicyOf } from '../runner/retry-policy.ts';
import type { SubjectTaskRunner, TaskRunner } from '../runner/runner.ts';

/** The ids of names. */
export interface Ids {
  /** @throws {UnknownNameError} */
  status: (message: string) => number;
  /** @throws {UnknownNameError} */
  task: (name: string) => number;
}

type SubjectRunner = SubjectTaskRunner<unknown>;

/** Writes what runners declare of their tasks, where it differs: version, statuses, retry policy, concurrency and labels. */
export async function syncDeclarations(tx: EntityManager, runners: readonly SubjectRunner[], ids: Ids): Promise<void> {
  const rows = runners.map((runner) => {
    const { attempts, baseSeconds, factor, capSeconds, perHour } = retryPolicyOf(runner);
    return {
      id: ids.task(runner.taskName), runner_version: runner.version,
      claim_from_id: ids.status(claimFromOf(runner)), failed_status_id: ids.status(runner.failedStatusMessage),
      most_attempts: attempts, retry_base_seconds: baseSeconds, retry_factor: factor, retry_cap_seconds: capSeconds, retries_per_hour: perHour,
      concurrency: runner.concurrency ?? null, requires: runner.requires, reads: runner.reads ?? null,
      concurrency_per_key: runner instanceof JobRunner ? (runner.concurrencyPerKey ?? null) : null, goes_by_keys: runner instanceof JobRunner && goesByKeys(runner),
    };
  });
  await tx.execute(setDeclarations, [JSON.stringify(rows)]);
}

const DECLARED = [
  'runner_version', 'claim_from_id', 'failed_status_id', 'most_attempts', 'retry_base_seconds', 'retry_factor', 'retry_cap_seconds',
  'retries_per_hour', 'concurrency', 'requires', 'reads', 'concurrency_per_key', 'goes_by_keys',
];

const setDeclarations = `
update task t
   set ${DECLARED.map((column) => `${column} = g.${column}`).join(', ')}
  from jsonb_to_recordset(?::jsonb) as g(
         id integer, runner_version integer, claim_from_id smallint, failed_status_id smallint, most_attempts smallint,
         retry_base_seconds double precision, retry_factor double precision, retry_cap_seconds double precision,
         retries_per_hour integer, concurrency integer, requires text[], reads text[], concurrency_per_key integer, goes_by_keys boolean)
 where t.id = g.id
   and (${DECLARED.map((column) => `t.${column}`).join(', ')})
       is distinct from (${DECLARED.map((column) => `g.${column}`).join(', ')})`;

/** Writes the versions of runners that declare nothing else of their tasks, where they differ. */
export async function syncVersions(tx: EntityManager, runners: readonly TaskRunner[], ids: Ids): Promise<void> {
  const rows = runners.map(({ taskName, version }) => ({ id: ids.task(taskName), version }));
  await tx.execute(
    `update task t set runner_version = g.version from jsonb_to_recordset(?::jsonb) as g(id integer, version integer) where t.id = g.id and t.runner_version <> g.version`,
    [JSON.stringify(rows)],
  );
}

/**
 * Writes what the runners' tasks take of resources, where it differs.
 *
 * @throws {UnknownNameError} a resource is not in the database
 */
export async function syncUses(tx: EntityManager, runners: readonly SubjectRunner[], ids: Ids): Promise<void> {
  const known = (await tx.execute<{ name: string }[]>(`select name from resource order by name`)).map(({ name }) => name);
  const wanted = runners.flatMap(({ taskName, uses }) => Object.entries(uses).map(([resource, units]) => ({ task_id: ids.task(taskName), resource, units })));
  const unknown = wanted.find(({ resource }) => !known.includes(resource))?.resource;
  if (unknown !== undefined) throw new UnknownNameError('resource', unknown, known, nearest(unknown, known));
  await tx.execute(dropUses, [JSON.stringify(runners.map(({ taskName }) => ids.task(taskName))), JSON.stringify(wanted)]);
  await tx.execute(addUses, [JSON.stringify(wanted)]);
}

const USES = `jsonb_to_recordset(?::jsonb) as w(task_id integer, resource text, units integer)`;

const dropUses = `
delete from task_use u
 where u.task_id in (select jsonb_array_elements_text(?::jsonb)::integer)
   and not exists (select from ${USES} where w.task_id = u.task_id and w.resource = u.resource)`;

const addUses = `
insert into task_use as u (task_id, resource, units)
select task_id, resource, units from ${USES}
    on conflict (task_id, resource) do update set units = excluded.units where u.units <> excluded.units`;
