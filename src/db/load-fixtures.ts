import type { EntityManager } from '@mikro-orm/postgresql';
import type { EntryFixture, Fixtures } from '../fixtures/fixture.ts';
import { checkZones } from './check-zones.ts';
import { lockDefinitions } from './lock-definitions.ts';
import { removeAbsent } from './remove-absent.ts';
import { removeAbsentResources, saveResources } from './save-resources.ts';
import { LOCK_REGISTER, saveStatuses, saveTasks } from './save-tasks.ts';
import { FORGET_PLANS, LOAD_LOCK, saveTransients, type Saved } from './save-transients.ts';

/** What a load did to one kind of rows, by name. */
export interface ModelReport extends Saved {
  removed: string[];
}

/** What a load did. */
export interface LoadReport {
  statuses: ModelReport;
  tasks: ModelReport;
  /** `kept`: no longer in the fixtures, but used by a task. */
  resources: ModelReport & { kept: string[] };
  transients: ModelReport;
  /** Undefined where the entries were not looked at. */
  entries?: ModelReport;
}

/** What else belongs into the transaction of a load. */
export interface LoadOptions {
  /**
   * Makes the database's graph equal to the code's. It is called when the statuses and tasks are there, before anything is
   * removed and before transients are added, so that a task can be dropped together with its last mention in a runner.
   */
  sync?: (em: EntityManager) => Promise<unknown>;
}

/**
 * Makes the database say what the fixtures say, in one transaction: adds what is new, changes what differs, removes statuses,
 * tasks and resources that are no longer there. Transients stay when they leave the fixtures, resources as long as a task uses
 * them. Loading the same again changes nothing, and no load changes how the breaker of a resource stands.
 *
 * A new task has its entries for all objects of its kind when this returns. The fixtures' entries are applied only with
 * `sync`, as it is the graph that makes their moves legal; else call {@link applyEntries} after it.
 *
 * @throws {RefusedError} rows still use a status or task that would be removed, or a task that would change its kind, or this
 *   PostgreSQL does not know the time zone of a window; nothing was loaded
 */
export async function loadFixtures(em: EntityManager, fixtures: Fixtures, { sync }: LoadOptions = {}): Promise<LoadReport> {
  await checkZones(em, fixtures.tasks);
  return em.transactional(async (tx) => {
    await tx.execute(`select pg_advisory_xact_lock(${LOAD_LOCK})`);
    await lockDefinitions(tx);
    const resources = await saveResources(tx, fixtures.resources);
    const statuses = await saveStatuses(tx, fixtures.statuses);
    const tasks = await saveTasks(tx, fixtures.tasks);
    await sync?.(tx);
    const removed = await removeAbsent(tx, fixtures, { statuses: statuses.added, tasks: tasks.added });
    const absent = await removeAbsentResources(tx, fixtures.resources);
    const transients = await saveTransients(tx, fixtures.transients);
    return {
      statuses: { ...statuses, removed: removed.statuses },
      tasks: { ...tasks, removed: removed.tasks },
      resources: { ...resources, ...absent },
      transients: { ...transients, removed: [] },
      ...(sync !== undefined && { entries: await applyEntries(tx, fixtures.entries) }),
    };
  });
}

/**
 * Puts entries where the fixtures say they stand, for those that nothing has happened to yet: never run, never moved.
 * An entry is moved by a fixture once only; when a person resets it afterwards, it stays reset.
 *
 * @returns the moved entries as changed, all others as unchanged
 */
export async function applyEntries(em: EntityManager, entries: readonly EntryFixture[]): Promise<ModelReport> {
  return em.transactional(async (tx) => {
    const given = JSON.stringify(entries);
    const [first] = entries.length === 0 ? [] : await tx.execute<unknown[]>(`${untouched} limit 1`, [given]);
    if (first === undefined) return { added: [], changed: [], removed: [], unchanged: entries.length };
    // The rows and those that wait for them are locked in no order; a claim at the same time could deadlock.
    await tx.execute(LOCK_REGISTER);
    await tx.execute(FORGET_PLANS);
    const moved = await tx.execute<{ name: string }[]>(moveUntouched, [given]);
    return { added: [], changed: moved.map(({ name }) => name), removed: [], unchanged: entries.length - moved.length };
  });
}

// Each entry is looked up by its key: `offset 0` keeps PostgreSQL from going through all untouched entries of a task for each.
const untouched = `
select r.subject_id, r.task_id, s.id as status_id, t.name as task, u.name as subject
  from jsonb_to_recordset(?::jsonb) as g(transient text, task text, status text)
  join subject u on u.kind = 'transient' and u.name = g.transient
  join task t on t.name = g.task
  join status s on s.message = g.status and s.id not in (1, 2)
 cross join lateral (
       select * from task_register where subject_id = u.id and task_id = t.id offset 0) r
 where r.status_id = 1
   and r.attempt = 0
   and not exists (select from transition x where x.subject_id = r.subject_id and x.task_id = r.task_id)`;

const moveUntouched = `
update task_register r
   set status_id = e.status_id, cause = 'load', actor = 'fixtures', last_modified = now()
  from (${untouched}) e
 where r.subject_id = e.subject_id and r.task_id = e.task_id
returning e.subject || ': ' || e.task as name`;

/** One line for each kind of rows that the fixtures had any of. */
export function describeLoad(report: LoadReport, skipped: Fixtures['skipped'] = {}): string[] {
  const models = (['statuses', 'tasks', 'resources', 'transients', 'entries'] as const).flatMap((model) => describeModel(model, report[model]) ?? []);
  const rows = Object.entries(skipped).map(([model, count]) => `${count} ${model}`);
  return rows.length === 0 ? models : [...models, `left out, as nothing here uses them: ${rows.join(', ')}`];
}

const NAMED = 20;

function describeModel(model: string, report: (ModelReport & { kept?: string[] }) | undefined): string | undefined {
  if (report === undefined) return undefined;
  const { added, changed, removed, kept = [] } = report;
  const acts = Object.entries({ added, changed, removed, 'kept, as tasks use them': kept })
    .filter(([, names]) => names.length > 0)
    .map(([act, names]) => `${names.length} ${act}${names.length > NAMED ? '' : ` (${names.map((name) => `"${name}"`).join(', ')})`}`);
  if (report.unchanged > 0) acts.push(`${report.unchanged} unchanged`);
  return acts.length === 0 ? undefined : `${model}: ${acts.join(', ')}`;
}
