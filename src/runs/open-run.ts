import type { EntityManager } from '@mikro-orm/postgresql';
import { thisProcess } from '../daemon/process-identity.ts';
import { lockDefinitions } from '../db/lock-definitions.ts';
import { saveTasks } from '../db/save-tasks.ts';
import { LOAD_LOCK } from '../db/save-transients.ts';
import { syncGraph } from '../db/sync-graph.ts';
import { RefusedError } from '../errors.ts';
import { createStatusMachine } from '../status/machine.ts';
import { INITIAL, RUN_STATUSES, type Status } from '../status/status.ts';
import { planRun, type RunPlan } from './plan.ts';
import type { JobFile } from './job-file.ts';
import { kindOf, runnersOf, type RunKind } from './run-task.ts';
import { isLost, WORKING_PROCESS, type WorkingProcess } from './working-process.ts';

/** What a person wants run. */
export interface RunOrder {
  name: string;
  file: JobFile;
  /** Scripts that are named; empty: all. */
  only: readonly string[];
  /** Run what has not changed too, and let failures stop nothing. */
  forced: boolean;
  /** Begin another run even where the last one did not come to its end. */
  anew: boolean;
}

/** A run that is in the register, ready to be worked on. */
export interface OpenRun extends RunKind {
  subjectId: string;
  /** Of the subject: `<name>-<number>`. */
  subject: string;
  name: string;
  number: number;
  plan: RunPlan;
  forced: boolean;
  /** Whether an earlier process had begun it. */
  isResumed: boolean;
  /** For people: what became of an earlier run that could not be resumed. */
  notes: readonly string[];
}

/** What a run's row keeps of its order, to tell whether it is the same. */
interface KeptOptions {
  only: readonly string[];
  forced: boolean;
  kind: string;
}

/**
 * Puts a run into the register: its tasks with their prerequisites, where they are not there from earlier runs, its subject and
 * its row. Where the last run of the name ended without an end, because its process was killed, that one is taken up again.
 * Nothing of other kinds is touched.
 *
 * @throws {RefusedError} a run of that name is under way, or a status that runs need means something else in this database
 */
export async function openRun(em: EntityManager, order: RunOrder): Promise<OpenRun> {
  return em.transactional(async (tx) => {
    await tx.execute(`select pg_advisory_xact_lock(${LOAD_LOCK})`);
    await lockDefinitions(tx);
    const last = await lastRun(tx, order.name);
    const isOpen = last !== undefined && (last.state === 'started' || last.state === 'running');
    if (isOpen && !isLost(last)) throw new RefusedError(`Run ${last.number} of "${order.name}" is under way in process ${last.process.pid} of ${last.process.host}. Wait for it, end it with Ctrl-C there, or give this one another --name.`);
    const notes: string[] = [];
    if (isOpen) {
      const plan = planRun(order.file, { number: last.number, only: order.only });
      const kind = kindOf(order.name, plan, order.forced);
      const isSame = !order.anew && same(last.options, { only: order.only, forced: order.forced, kind: kind.kind });
      if (isSame) {
        await tx.execute(`update run set resumed = resumed + 1, process = ?::jsonb, daemon_id = null where subject_id = ?`, [JSON.stringify(thisProcess()), last.subject_id]);
        return { ...kind, subjectId: last.subject_id, subject: subjectOf(order.name, last.number), name: order.name, number: last.number, plan, forced: order.forced, isResumed: true, notes };
      }
      await abandon(tx, last);
      notes.push(`Run ${last.number} did not come to its end and is left as it is, ${order.anew ? 'as you asked for another one' : 'because the jobs or the options are others now'}.`);
    }
    const number = (last?.number ?? 0) + 1;
    const plan = planRun(order.file, { number, only: order.only });
    const kind = kindOf(order.name, plan, order.forced);
    await saveRunStatuses(tx);
    await saveGraph(tx, plan, kind, order.forced);
    const subjectId = await addRun(tx, { order, number, plan, kind });
    return { ...kind, subjectId, subject: subjectOf(order.name, number), name: order.name, number, plan, forced: order.forced, isResumed: false, notes };
  });
}

const subjectOf = (name: string, number: number): string => `${name}-${number}`;

