import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { launchPostgres } from '../src/db/postgres/launch.ts';
import { residentBytes } from './resident.ts';
import type { Bench, Section } from './section.ts';
import { urlOf, type BenchServer } from './server.ts';
import { median } from './statistics.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

/** A daemon that has not said where its pages are by then has changed its words. */
const READY_WITHIN_SECONDS = 60;

/** Seconds of one round. */
interface Round {
  toFirstClaim: number;
  nothingToDo: number;
  stop: number;
  /** MB; undefined where there is no /proc. */
  resident: number | undefined;
}

/** How long a daemon takes to start and to stop, as processes of the real command. */
export async function startSection({ server, quick, signal, progress }: Bench): Promise<Section> {
  const home = await makeHome(server, quick ? await fewTransients(server.folder) : undefined);
  const daemon = { env: home.env, signal };
  progress('start: the first run of the shipped pipeline');
  const first = await runToEnd(daemon);
  const rounds: Round[] = [];
  for (let round = 0; round < (quick ? 1 : 7); round += 1) {
    await home.withDatabase(reopenOne);
    const begun = Date.now();
    await runToEnd(daemon);
    const claimedAt = await home.withDatabase(lastClaimAt);
    const nothingToDo = await runToEnd(daemon);
    rounds.push({ toFirstClaim: (claimedAt - begun) / 1000, nothingToDo, ...(await startAndStop(daemon)) });
    progress(`start: round ${round + 1}: first claim after ${rounds.at(-1)!.toFirstClaim.toFixed(2)} s, stopped within ${rounds.at(-1)!.stop.toFixed(2)} s`);
  }
  const row = (name: string, of: (round: Round) => number | undefined) => {
    const values = rounds.flatMap((round) => of(round) ?? []);
    return values.length === 0 ? [name, 'not known', '', ''] : [name, median(values), Math.min(...values), Math.max(...values)];
  };
  const whose = server.embedded ? 'The embedded PostgreSQL is started and stopped within each figure' : 'The database runs already';
  return {
    title: 'Start and stop',
    method: [
      `\`afterglow start\` as a process of its own on the shipped pipeline, whose entries are all done; ${rounds.length} rounds. ${whose}. For the first claim one entry is reopened before the start, ` +
        'and the clock runs from the start of the process until the database hands the entry out; the stop is from SIGTERM to a healthy daemon until the process is gone.',
    ],
    tables: [
      {
        title: 'Seconds',
        head: ['', 'median', 'least', 'most'],
        rows: [
          row('warm start to the first claim', ({ toFirstClaim }) => toFirstClaim),
          row('`start --until-idle` with nothing to do, whole', ({ nothingToDo }) => nothingToDo),
          row('clean stop', ({ stop }) => stop),
          ['the very first run: all transients through all tasks, once', first, '', ''],
        ],
      },
      { title: 'Resident memory of the daemon with its pages, MB', head: ['', 'median', 'least', 'most'], rows: [row('`afterglow start`, healthy, with nothing to do', ({ resident }) => resident)] },
    ],
    ratios: [],
    limits: ['The very first run also makes the database and loads the galaxy catalogue; it is measured once.'],
  };
}

/** The folder and database of the daemons that are started. */
interface DaemonHome {
  env: NodeJS.ProcessEnv;
  /** Asks the database while no daemon runs. */
  withDatabase<T>(act: (client: pg.Client) => Promise<T>): Promise<T>;
}

/** @param fixtures instead of the 273 example supernovae */
async function makeHome(server: BenchServer, fixtures: string | undefined): Promise<DaemonHome> {
  const dataDir = path.join(server.folder, 'start');
  const url = server.embedded ? '' : urlOf(await server.create());
  return {
    env: { ...process.env, DATABASE_URL: url, AFTERGLOW_DATA: dataDir, AFTERGLOW_LOG: 'json', AFTERGLOW_PORT: '0', AFTERGLOW_FIXTURES: fixtures ?? '' },
    async withDatabase(act) {
      const own = url === '' ? await launchPostgres({ dataDir }) : undefined;
      const client = new pg.Client(own === undefined ? { connectionString: url } : { host: own.host, port: own.port, user: own.user, database: own.database });
      client.on('error', () => {});
      try {
        await client.connect();
        return await act(client);
      } finally {
        await client.end();
        await own?.release();
      }
    },
  };
}

