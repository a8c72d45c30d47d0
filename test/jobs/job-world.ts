import { inspect } from 'node:util';
import { onTestFailed, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { saveStatuses, saveTasks } from '../../src/db/save-tasks.ts';
import { syncGraph } from '../../src/db/sync-graph.ts';
import { CANCEL_CHANNEL, hearCancel } from '../../src/engine/cancel.ts';
import { letGo } from '../../src/engine/due.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import type { Engine } from '../../src/engine/port.ts';
import { readWork } from '../../src/engine/read-work.ts';
import { jobsOf, type OpenJobs } from '../../src/jobs/open.ts';
import { jobRunners, jobTasks } from '../../src/runner/job-tasks.ts';
import type { TaskRunner } from '../../src/runner/runner.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN, JOB_STATUSES } from '../../src/status/status.ts';
import { listeningLog, type LogLine } from '../engine/world.ts';

/** How often a test's engine looks for what is due, ms. */
const LOOK_MS = 20;
/** Of a line of the log. */
const WARN = 40;

export interface JobWorld {
  /** From outside, as an application has them. */
  jobs: OpenJobs;
  /** Starts an engine that hears of work, and of cancelled attempts, as a daemon does. */
  work(options?: Partial<EngineOptions>, make?: (options: EngineOptions) => Engine): Promise<{ engine: Engine; lines: LogLine[] }>;
  /** Everything of the entries of jobs that tests look at, by id. */
  entry(id: string): Promise<{ status: string; unmet: number; attempt: number; reason: string | null; cause: string; actor: string; cancel_reason: string | null }>;
  /** Of a job's attempts, how they ended. */
  outcomes(id: string): Promise<string[]>;
}

/** A database in which a daemon with these types of jobs has started, with no jobs in it. */
export async function createJobWorld(database: Database, runners: readonly TaskRunner[]): Promise<JobWorld> {
  const types = jobRunners(runners);
  const statuses = [...BUILT_IN.map(({ message, type }) => ({ message, type })), ...JOB_STATUSES];
  const em = database.em();
  await em.execute(CLEAR);
  await em.transactional(async (tx) => {
    await saveStatuses(tx, statuses);
    await saveTasks(tx, jobTasks(types));
    await syncGraph(tx, createStatusMachine(statuses), types);
  });
  const work = (await readWork(database.em(), types))!;
  const jobs = jobsOf(database.address, { types, by: 'test' });
  onTestFinished(() => jobs.close());
  const said: LogLine[][] = [];
  // A job that did not end in time: had it been claimed, did it lie in a queue, and what did the engines say?
  onTestFailed(async () => {
    const open = await database.em().execute(OPEN);
    const engines = said.map((lines) => lines.filter(({ level }) => level >= WARN));
    process.stderr.write(`${inspect({ open, engines }, { depth: 5 })}\n`);
  });
  const read = async <Row extends object>(sql: string, id: string): Promise<Row[]> => database.em().execute<Row[]>(sql, [id]);
  return {
    jobs,
    async work(options = {}, make = (whole) => new LocalEngine(whole)) {
      const { log, lines } = listeningLog();
      said.push(lines);
      const daemonId = options.daemonId ?? 1;
      const engine = make({
        fork: () => database.em(), hot: database.hot, tasks: work.tasks, machine: work.machine, statusIds: work.statusIds, daemonId, actor: `daemon ${daemonId}`,
        random: () => 0, concurrency: 4, leaseSeconds: 60, folders: { data: '/nowhere', products: '/nowhere/products' }, clock: systemClock, log, ...options,
      });
      const ear = await database.connect('test');
      ear.on('notification', ({ channel, payload }) => void (channel === CANCEL_CHANNEL ? hearCancel(database.hot.run, engine.leases, payload!) : engine.wake(Number(payload))));
      await ear.query(`listen afterglow_ready`);
      await ear.query(`listen ${CANCEL_CHANNEL}`);
      const care = setInterval(() => void letGo(database.hot.run).catch(() => {}), LOOK_MS);
      onTestFinished(async () => {
        clearInterval(care);
        await engine.stop(0);
        await ear.end();
      });
      void engine.wake();
      return { engine, lines };
    },
    entry: async (id) => (await read<Awaited<ReturnType<JobWorld['entry']>>>(
      `select s.message as status, r.unmet, r.attempt, r.reason, r.cause, r.actor, r.cancel_reason from task_register r join status s on s.id = r.status_id where r.subject_id = ?`, id))[0]!,
    outcomes: async (id) => (await read<{ outcome: string }>(`select outcome from attempt where subject_id = ? order by attempt`, id)).map(({ outcome }) => outcome),
  };
}

const OPEN = `
select s.id, t.name, st.message as status, r.ready, r.unmet, r.held, r.attempt, r.cause, r.actor, r.reason, r.last_modified, r.dispatched_at, r.due_at, r.lease_owner, r.lease_until, clock_timestamp() as now
  from task_register r
  join subject s on s.id = r.subject_id
  join task t on t.id = r.task_id
  join status st on st.id = r.status_id
 where r.status_id in (1, 2)
 order by s.id`;

const CLEAR = `
delete from subject;
delete from attempt;
delete from transition;
delete from task_use;
delete from task;
delete from status_move;
delete from status where id >= 10;
delete from daemon`;
