import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { openJobs, step } from '../../src/index.ts';
import { approve } from '../../src/requests/approve.ts';
import { takeIn } from '../../src/requests/take-in.ts';
import { runProgram, startProgram } from '../program.ts';
import { urlOf } from '../url-of.ts';
import * as pipeline from './jobs-pipeline.ts';
import { count, inTurn, shell, sum } from './jobs-pipeline.ts';
import type { KilledWorkers } from './killed-workers.ts';
import { assert, untilSo } from './until-so.ts';

/**
 * Three worker processes do jobs that are added up at the end, jobs that take turns, scripts that start processes, and requests that
 * remove rows; two of the workers are killed with SIGKILL at moments nobody chose, and come back. Some runs fail, some hang.
 *
 * @param options.objects so many jobs to be added up; of the others there are as many or fewer
 * @throws {Error} something did not end, a result or an effect is lost or there twice, a turn was jumped, or a process is left
 */
export async function run({ address, engine, redisUrl, objects, withinSeconds, log }: KilledWorkers): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-chaos-'));
  const pids = path.join(folder, 'pids');
  await mkdir(pids);
  const here = path.resolve(import.meta.dirname);
  const env = {
    DATABASE_URL: urlOf(address), AFTERGLOW_RUNNERS: path.join(here, 'jobs-pipeline.ts'), AFTERGLOW_FIXTURES: ['statuses', 'requests'].map((name) => path.join(here, 'fixtures', `${name}.yaml`)).join(':'),
    AFTERGLOW_LEASE_SECONDS: '3', AFTERGLOW_CONCURRENCY: '8', AFTERGLOW_PROCESSES: '3', ENGINE: engine, CHAOS_FOLDER: pids, ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
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
      const { last, entries, requests } = await give(database, urlOf(address), objects);
      for (const [n, share] of [[0, 0.2], [1, 0.5]] as const) {
        await untilSo(database, withinSeconds, async () => (await done(database)) > entries * (share + Math.random() * 0.1));
        workers[n]!.child.kill('SIGKILL');
        log(`worker ${n + 1} is killed at ${await done(database)} of ${entries}`);
        startWorker(n + 4);
      }
      await untilSo(database, withinSeconds, async () => (await done(database)) === entries);
      await prove(database, { last, objects, requests }, log);
    } finally {
      await database.close();
    }
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    await untilGone(pids, withinSeconds);
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Enqueues the jobs, and takes in and approves the requests. */
async function give(database: Database, databaseUrl: string, objects: number): Promise<{ last: string; entries: number; requests: number }> {
  const [fifth, requests] = [Math.ceil(objects / 5), Math.ceil(objects / 10)];
  const numbers = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);
  await database.em().execute(`insert into person select 'uuid-' || n, 'name ' || n from generate_series(1, ?) n`, [requests * 2]);
  await using jobs = openJobs({ databaseUrl, by: 'chaos' });
  const { last } = await jobs.chord(numbers(objects).map((n) => step(count, { n })), step(sum, {}));
  for (const n of numbers(fifth)) for (const key of ['a', 'b', 'c']) await jobs.enqueue(inTurn, { key, n });
  await jobs.group(numbers(fifth).map((n) => step(shell, { n })));
  const desk = { database, clock: systemClock };
  const taken = await takeIn(desk, numbers(requests).map((n) => ({ email: `p${n}@example.org`, request_type: 'delete', request_date: '2026-01-02', identifiers: { uuid: `uuid-${n}` } })), 'chaos');
  for (const { name } of taken) await approve(desk, { request: name, by: 'person chaos' });
  return { last: last.id, entries: objects + 1 + fifth * 4 + requests * 3, requests };
}

