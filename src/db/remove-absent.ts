import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError } from '../errors.ts';
import type { Fixtures } from '../fixtures/fixture.ts';
import { nearest } from '../nearest.ts';
import { JOB_KIND, JOB_STATUSES, RUN_KIND, RUN_STATUSES, type Status } from '../status/status.ts';
import { LOCK_REGISTER } from './save-tasks.ts';
import { describeUse, usesOfStatuses, usesOfTasks, type Use } from './uses.ts';

/** A row that the fixtures no longer have. */
interface Absent {
  id: number;
  name: string;
}

/** Names of statuses and tasks. */
export type Names = Record<'statuses' | 'tasks', readonly string[]>;

/**
 * Removes the statuses and tasks that the fixtures no longer have; tasks together with their untouched entries.
 *
 * @param added what this load has added, for telling a rename
 * @returns the names of what was removed
 * @throws {RefusedError} rows still use one of them; says which rows, for all of them at once
 */
export async function removeAbsent(tx: EntityManager, fixtures: Fixtures, added: Names): Promise<Record<'statuses' | 'tasks', string[]>> {
  const tasks = await tx.execute<Absent[]>(absentTasks, [JSON.stringify(fixtures.tasks.map(({ name }) => name))]);
  const statuses = await tx.execute<Absent[]>(absentStatuses, [JSON.stringify(fixtures.statuses.map(({ message }) => message))]);
  if (tasks.length + statuses.length === 0) return { tasks: [], statuses: [] };
  await tx.execute(LOCK_REGISTER);
  const taskIds = tasks.map(({ id }) => id);
  const statusIds = statuses.map(({ id }) => id);
  const refusals = [
    ...refusalsOf('status', 'message', statuses, await usesOfStatuses(tx, statusIds, taskIds), added.statuses),
    ...refusalsOf('task', 'name', tasks, await usesOfTasks(tx, taskIds), added.tasks),
  ];
  if (refusals.length > 0) throw new RefusedError(`Nothing was loaded:\n${refusals.join('\n')}`);
  // The prerequisites first: two tasks that go together may wait for each other's rows.
  for (const sql of removals) await tx.execute(sql, [JSON.stringify(taskIds)]);
  await tx.execute(`delete from status where id in (select jsonb_array_elements_text(?::jsonb)::integer)`, [JSON.stringify(statusIds)]);
  return { tasks: tasks.map(({ name }) => name), statuses: statuses.map(({ name }) => name) };
}

function refusalsOf(what: string, column: string, rows: readonly Absent[], uses: Map<number, Use>, added: readonly string[]): string[] {
  return rows.flatMap(({ id, name }) => {
    const use = describeUse(uses.get(id));
    return use === undefined ? [] : [`${what} "${name}" cannot be removed: ${use} it. Put it back into the fixtures.${renameHint(what, column, name, added)}`];
  });
}

/** A rename looks like one row removed and another added. */
function renameHint(table: string, column: string, name: string, added: readonly string[]): string {
  const renamed = nearest(name, added) ?? (added.length === 1 ? added[0] : undefined);
  if (renamed === undefined) return '';
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  return ` If "${renamed}" is its new name, rename it in the database first: update ${table} set ${column} = ${quoted(renamed)} where ${column} = ${quoted(name)};`;
}

const listed = (statuses: readonly Status[]): string => statuses.map(({ message }) => `'${message}'`).join(', ');

// Those of runs of scripts come from files of jobs, those of jobs from the code, of other daemons too.
const absentTasks = `
select id, name from task
 where name not in (select jsonb_array_elements_text(?::jsonb)) and kind not like '${RUN_KIND}%' and kind not like '${JOB_KIND}%'
 order by id`;

// The first three belong to the machinery. Those of runs of scripts and of jobs stay once they are there.
const absentStatuses = `
select id, message as name from status
 where id > 3 and message not in (select jsonb_array_elements_text(?::jsonb))
   and not (message in (${listed(RUN_STATUSES)}) and exists (select from task where kind like '${RUN_KIND}%'))
   and not (message in (${listed(JOB_STATUSES)}) and exists (select from task where kind like '${JOB_KIND}%'))
 order by id`;

const removals = ['task_requirement', 'task_register', 'task'].map(
  (table) => `delete from ${table} where ${table === 'task' ? 'id' : 'task_id'} in (select jsonb_array_elements_text(?::jsonb)::integer)`,
);
