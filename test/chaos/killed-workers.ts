import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type Database, type DatabaseAddress } from '../../src/db/database.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { startProgram, runProgram } from '../program.ts';
import { urlOf } from '../url-of.ts';
import * as pipeline from './pipeline.ts';
import { assert, untilSo } from './until-so.ts';

/** What to try. */
export interface KilledWorkers {
  /** An empty database that nobody else uses. */
  address: DatabaseAddress;
  engine: 'local' | 'bullmq';
  /** Of the engine `bullmq`. */
  redisUrl?: string;
  objects: number;
  /** The longest that it may take, seconds; counted anew after the last kill. */
  withinSeconds: number;
  log: (line: string) => void;
}

/**
 * Three worker processes take so many objects through a diamond; two of them are killed with SIGKILL at a moment nobody chose,
 * and come back. Some runs fail, some hang.
 *
 * @throws {Error} an entry did not end, an effect is there twice or not at all, something began before its prerequisites, or a rule of the register is broken
 */
export async function run({ address, engine, redisUrl, objects, withinSeconds, log }: KilledWorkers): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-chaos-'));
  const here = path.resolve(import.meta.dirname);
  const env = {
    DATABASE_URL: urlOf(address), AFTERGLOW_RUNNERS: path.join(here, 'pipeline.ts'), AFTERGLOW_FIXTURES: ['statuses', 'tasks'].map((name) => path.join(here, 'fixtures', `${name}.yaml`)).join(':'),
    AFTERGLOW_LEASE_SECONDS: '3', AFTERGLOW_CONCURRENCY: '20', ENGINE: engine, ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
  };
  const started: ReturnType<typeof startProgram>[] = [];
  const startWorker = (n: number) => {
    const worker = startProgram(['worker', '--data', path.join(folder, `worker-${n}`)], env);
    started.push(worker);
    return worker;
  };
  try {
    const prepared = await runProgram(['start', '--until-idle', '--no-web', '--data', path.join(folder, 'daemon')], env);
    assert(prepared.code === 0, `the daemon that prepares ended with ${prepared.code}: ${prepared.stderr}`);
    const database = await openDatabase(address, pipeline);
    try {
      const workers = [1, 2, 3].map(startWorker);
      await database.em().execute(
        `with added as (insert into subject (kind, name) select 'transient', 'sn' || n from generate_series(1, ?) n returning id)
         insert into transient (subject_id, ra_deg, dec_deg) select id, 150, 2 from added`, [objects]);
      const entries = objects * 4;
      for (const [n, share] of [[0, 0.2], [1, 0.5]] as const) {
        await untilSo(database, withinSeconds, async () => (await done(database)) > entries * (share + Math.random() * 0.1));
        workers[n]!.child.kill('SIGKILL');
        log(`worker ${n + 1} is killed at ${await done(database)} of ${entries}`);
        startWorker(n + 4);
      }
      await untilSo(database, withinSeconds, async () => (await done(database)) === entries);
      await prove(database, entries, log);
    } finally {
      await database.close();
    }
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    await rm(folder, { recursive: true, force: true });
  }
}

async function prove(database: Database, entries: number, log: (line: string) => void): Promise<void> {
  const [found] = await database.em().execute<[Record<string, number>]>(`
    select (select count(*)::int from effect) as effects,
           (select count(*)::int from (select distinct subject_id, task from effect) d) as distinct_effects,
           (select count(*)::int from attempt a join task_requirement q on q.task_id = a.task_id
              left join lateral (select min(ended_at) as at from attempt p where p.subject_id = a.subject_id and p.task_id = q.prerequisite_id and p.outcome = 'finished') p on true
             where p.at is null or p.at > a.started_at) as early,
           (select count(*)::int from attempt where outcome = 'finished') as finished,
           (select count(*)::int from attempt where outcome = 'failed') as failed,
           (select count(*)::int from attempt where outcome = 'timed out') as timed_out,
           (select count(*)::int from attempt where outcome = 'rescued') as rescued,
           (select count(*)::int from effect e where not exists (
              select from attempt a join task t on t.id = a.task_id where a.subject_id = e.subject_id and t.name = e.task and a.attempt = e.attempt and a.outcome = 'finished')) as unfenced`);
  log(`${entries} entries done; attempts: ${found.finished} finished, ${found.failed} failed, ${found.timed_out} timed out, ${found.rescued} rescued`);
  assert(found.effects === entries && found.distinct_effects === entries, `${found.effects} effects of ${found.distinct_effects} entries, expected ${entries}`);
  assert(found.unfenced === 0, `${found.unfenced} effects are of attempts that did not finish`);
  assert(found.early === 0, `${found.early} attempts began before their prerequisites`);
  assert(found.finished === entries, `${found.finished} attempts finished, expected ${entries}`);
  assert(found.rescued! > 0, 'nothing was rescued, so nothing was tried');
  const { findings } = await auditRegister(database.em(), () => delay(1000));
  assert(findings.length === 0, `rules are broken: ${JSON.stringify(findings)}`);
}

const done = async (database: Database): Promise<number> =>
  (await database.em().execute<[{ n: number }]>(`select count(*)::int as n from task_register r join status s on s.id = r.status_id where s.message = 'processed'`))[0].n;
