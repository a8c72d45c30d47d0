import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type Database, type DatabaseAddress } from '../../../src/db/database.ts';
import { environmentOf, readProcesses } from '../../../src/isolation/process-table.ts';
import { runProgram, startProgram } from '../../program.ts';
import { urlOf } from '../../url-of.ts';
import * as pipeline from './pipeline.ts';

/** What to try. */
export interface UnrulyRun {
  /** An empty database that nobody else uses. */
  address: DatabaseAddress;
  objects: number;
  /** The longest that it may take, seconds. */
  withinSeconds: number;
  log: (line: string) => void;
}

/**
 * Two workers run isolated attempts that spin, hang, exit, crash, eat memory and leave processes behind; one worker is killed
 * with SIGKILL on the way, the other is told to stop in the end.
 *
 * @throws {Error} an entry did not end, an effect is there twice or not at all, or a process is left
 */
export async function run({ address, objects, withinSeconds, log }: UnrulyRun): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-unruly-'));
  const mark = randomUUID();
  const here = path.resolve(import.meta.dirname);
  const env = {
    DATABASE_URL: urlOf(address), AFTERGLOW_RUNNERS: path.join(here, 'pipeline.ts'), AFTERGLOW_FIXTURES: `${here}/statuses.yaml:${here}/tasks.yaml`,
    AFTERGLOW_LEASE_SECONDS: '3', AFTERGLOW_GRACE_SECONDS: '1', AFTERGLOW_PROCESSES: '2', AFTERGLOW_MAX_TASKS_PER_PROCESS: '10', AFTERGLOW_TEST_RUN: mark,
  };
  const started: ReturnType<typeof startProgram>[] = [];
  const startWorker = (name: string) => {
    const worker = startProgram(['worker', '--data', path.join(folder, name)], env);
    started.push(worker);
    return worker;
  };
  const left = () => readProcesses().filter(({ pid }) => environmentOf(pid, 'AFTERGLOW_TEST_RUN') === mark).map(({ pid }) => pid);
  const until = async (isSo: () => Promise<boolean>, what: string): Promise<void> => {
    const impatient = AbortSignal.timeout(withinSeconds * 1000);
    for (; !(await isSo()); await delay(50)) assert(!impatient.aborted, `not ${what} within ${withinSeconds} s`);
  };
  try {
    const prepared = await runProgram(['start', '--until-idle', '--no-web', '--data', path.join(folder, 'daemon')], env);
    assert(prepared.code === 0, `the daemon that prepares ended with ${prepared.code}: ${prepared.stderr}`);
    const database = await openDatabase(address, pipeline);
    try {
      const workers = ['a', 'b'].map(startWorker);
      await database.em().execute(
        `with added as (insert into subject (kind, name) select 'transient', 'sn' || n from generate_series(1, ?) n returning id)
         insert into transient (subject_id, ra_deg, dec_deg) select id, 150, 2 from added`, [objects]);
      await until(async () => (await done(database)) >= objects * 0.3, 'a third done');
      const before = left().length;
      workers[0]!.child.kill('SIGKILL');
      log(`a worker is killed at ${await done(database)} of ${objects}, with ${before} processes there`);
      workers[0] = startWorker('c');
      await until(async () => (await done(database)) === objects, 'done');
      for (const { child } of workers) child.kill('SIGTERM');
      const ends = await Promise.all(workers.map(({ ended }) => ended));
      // The last one may have been told to stop before it was there.
      assert(ends.every(({ code, signal }) => code === 0 || signal === 'SIGTERM'), `the workers ended with ${ends.map(({ code, signal }) => code ?? signal).join()}`);
      await prove(database, objects, log);
      const forgotten = left();
      assert(forgotten.length === 0, `processes are left: ${forgotten.join(', ')}`);
    } finally {
      await database.close();
    }
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    await rm(folder, { recursive: true, force: true });
  }
}

async function prove(database: Database, objects: number, log: (line: string) => void): Promise<void> {
  const [found] = await database.em().execute<[Record<string, number>]>(`
    select (select count(*)::int from effect) as effects,
           (select count(distinct subject_id)::int from effect) as distinct_effects,
           (select count(*)::int from attempt where outcome = 'finished') as finished,
           (select count(*)::int from attempt where outcome = 'timed out') as timed_out,
           (select count(*)::int from attempt where outcome = 'rescued') as rescued,
           (select count(*)::int from attempt where error->>'code' = 'PROCESS_DIED') as died,
           (select count(*)::int from attempt where error->>'name' = 'TypeError') as thrown`);
  log(`${objects} entries done; attempts: ${found.finished} finished, ${found.timed_out} timed out, ${found.died} died, ${found.thrown} threw, ${found.rescued} rescued`);
  assert(found.effects === objects && found.distinct_effects === objects, `${found.effects} effects of ${found.distinct_effects} entries, expected ${objects}`);
  assert(found.finished === objects, `${found.finished} attempts finished, expected ${objects}`);
  // With few objects, those of one kind may all have run where the worker was killed.
  assert(found.died! + found.timed_out! > 2, 'hardly anybody misbehaved, so nothing was tried');
}

const done = async (database: Database): Promise<number> =>
  (await database.em().execute<[{ n: number }]>(`select count(*)::int as n from task_register r join status s on s.id = r.status_id where s.message = 'processed'`))[0].n;

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
