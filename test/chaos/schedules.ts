import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { parsePlan } from '../../src/schedule/plan.ts';
import { accountOf, type Account } from '../schedule/account-of.ts';
import type { GivenRunner } from '../schedule/given.ts';
import { ownServer, type OwnServer } from './own-server.ts';
import { untilOr } from './until.ts';

// Busy's ticks take up to 2.5 s: it comes too late for its own slots all the time.
const GIVEN: readonly GivenRunner[] = [
  { taskName: 'Cron', schedule: '* * * * * *', timeZone: 'Europe/Berlin' },
  { taskName: 'Interval', schedule: 1, missedSlots: 'once' },
  { taskName: 'Busy', schedule: 1, missedSlots: { all: 3 } },
];
const DAEMONS = 3;
/** Seconds between two things that go wrong. */
const PAUSE_SECONDS = 5;

/**
 * Three daemons and schedules of one second, while daemons are killed and frozen and the database is stopped with `immediate`. At
 * the end every slot has to be accounted for, once: fired, caught up, or recorded as missed with a reason.
 *
 * @param options.url a database to use, which is then left alone; else one is made on a server of its own
 * @throws {Error} naming what broke
 */
export async function run({ seconds, log, url }: { seconds: number; log: (line: string) => void; url?: string }): Promise<void> {
  const server = url === undefined ? await ownServer() : undefined;
  const daemons: Daemon[] = [];
  let database: Database | undefined;
  try {
    database = await openDatabase({ url: url ?? server!.url });
    for (let place = 0; place < DAEMONS; place += 1) daemons.push(new Daemon(place + 1, url ?? server!.url));
    await all('a daemon did not start', daemons, (daemon) => daemon.started);
    const from = new Date();
    await breakThings(seconds, daemons, server, log);
    await all('a daemon did not stop', daemons, (daemon) => daemon.stop());
    await judge(database, from, daemons.flatMap(({ said }) => said), log);
  } finally {
    for (const daemon of daemons) daemon.kill();
    await database?.close();
    await server?.remove();
  }
}

async function breakThings(seconds: number, daemons: readonly Daemon[], server: OwnServer | undefined, log: (line: string) => void): Promise<void> {
  const deeds: (() => Promise<string>)[] = [
    async () => {
      const victim = anyOf(daemons);
      victim.kill();
      await delay(1500);
      victim.start();
      return `daemon ${victim.id} was killed, and started again`;
    },
    async () => {
      const victim = anyOf(daemons);
      victim.signal('SIGSTOP');
      await delay(3000);
      victim.signal('SIGCONT');
      return `daemon ${victim.id} was frozen for 3 s`;
    },
    async () => {
      for (const daemon of daemons) daemon.signal('SIGSTOP');
      await delay(3000);
      for (const daemon of daemons) daemon.signal('SIGCONT');
      return 'all daemons were frozen for 3 s';
    },
  ];
  if (server !== undefined) {
    deeds.push(async () => {
      await server.crash();
      await delay(1500);
      await server.start();
      return 'the database was stopped and started again';
    });
  }
  const endsAt = performance.now() + seconds * 1000;
  for (let turn = 0; performance.now() < endsAt; turn += 1) {
    await delay(Math.min(PAUSE_SECONDS * 1000, Math.max(0, endsAt - performance.now())));
    if (performance.now() < endsAt) log(await deeds[turn % deeds.length]!());
  }
}

async function judge(database: Database, from: Date, said: readonly string[], log: (line: string) => void): Promise<void> {
  const lost = await database.em().execute<{ line: string }[]>(
    `select runner || ' ' || to_char(slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as line from tick where outcome in ('released', 'rescued')`,
  );
  // One that was lost with its daemon is run again.
  const twice = said.filter((line, at) => said.indexOf(line) !== at && !lost.some((one) => one.line === line));
  if (twice.length > 0) throw new Error(`Slots were fired twice: ${twice.join(', ')}.`);
  for (const { taskName, schedule, timeZone = 'UTC' } of GIVEN) {
    const plan = parsePlan(typeof schedule === 'number' ? `every ${schedule} s` : schedule, timeZone);
    const [row] = await database.em().execute<{ until: Date; late: number }[]>(
      `select accounted_to as until,
              (select percentile_cont(0.99) within group (order by extract(epoch from started_at - slot)) from tick where runner = s.runner and cause = 'schedule' and outcome <> 'missed')::float as late
         from schedule s where runner = ?`, [taskName],
    );
    const until = new Date(row!.until);
    const account = await accountOf(database, taskName, plan, from, until);
    if (account.wrong.length > 0) throw new Error(`"${taskName}", ${inWords(account)}: ${account.wrong.join('; ')}.`);
    if (account.fired + account.caughtUp < 2) throw new Error(`"${taskName}" was hardly fired: ${inWords(account)}.`);
    // Busy may have come to its slots late.
    if (Date.now() - until.getTime() > 30_000) throw new Error(`"${taskName}" is accounted for until ${until.toISOString()} only.`);
    log(`"${taskName}": ${inWords(account)}; 99 % began within ${row!.late.toFixed(3)} s`);
  }
}

function inWords({ fired, caughtUp, missed }: Account): string {
  const reasons = Object.entries(missed).map(([reason, count]) => `${count} ${reason}`);
  const sum = Object.values(missed).reduce((before, count) => before + count, 0);
  return `${fired} slots fired, ${caughtUp} caught up, ${sum} missed${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`;
}

/** A process with a scheduler, that can be started again. */
class Daemon {
  readonly id: number;
  /** The ticks that it told of: runner and slot. */
  readonly said: string[] = [];
  readonly #url: string;
  #process!: ChildProcess;
  #starts = 0;
  #wanted = 0;

  constructor(id: number, url: string) {
    this.id = id;
    this.#url = url;
    this.start();
  }

  start(): void {
    this.#wanted += 1;
    const child = spawn(process.execPath, [fileURLToPath(new URL('../schedule/scheduler-process.ts', import.meta.url)), String(this.id), JSON.stringify(GIVEN)], {
      env: { ...process.env, DATABASE_URL: this.#url },
      // What it says of the database that is away is what we want.
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#process = child;
    createInterface(child.stdout).on('line', (line) => {
      if (line === 'started') this.#starts += 1;
      else if (line !== 'stopped') this.said.push(line);
    });
    // One that came while the database was away has given up.
    child.once('exit', (code) => {
      if (code === 1 && this.#process === child) setTimeout(() => this.start(), 500);
    });
  }

  get started(): Promise<boolean> {
    return untilOr(30_000, () => this.#starts >= this.#wanted);
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async stop(): Promise<boolean> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return true;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    return Promise.race([gone.then(() => true), delay(20_000, false, { ref: false })]);
  }
}

const anyOf = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

async function all(complaint: string, daemons: readonly Daemon[], did: (daemon: Daemon) => Promise<boolean>): Promise<void> {
  const outcomes = await Promise.all(daemons.map(did));
  const at = outcomes.indexOf(false);
  if (at !== -1) throw new Error(`${complaint}: daemon ${daemons[at]!.id}`);
}
