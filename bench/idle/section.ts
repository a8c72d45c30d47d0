import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import * as blast17 from '../blast17.ts';
import { fillRegister, roomyDatabase } from '../claim/fill.ts';
import { startDaemonProcess } from '../daemon-process.ts';
import { storeGraph } from '../graph.ts';
import { commitsOf } from '../pipeline/measured.ts';
import { serverCpuSeconds } from '../server-cpu.ts';
import type { Bench, Section } from '../section.ts';
import { nameOf, type BenchServer } from '../server.ts';
import type { Cell } from '../table.ts';
import { residentBytes } from '../resident.ts';
import { markLog, statementsSince } from './statement-log.ts';

const GOAL_STATEMENTS = 60;
/** A start that keeps the database busy for longer is measured along. */
const QUIET_WITHIN_MS = 180_000;

/** What a daemon with nothing to do costs. */
export async function idleSection({ server, quick, signal, progress }: Bench): Promise<Section> {
  const transients = quick ? 500 : 1_000_000;
  const seconds = quick ? 6 : 120;
  progress(`idle: loading ${transients.toLocaleString('en-US')} transients × ${blast17.tasks.length} tasks, all done`);
  const address = await makeRegister(server, transients);
  try {
    progress('idle: loaded; waiting until the daemon has started');
    const daemon = await startDaemonProcess({ address, graph: 'blast17', folder: server.folder, concurrency: 16, leaseSeconds: 20 }, signal);
    try {
      await untilQuiet(server, address, { seconds: quick ? 0.5 : 10, signal });
      progress(`idle: counting for ${seconds} s`);
      const log = server.logFile === undefined ? undefined : await markLog(server.logFile);
      const before = { commits: await commitsOf(server.admin, address), cpu: serverCpuSeconds(daemon.child.pid!), databaseCpu: server.cpuSeconds() };
      await delay(seconds * 1000, undefined, { signal });
      // What a backend has done it reports within a second.
      const after = { commits: await commitsOf(server.admin, address), cpu: serverCpuSeconds(daemon.child.pid!), databaseCpu: server.cpuSeconds() };
      const found = log === undefined ? undefined : await statementsSince(log);
      const perMinute = (count: number) => (count / seconds) * 60;
      const difference = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? undefined : b - a);
      return describe({
        transients, seconds,
        statements: found === undefined ? undefined : [...found].map(([text, count]) => [text, perMinute(count)] as const),
        transactions: perMinute(after.commits - before.commits),
        cpuSecondsAnHour: perHour(difference(before.cpu, after.cpu), seconds),
        databaseCpuSecondsAnHour: perHour(difference(before.databaseCpu, after.databaseCpu), seconds),
        memoryBytes: await residentBytes(daemon.child.pid!),
      });
    } finally {
      await daemon.stop();
    }
  } finally {
    await server.drop(address);
  }
}

/** Waits until what belongs to the start is over: statistics, the look for drift, the first ticks. */
async function untilQuiet({ admin }: BenchServer, address: DatabaseAddress, { seconds, signal }: { seconds: number; signal: AbortSignal }): Promise<void> {
  const giveUpAt = performance.now() + QUIET_WITHIN_MS;
  for (let quietSince = performance.now(); performance.now() - quietSince < seconds * 1000 && performance.now() < giveUpAt; ) {
    await delay(100, undefined, { signal });
    // Short statements come and go all the time.
    const { rowCount } = await admin.query(`select from pg_stat_activity where datname = $1 and state = 'active' and query_start < clock_timestamp() - interval '0.2 seconds'`, [nameOf(address)]);
    if (rowCount! > 0) quietSince = performance.now();
  }
}

const perHour = (used: number | undefined, seconds: number) => (used === undefined ? undefined : (used / seconds) * 3600);

async function makeRegister(server: BenchServer, transients: number): Promise<DatabaseAddress> {
  const database = await openDatabase(await roomyDatabase(server));
  const graph = await storeGraph(database.em(), blast17);
  await fillRegister(database.em(), transients, graph.statusIds.get('processed')!, graph.tasks.map(({ id }) => ({ id, done: 'true', unmet: '0' })));
  await syncSchedules(database.em(), blast17.runners, systemClock);
  await database.close();
  await server.checkpoint();
  // For those who connect from now on.
  if (server.logFile !== undefined) await server.admin.query(`alter database ${nameOf(database.address)} set log_statement = 'all'`);
  return database.address;
}


interface Idle {
  transients: number;
  seconds: number;
  /** Each with how often a minute; undefined where the server is not ours. */
  statements: readonly (readonly [text: string, perMinute: number])[] | undefined;
  transactions: number;
  cpuSecondsAnHour: number | undefined;
  databaseCpuSecondsAnHour: number | undefined;
  memoryBytes: number | undefined;
}

function describe({ transients, seconds, statements, transactions, cpuSecondsAnHour, databaseCpuSecondsAnHour, memoryBytes }: Idle): Section {
  const all = statements?.reduce((sum, [, count]) => sum + count, 0) ?? transactions;
  const known = (value: number | undefined): Cell => value ?? 'not known';
  return {
    title: 'A daemon with nothing to do',
    method: [
      `A daemon of its own process with the ${blast17.tasks.length} runners of Blast’s tasks, each with a schedule of once a minute, on a register of ${transients.toLocaleString('en-US')} transients × ${blast17.tasks.length} tasks, all of them done; default settings. ` +
        `For ${seconds} s every statement that it sends is counted in the server’s log, those that begin and end transactions too${statements === undefined ? ' (here, where the server is not ours, every transaction)' : ''}.`,
    ],
    tables: [
      {
        title: 'What it costs',
        head: ['', 'value'],
        rows: [
          [statements === undefined ? 'transactions a minute' : 'statements a minute', all], ['CPU seconds of the daemon an hour', known(cpuSecondsAnHour)],
          ['CPU seconds of the database an hour', known(databaseCpuSecondsAnHour)], ['resident memory of the daemon, MB', known(memoryBytes === undefined ? undefined : memoryBytes / 1e6)],
        ],
      },
      ...(statements === undefined ? [] : [{
        title: 'Statements a minute', head: ['begins with', 'a minute'], rows: statements.toSorted(([, a], [, b]) => b - a).slice(0, 12).map(([text, count]) => [`\`${text}\``, count]),
      }]),
    ],
    ratios: [],
    figures: [{ what: 'statements a minute of an idle daemon with 17 runners', figure: all, goal: { atMost: GOAL_STATEMENTS } }],
    limits: [
      ...(all > GOAL_STATEMENTS ? [`**We miss the goal** of ${GOAL_STATEMENTS} statements a minute: they are ${Math.round(all)}.`] : []),
      'Without its pages; an open page asks the database, too.',
    ],
  };
}