const same = (one: KeptOptions, other: KeptOptions): boolean => one.kind === other.kind && one.forced === other.forced && [...one.only].toSorted().join('\n') === [...other.only].toSorted().join('\n');

interface LastRun extends WorkingProcess {
  subject_id: string;
  number: number;
  state: string;
  options: KeptOptions;
}

async function lastRun(tx: EntityManager, name: string): Promise<LastRun | undefined> {
  const [row] = await tx.execute<LastRun[]>(
    `select u.subject_id, u.number, u.state, u.options, ${WORKING_PROCESS}
       from run u
       left join daemon d on d.id = u.daemon_id
      where u.name = ?
      order by u.number desc
      limit 1
        for update of u`,
    [name],
  );
  return row;
}

/** Nobody will go on with that run. */
async function abandon(tx: EntityManager, run: LastRun): Promise<void> {
  await tx.execute(`update run set state = 'crashed', ended_at = clock_timestamp(), message = 'its process was killed, and another run was begun in its place' where subject_id = ?`, [run.subject_id]);
}

/** Adds the statuses of runs where they are not there yet. */
async function saveRunStatuses(tx: EntityManager): Promise<void> {
  const given = JSON.stringify(RUN_STATUSES);
  await tx.execute(
    `insert into status (message, type) select g.message, g.type from jsonb_to_recordset(?::jsonb) as g(message text, type text) on conflict (message) do nothing`,
    [given],
  );
  const wrong = await tx.execute<{ message: string; found: string; type: string }[]>(
    `select g.message, s.type as found, g.type from jsonb_to_recordset(?::jsonb) as g(message text, type text) join status s on s.message = g.message where s.type <> g.type`,
    [given],
  );
  if (wrong.length > 0) {
    const [{ message, found, type }] = wrong as [(typeof wrong)[0]];
    throw new RefusedError(`The status "${message}" is of type ${found} in this database, by its fixtures; a run of scripts needs it to be of type ${type}.`);
  }
}

/** Makes the register's picture of these scripts equal to the plan; that of all other tasks stays what it is. */
async function saveGraph(tx: EntityManager, plan: RunPlan, kind: RunKind, forced: boolean): Promise<void> {
  const tasks = plan.tasks.map((task) => ({
    name: kind.names.get(task.script)!, kind: kind.kind, description: `${task.script}, in a run of ${plan.file.file}`, owner: '', active: true,
    timeLimitSeconds: null,
  }));
  await saveTasks(tx, tasks);
  const statuses = await tx.execute<(Status & { id: number })[]>(`select id, message, type from status order by id`);
  const starts = await tx.execute<{ message: string }[]>(`select distinct s.message from task t join status s on s.id = t.claim_from_id`);
  // Of all statuses there are, so that no move is lost that others need.
  const machine = createStatusMachine(statuses.map(({ message, type }) => ({ message, type })), [INITIAL, ...starts.map(({ message }) => message)]);
  await syncGraph(tx, machine, runnersOf(plan, kind, forced, () => Promise.reject(new Error('This runner only declares.'))));
}

/** A run's subject gets its entries by the register's own trigger. */
async function addRun(tx: EntityManager, { order, number, plan, kind }: { order: RunOrder; number: number; plan: RunPlan; kind: RunKind }): Promise<string> {
  const kept: KeptOptions = { only: order.only, forced: order.forced, kind: kind.kind };
  const [subject] = await tx.execute<{ id: string }[]>(`insert into subject (kind, name, public_timestamp, data) values (?, ?, now(), ?::jsonb) returning id`, [
    kind.kind, subjectOf(order.name, number), JSON.stringify({ run: order.name, number }),
  ]);
  await tx.execute(
    `insert into run (subject_id, name, number, file, options, plan, jobs, tasks, process) values (?, ?, ?, ?, ?::jsonb, ?::jsonb, ?, ?, ?::jsonb)`,
    [
      subject!.id, order.name, number, order.file.file, JSON.stringify(kept),
      JSON.stringify(plan.tasks.map(({ script, parents, jobs }) => ({ script, parents, jobs: jobs.map(({ name }) => name), task: kind.names.get(script) }))),
      plan.jobs.length, plan.tasks.length, JSON.stringify(thisProcess()),
    ],
  );
  return subject!.id;
}