async function fewTransients(folder: string): Promise<string> {
  const few = path.join(folder, 'few');
  await mkdir(few);
  await writeFile(path.join(few, 'transients.yaml'), [1, 2, 3].map((n) => `- { name: bench${n}, ra_deg: ${n}, dec_deg: ${n}, redshift: 0.03 }\n`).join(''));
  return `${path.join(ROOT, 'fixtures')}:${few}`;
}

/** Makes one entry eligible again, for which no other waits if there is such a one. */
async function reopenOne(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query(
    `update task_register r set status_id = 1, cause = 'reset', actor = 'bench'
      where (r.subject_id, r.task_id) = (
        select o.subject_id, o.task_id
          from task_register o
         where o.unmet = 0 and o.attempt > 0
         order by (select count(*) from task_requirement q where q.prerequisite_id = o.task_id), o.subject_id
         limit 1)`,
  );
  if (rowCount !== 1) throw new TypeError('The finished pipeline has no entry that could be reopened.');
}

/** When the newest attempt was claimed, in milliseconds of this machine's clock. */
async function lastClaimAt(client: pg.Client): Promise<number> {
  const before = Date.now();
  const { rows } = await client.query<{ at: string; now: string }>(
    `select extract(epoch from max(started_at)) * 1000 as at, extract(epoch from clock_timestamp()) * 1000 as now from attempt`,
  );
  const ours = (before + Date.now()) / 2;
  return Number(rows[0]!.at) + ours - Number(rows[0]!.now);
}

/** Seconds that a whole `start --until-idle` takes. */
async function runToEnd(daemon: DaemonSetting): Promise<number> {
  const started = performance.now();
  const { ended } = startDaemon(['--until-idle'], daemon);
  await ended;
  return (performance.now() - started) / 1000;
}

/** Seconds from the signal to the end of a daemon that is healthy and has nothing to do, and its memory before. */
async function startAndStop(daemon: DaemonSetting): Promise<Pick<Round, 'stop' | 'resident'>> {
  const { child, ended, said } = startDaemon([], daemon);
  const pages = await said(/pages: (http:\/\/[^\s"]+)/);
  while (!(await healthy(pages))) await new Promise((resolve) => setTimeout(resolve, 20));
  const bytes = await residentBytes(child.pid!);
  const started = performance.now();
  child.kill('SIGTERM');
  await ended;
  return { stop: (performance.now() - started) / 1000, resident: bytes === undefined ? undefined : bytes / 1e6 };
}

async function healthy(pages: string): Promise<boolean> {
  const answer = await fetch(new URL('/healthz', pages));
  await answer.text();
  return answer.ok;
}

interface DaemonSetting {
  env: NodeJS.ProcessEnv;
  /** Fires when the benchmarks are told to stop; the daemon stops then, too. */
  signal: AbortSignal;
}

interface RunningDaemon {
  child: ChildProcess;
  /** Rejects if it does not leave with code 0. */
  ended: Promise<void>;
  /** The first group of a pattern, once the daemon has logged it. */
  said(pattern: RegExp): Promise<string>;
}

function startDaemon(args: readonly string[], { env, signal }: DaemonSetting): RunningDaemon {
  const child = spawn(process.execPath, [path.join(ROOT, 'src/main.ts'), 'start', ...args], { cwd: ROOT, env, signal, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve();
      else reject(new Error(`afterglow start ${args.join(' ')} ended with ${code ?? killedBy}:\n${log}`));
    });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(log)?.[1];
        if (found !== undefined) resolve(found);
      };
      child.stderr.on('data', look);
      look();
      const giveUp = (how: string) => () => reject(new Error(`afterglow start ${how} without saying ${String(pattern)}:\n${log}`));
      setTimeout(giveUp(`went on for ${READY_WITHIN_SECONDS} s`), READY_WITHIN_SECONDS * 1000).unref();
      ended.then(giveUp('ended'), reject);
    });
  return { child, ended, said };
}