async function prove(database: Database, { last, objects, requests }: { last: string; objects: number; requests: number }, log: (line: string) => void): Promise<void> {
  const [found] = await database.em().execute<[Record<string, number>]>(`
    select (select count(*)::int from attempt where outcome = 'finished') as finished,
           (select count(*)::int from attempt where outcome = 'failed') as failed,
           (select count(*)::int from attempt where outcome = 'timed out') as timed_out,
           (select count(*)::int from attempt where outcome = 'rescued') as rescued,
           (select (a.result #>> '{}')::int from attempt a where a.subject_id = ? and a.outcome = 'finished') as sum,
           (select count(*)::int from (select what, id from effect group by what, id having count(*) > 1) d) as twice,
           (select count(*)::int from effect e where not exists (
              select from attempt a join task t on t.id = a.task_id where a.subject_id = e.id and t.name = e.what and a.attempt = e.attempt and a.outcome = 'finished')) as unfenced,
           (select count(*)::int from task_register r join task t on t.id = r.task_id where t.name not in ('Shell', 'Find person')
              and not exists (select from effect e where e.id = r.subject_id and e.what = t.name)) as lost,
           (select count(*)::int from (select subject_id, task_id from attempt where outcome = 'finished' group by 1, 2 having count(*) > 1) d) as finished_twice,
           (select count(*)::int from person) as persons,
           (select count(*)::int from effect where what = 'Remove person' and value <> 1) as removed_wrong,
           (select count(*)::int from attempt a join subject s on s.id = a.subject_id join task t on t.id = a.task_id where t.name = 'Shell' and a.outcome = 'finished'
              and a.result ->> 'n' is distinct from s.data ->> 'n') as wrong_scripts`, [last]);
  log(`all done; attempts: ${found.finished} finished, ${found.failed} failed, ${found.timed_out} timed out, ${found.rescued} rescued`);
  assert(found.sum === (objects * (objects + 1)) / 2, `the last of the chord has ${found.sum} of ${(objects * (objects + 1)) / 2}`);
  assert(found.twice === 0 && found.finished_twice === 0, `${found.twice} effects and ${found.finished_twice} results are there twice`);
  assert(found.lost === 0, `${found.lost} effects are lost`);
  assert(found.unfenced === 0, `${found.unfenced} effects are of attempts that did not finish`);
  assert(found.persons === requests && found.removed_wrong === 0, `${found.persons} persons are left of ${requests}, ${found.removed_wrong} requests removed none or several`);
  assert(found.wrong_scripts === 0, `${found.wrong_scripts} scripts gave what is not theirs`);
  assert(found.rescued! > 0, 'nothing was rescued, so nothing was tried');
  const jumped = await database.em().execute<object[]>(`
    with turns as (
      select s.data ->> 'key' as key, (s.data ->> 'n')::int as n, min(a.started_at) as began, max(a.ended_at) as ended
        from attempt a join subject s on s.id = a.subject_id join task t on t.id = a.task_id where t.name = 'In turn' group by 1, 2)
    select * from turns x join turns y on y.key = x.key and y.n > x.n where y.began < x.ended`);
  assert(jumped.length === 0, `${jumped.length} jobs began before it was their turn, e.g. ${JSON.stringify(jumped[0])}`);
  const { findings } = await auditRegister(database.em(), () => delay(1000));
  assert(findings.length === 0, `rules are broken: ${JSON.stringify(findings)}`);
}

/** Waits until no process is left of the scripts that were killed, nor of those that they started. */
async function untilGone(folder: string, seconds: number): Promise<void> {
  const impatient = AbortSignal.timeout(seconds * 1000);
  for (;;) {
    const left: string[] = [];
    for (const file of await readdir(folder)) {
      for (const pid of (await readFile(path.join(folder, file), 'utf8')).trim().split(' ')) {
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (line.includes('slow.sh') || line.startsWith('sleep\u0000300')) left.push(`${pid} ${line.replaceAll('\u0000', ' ')}`);
      }
    }
    if (left.length === 0) return;
    if (impatient.aborted) throw new Error(`Processes are left: ${left.join('; ')}`);
    await delay(50);
  }
}

const done = async (database: Database): Promise<number> =>
  (await database.em().execute<[{ n: number }]>(`select count(*)::int as n from task_register r join status s on s.id = r.status_id where s.type = 'success'`))[0].n;
