import path from 'node:path';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { isConnectionError } from '../db/connection-error.ts';
import type { Database } from '../db/database.ts';
import { statement } from '../db/hot.ts';
import { SETTING_CHANNEL } from '../db/settings.ts';
import { refreshStatistics } from '../db/statistics.ts';
import { countDrift, GRAPH_CHANNEL } from '../db/sync-graph.ts';
import { callHooks } from '../hooks/call-hooks.ts';
import type { Logger } from '../log.ts';
import type { Hook } from '../runner/hook.ts';
import { SystemTaskRunner, type TaskRunner } from '../runner/runner.ts';
import { runNow, type TickReport } from '../schedule/run-tick.ts';
import { createScheduler, type Scheduler } from '../schedule/scheduler.ts';
import { SCHEDULE_CHANNEL } from '../schedule/stored-schedule.ts';
import type { Tick } from '../schedule/tick.ts';
import { openSpool, type Spool } from '../spool/spool.ts';
import type { StatusMachine } from '../status/machine.ts';
import { CANCEL_CHANNEL, hearCancel } from '../engine/cancel.ts';
import { letGo } from '../engine/due.ts';
import { takeCare } from './care.ts';
import { DueAlarm } from './due-alarm.ts';
import { Ear } from './ear.ts';
import { engineMaker, type EngineMaker } from './engine-maker.ts';
import type { Engine } from '../engine/port.ts';
import { SETTLE_SECONDS } from '../engine/run.ts';
import { asRunning } from '../engine/running.ts';
import { Watch } from '../watch/watch.ts';
import { isIsolated, type EngineTask } from '../engine/engine-options.ts';
import { ProcessPool, type PoolState } from '../isolation/process-pool.ts';
import type { Work } from '../engine/read-work.ts';
import { GraphFollower } from './follow-graph.ts';
import { isIdle } from './idle.ts';
import { Rest } from './rest.ts';
import { thisProcess } from './process-identity.ts';
import { resetEntries } from '../engine/reset.ts';
import { claimNamed } from '../engine/run-one.ts';
import { runSystem, type SystemEnd } from './run-system.ts';
import { Unable } from './unable.ts';
import { untilBack } from './until-back.ts';

export interface DaemonOptions {
  database: Database;
  /** Without `runnersFile`, isolated runners run in this process like any other. */
  config: Pick<Config, 'concurrency' | 'leaseSeconds' | 'graceSeconds' | 'log'> & Partial<Pick<Config, 'labels' | 'runnersFile' | 'processes' | 'maxTasksPerProcess' | 'engine' | 'redisUrl'>>;
  /** A worker claims and runs alone: it has no schedules and no system runners, whatever `runners` says. `daemon` unless given. */
  role?: 'daemon' | 'worker';
  folders: { data: string; products: string };
  runners: readonly TaskRunner[];
  /** The tasks that a runner advances. */
  tasks: readonly EngineTask[];
  machine: StatusMachine;
  statusIds: ReadonlyMap<string, number>;
  /** Task name → seconds, null for none. */
  timeLimits: ReadonlyMap<string, number | null>;
  clock: Clock;
  log: Logger;
  version: string;
  /** What is done before and after attempts. */
  hooks?: readonly Hook[] | undefined;
  /** Finds failures that somebody is to be told of; undefined where nobody is. */
  findFailures?: ((em: EntityManager) => Promise<unknown>) | undefined;
  /** Reads anew what there is to do, when the graph may have changed; without it, it stays as it was given. */
  readWork?: () => Promise<Work | undefined>;
  /** How often expired leases and due entries are looked for, seconds; 5 unless given. */
  careSeconds?: number;
  /** How often the graph is looked at without being told to, seconds; 60 unless given. */
  followSeconds?: number;
  /** How long a runner that is over its time limit may take to settle, seconds; 5 unless given. */
  settleSeconds?: number;
  /** For how long the main loop may not turn before that is said, seconds; 5 unless given. */
  standstillSeconds?: number;
}

/** Up to so many entries the counters are checked at every start. */
const DRIFT_ROWS = 1_000_000;
/** How often expired leases and due entries are looked for, seconds, unless the options say otherwise. */
const CARE_SECONDS = 5;
/** Every so many times the connection that listens is asked whether it still hears: once a minute. */
const CARES_PER_PROBE = 12;
/** How often the graph is looked at without being told to, seconds; a worker, which hears no tick, looks for entries then too. */
const FOLLOW_SECONDS = 60;
/** How often a worker asks whether what belongs to the start has been done, milliseconds. */
const STARTERS_MS = 250;
/** Says that entries have become eligible; the payload is the task's id. The triggers of the register notify it. */
const READY_CHANNEL = 'afterglow_ready';
/** Says that an entry was enqueued that waits for a time; the payload is the number of seconds until then. */
const DUE_CHANNEL = 'afterglow_due';
/** Says that a schedule has fired that others have to hear of; the payload is the task's name. */
const TICK_CHANNEL = 'afterglow_tick';

/**
 * One process that works on the register: it says that it is there, runs the system runners that belong to the start,
 * then wakes the engine at every tick and at every notification of the database, and takes back what dead daemons left.
 */
export class Daemon {
  readonly id: number;
  readonly actor: string;
  readonly #options: DaemonOptions;
  readonly #engine: Engine;
  /** The processes that isolated attempts run in. */
  readonly #pool: ProcessPool | undefined;
  /** Renews the leases and beats the heart, beside the main loop. */
  readonly #watch: Watch;
  /** Fires when what runs has had its time after {@link stop}. */
  readonly #stopping = new AbortController();
  #stopped = false;
  #beginning: Promise<void> | undefined;
  readonly #systemRuns = new Set<Promise<unknown>>();
  #tasks: readonly EngineTask[];
  /** Tasks whose runner here is older than another daemon's. */
  #outdated: ReadonlySet<string> = new Set();
  /** What this machine cannot do. */
  readonly #unable: Unable;
  readonly #follower: GraphFollower;
  readonly #spool: Spool;
  readonly #ear: Ear;
  readonly #rest: Rest;
  /** Lets go what is due before care is taken the next time. */
  readonly #alarm: DueAlarm;
  #scheduler: Scheduler | undefined;
  #caring: NodeJS.Timeout | undefined;
  #following: NodeJS.Timeout | undefined;
  #isBegun = false;
  #lastCare = 0;
  #cares = 0;

  /** Says that a daemon is there; {@link begin} makes it work. */
  static async create(options: DaemonOptions): Promise<Daemon> {
    const me = thisProcess();
    const { role = 'daemon', version, config } = options;
    const [row] = await options.database.em().execute<{ id: number }[]>(
      `insert into daemon (engine, role, labels, host, machine, pid, process_start, version, concurrency)
       select ?, ?, coalesce(array_agg(l.label), '{}'), ?, ?, ?, ?, ?, ? from jsonb_array_elements_text(?::jsonb) as l(label) returning id`,
      [config.engine ?? 'local', role, me.host, me.machine, me.pid, me.processStart, version, config.concurrency, JSON.stringify(config.labels ?? [])],
    );
    return new Daemon(row!.id, `${role} ${row!.id} (${me.host}:${me.pid})`, options, await engineMaker(options));
  }

  private constructor(id: number, actor: string, options: DaemonOptions, makeEngine: EngineMaker) {
    this.id = id;
    this.actor = actor;
    this.#options = options;
    this.#tasks = options.tasks;
    this.#unable = new Unable(options.log);
    const { database, config, machine, statusIds, folders, clock, log, settleSeconds = SETTLE_SECONDS, standstillSeconds } = options;
    this.#pool = poolOf(options);
    this.#spool = openSpool({ folder: path.join(folders.data, 'spool'), me: thisProcess(), clock, log });
    this.#engine = makeEngine({
      isolation: this.#pool, spool: this.#spool, hooks: options.hooks === undefined ? undefined : callHooks(options.hooks, { hot: database.hot, log }),
      fork: () => database.em(), hot: database.hot, tasks: this.#mine, machine, statusIds, daemonId: id, actor, folders, clock, log,
      concurrency: config.concurrency, labels: config.labels, leaseSeconds: config.leaseSeconds, settleSeconds,
    });
    this.#watch = new Watch({
      address: database.address, daemonId: id, leases: this.#engine.leases, running: () => this.#engine.running, troubles: () => [...this.#unable.troubles, ...this.#engine.unsettled.troubles], log, logFormat: config.log,
      leaseSeconds: config.leaseSeconds, settleSeconds, standstillSeconds,
    });
    this.#ear = new Ear({
      database, log, answerSeconds: this.#careSeconds * 2, hear: (channel, payload) => this.#hear(channel, payload),
      channels: [READY_CHANNEL, CANCEL_CHANNEL, SCHEDULE_CHANNEL, GRAPH_CHANNEL, TICK_CHANNEL, SETTING_CHANNEL, DUE_CHANNEL],
    });
    this.#alarm = new DueAlarm(this.#careSeconds, () => this.#letGo());
    this.#rest = new Rest({ isIdle: () => this.#isIdle(), finish: () => this.#finish(), log });
    // Before it has begun, entries are run one by one for somebody who does not ask.
    this.#engine.onQuiet(() => void (this.#isBegun && this.#rest.look()));
    this.#follower = new GraphFollower({
      em: () => database.em(), read: options.readWork, saysWithoutRunner: this.#isWorker, log, onChange: (work) => this.#take(work),
    });
  }

  /** Attempts that run now. */
  get running(): number {
    return this.#engine.running;
  }

  /** The processes that isolated attempts run in; undefined where there are none for them. */
  get processes(): PoolState | undefined {
    return this.#pool?.state;
  }

  /** Attempts that have ended here. */
  get ended(): number {
    return this.#engine.ended;
  }

  /** Takes back what dead daemons left, runs what belongs to the start, then begins to claim. Ends early when the daemon is told to stop. */
  begin(): Promise<void> {
    return (this.#beginning ??= this.#begin());
  }

  async #begin(): Promise<void> {
    const { database, runners, clock, log } = this.#options;
    await this.prepareSystem();
    if (this.#stopped) return;
    void this.#pool?.warm(this.#mine.filter(isIsolated).map(({ runner }) => runner.memoryLimitMiB));
    const patience = { log, isOver: () => this.#stopped };
    if (!this.#isWorker) await untilBack(() => refreshStatistics(database.em()), patience);
    await this.#ear.listen();
    await untilBack(() => this.#follower.look(), patience);
    if (this.#isWorker) {
      await this.#waitForStarters();
      return this.#work();
    }
    await untilBack(async () => {
      this.#scheduler = createScheduler({ database, runners, daemonId: this.id, clock, log, onTick: (runner, tick) => this.#tick(runner, tick) });
      await this.#scheduler.start();
    }, patience);
    if (this.#stopped) return;
    void this.#checkDrift();
    await this.#work();
  }

  /** Nothing is looked at before what belongs to the start has been done once, by a daemon. */
  async #waitForStarters(): Promise<void> {
    const { database: { hot }, runners, log } = this.#options;
    const starters = runners.filter((runner) => runner instanceof SystemTaskRunner && runner.runsAtStart).map(({ taskName }) => taskName);
    if (starters.length === 0) return;
    let isSaid = false;
    while (!this.#stopped) {
      const open = await hot.run<{ name: string }>(NEVER_RUN, [starters]);
      if (open.length === 0) return;
      if (!isSaid) log.info(`waiting until a daemon has run ${open.map(({ name }) => `"${name}"`).join(', ')}`);
      isSaid = true;
      await new Promise((resolve) => setTimeout(resolve, STARTERS_MS));
    }
  }

  async #work(): Promise<void> {
    await this.#watch.ready();
    if (this.#stopped) return;
    this.#isBegun = true;
    await this.#findFailures();
    this.#caring = this.#every(this.#careSeconds, () => this.#care());
    this.#following = this.#every(this.#options.followSeconds ?? FOLLOW_SECONDS, () => this.#follow());
    this.#wakeReady();
    await this.#rest.look();
  }

  /** Takes back what dead daemons left and runs the system runners that belong to the start. */
  async prepareSystem(): Promise<void> {
    if (!this.#stopped) this.#watch.start();
    const patience = { log: this.#options.log, isOver: () => this.#stopped };
    await untilBack(() => this.#care(), patience);
    for (const runner of this.#systemRunners) {
      // What objects need must be there: a runner that the database broke off is run again.
      if (runner.runsAtStart && !this.#stopped) await untilBack(() => this.#system(runner, 'start'), patience).catch(() => {});
    }
  }

  /** Takes back what dead daemons left, now; for whoever runs entries one by one, without {@link begin}. */
  lookAfter(): Promise<void> {
    return this.#care();
  }

  /**
   * Runs one entry for a person; resolves when its end is written.
   *
   * @param options.again reset it first, so that a finished entry runs again
   * @throws {UnknownNameError} there is no such subject
   * @throws {RefusedError} it cannot be run now; says why
   */
  async runOne(task: EngineTask, subject: string, options: { actor: string; again: boolean }): Promise<void> {
    const em = this.#options.database.em();
    if (options.again) await resetEntries(em, { subjects: [subject], tasks: [task.name] }, options.actor);
    await this.#engine.runClaimed(await claimNamed(this.#options.database, task, subject, { daemonId: this.id, actor: options.actor, leaseSeconds: this.#options.config.leaseSeconds }));
  }

  /** Resolves when there is nothing left to do, with the products that show it written. */
  async untilIdle(): Promise<void> {
    await this.#rest.come();
  }

  /** Why the daemon is not well; empty when it is. */
  async troubles(): Promise<string[]> {
    const reasons: string[] = [];
    try {
      await this.#options.database.hot.run(PROBE, []);
    } catch (error) {
      reasons.push(`the database does not answer: ${(error as Error).message}`);
    }
    const silentSeconds = (this.#options.clock.monotonicMs() - this.#lastCare) / 1000;
    if (silentSeconds > this.#careSeconds * 6) reasons.push(`nothing was rescued or woken for ${Math.round(silentSeconds)} s`);
    reasons.push(...this.#watch.troubles, ...this.#unable.troubles, ...this.#engine.unsettled.troubles);
    reasons.push(...(this.#pool?.troubles ?? []));
    if (this.#stopped) reasons.push('the daemon is stopping');
    return reasons;
  }

  /** Claims no more, lets what runs finish within the grace time, hands the rest back, and says goodbye. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#alarm.stop();
    const { graceSeconds } = this.#options.config;
    clearInterval(this.#caring);
    clearInterval(this.#following);
    const graceOver = setTimeout(() => this.hurry(), graceSeconds * 1000);
    const engine = this.#engine.stop(graceSeconds);
    await this.#beginning?.catch(() => {});
    clearInterval(this.#caring);
    clearInterval(this.#following);
    await this.#scheduler?.stop();
    await Promise.allSettled([engine, ...this.#systemRuns, this.#scheduler?.settled()]);
    await this.#pool?.stop();
    clearTimeout(graceOver);
    // Leases were renewed until here: what ran out its grace time was ours to the end.
    await this.#watch.stop();
    await this.#ear.close();
    await this.#options.database.hot.run(GOODBYE, [this.id]).catch(() => {});
  }

  /** Tells everything that runs to stop now, and hands it back. */
  hurry(): void {
    this.#stopping.abort();
    this.#engine.handBack();
  }

  get #careSeconds(): number {
    return this.#options.careSeconds ?? CARE_SECONDS;
  }

  async #tick(runner: TaskRunner, tick: Tick): Promise<TickReport | void> {
    if (runner instanceof SystemTaskRunner) return this.#runSystem(runner, tick);
    const task = this.#mine.find(({ name }) => name === runner.taskName);
    // The slot is won by one daemon; the work is for all, and perhaps for others alone.
    if (task === undefined || task.runner.wakes === 'on schedule') await this.#options.database.hot.run(ANNOUNCE_TICK, [runner.taskName]);
    if (task !== undefined) await this.#engine.wake(task.id);
  }

  get #isWorker(): boolean {
    return this.#options.role === 'worker';
  }

  get #systemRunners(): SystemTaskRunner[] {
    return this.#isWorker ? [] : this.#options.runners.filter((runner) => runner instanceof SystemTaskRunner && !this.#outdated.has(runner.taskName)) as SystemTaskRunner[];
  }

  /** The tasks whose required labels we have, and which can be done here; of the others not even entries are looked for. */
  get #mine(): readonly EngineTask[] {
    return this.#tasks.filter((task) => this.#mayDo(task));
  }

  #mayDo(task: EngineTask): boolean {
    return task.runner.requires.every((label) => this.#options.config.labels?.includes(label)) && !this.#unable.has(task);
  }

  /** Somebody has made the graph another one. */
  #take(work: Work): void {
    if (this.#stopped) return;
    this.#tasks = work.tasks;
    this.#outdated = new Set(work.outdated.map(({ task }) => task));
    this.#engine.take({ ...work, tasks: this.#mine });
    if (this.#isBegun) this.#wakeReady();
  }

  /** For what no notification told: one may be lost, and a worker hears no tick. */
  async #follow(): Promise<void> {
    await this.#follower.look();
    if (this.#isWorker) this.#wakeReady();
  }

  /** Runs a system runner outside its schedule, with a tick of its own. It throws where the database was away, and logs whatever else went wrong. */
  async #system(runner: SystemTaskRunner, cause: 'start' | 'idle'): Promise<void> {
    const { database, clock, log } = this.#options;
    const run = runNow({
      database, clock, log, runner: runner.taskName, cause, daemonId: this.id, whenBusy: 'wait', signal: this.#stopping.signal,
      handler: (tick) => this.#runSystem(runner, tick),
    });
    this.#systemRuns.add(run);
    try {
      const error = (await run)?.error;
      if (isConnectionError(error)) throw error;
    } catch (error) {
      if (isConnectionError(error) && !this.#stopped) throw error;
      if (!this.#stopping.signal.aborted) log.error({ task: runner.taskName, err: error }, 'a system runner could not be run');
    } finally {
      this.#systemRuns.delete(run);
    }
  }

  #runSystem(runner: SystemTaskRunner, tick: Tick): Promise<SystemEnd> {
    const { database, folders, clock, log, timeLimits } = this.#options;
    return asRunning({ task: runner.taskName }, () => runSystem(runner, {
      fork: () => database.em(), hot: database.hot, timeLimitSeconds: timeLimits.get(runner.taskName) ?? null, folders, clock, log, cpu: this.#engine.cpu,
      stop: this.#stopping.signal, idempotencyKey: `tick-${tick.id}`, slot: tick.slot,
      onUnsettled: (settled) => this.#engine.unsettled.add({ task: runner.taskName }, settled, this.#options.settleSeconds ?? SETTLE_SECONDS),
    }));
  }

  /** The products are drawn, so that they show the final state. */
  async #finish(): Promise<void> {
    for (const runner of this.#systemRunners) {
      if (runner.runsWhenIdle && !this.#stopped) await this.#system(runner, 'idle').catch((error: unknown) => {
        // They are drawn at the next look.
        this.#rest.disturb();
        throw error;
      });
    }
  }

  async #isIdle(): Promise<boolean> {
    // What does not qualify here cannot be run now, like what is outside its window.
    const atOnce = this.#tasks.filter(({ id, runner }) => runner.wakes === 'at once' && this.#engine.unqualified(id) === undefined);
    const [own, others] = [atOnce.filter((task) => this.#mayDo(task)), atOnce.filter((task) => !this.#mayDo(task))];
    return this.#engine.quiet && this.#systemRuns.size === 0 && isIdle(this.#options.database.hot.run, own, others);
  }

  #hear(channel: string, payload: string): void {
    const { database: { hot }, log } = this.#options;
    if (channel === READY_CHANNEL) this.#wakeReady(Number(payload));
    else if (channel === CANCEL_CHANNEL) void hearCancel(hot.run, this.#engine.leases, payload).catch((error: unknown) => log.warn({ err: error }, 'could not read who is to be stopped; the next renewal of the leases tells'));
    else if (channel === GRAPH_CHANNEL) void this.#follower.look().catch((error: unknown) => log.warn({ err: error }, 'could not read the changed graph; trying again'));
    else if (channel === TICK_CHANNEL) this.#wakeNamed(payload);
    else if (channel === SETTING_CHANNEL) this.#requalify();
    else if (channel === DUE_CHANNEL) this.#alarm.set(Number(payload));
    else {
      void this.#scheduler?.reload(payload).catch((error: unknown) => log.warn({ err: error }, 'could not read a changed schedule'));
      // It may have been switched on again.
      if (this.#isWorker) this.#wakeReady();
    }
  }

  #requalify(): void {
    this.#rest.disturb();
    void this.#engine.settingsChanged();
  }

  #wakeNamed(name: string): void {
    const task = this.#mine.find((one) => one.name === name);
    if (task !== undefined) void this.#engine.wake(task.id);
  }

  /** Wakes a task, or all, whose runners want to work as soon as there is work. */
  #wakeReady(taskId?: number): void {
    this.#rest.disturb();
    for (const task of this.#mine) {
      // Of a tick that a limit has cut short, what is left is made up for when there is room.
      const isWanted = task.runner.wakes === 'at once' || this.#engine.isHeldBack(task.id);
      if (isWanted && (taskId === undefined || task.id === taskId)) void this.#engine.wake(task.id);
    }
  }

  /** What came before the first look is never told, so that comes as soon as there may be failures. */
  async #findFailures(): Promise<void> {
    const { findFailures, database, log } = this.#options;
    await findFailures?.(database.em()).catch((error: unknown) => log.warn({ err: error }, 'could not look for failures that somebody is to be told of; trying again'));
  }

  /** Takes care of what others left, and of our own ear. */
  async #letGo(): Promise<void> {
    if (this.#stopped) return;
    try {
      await letGo(this.#options.database.hot.run);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'could not let go what is due; the next care does');
    }
  }

  async #care(): Promise<void> {
    const nextDueSeconds = await takeCare({ ...this.#options, hot: this.#options.database.hot, spool: this.#spool, daemonId: this.id, actor: this.actor, leaseSeconds: this.#options.config.leaseSeconds });
    if (!this.#stopped) this.#alarm.set(nextDueSeconds);
    this.#lastCare = this.#options.clock.monotonicMs();
    this.#cares += 1;
    if (this.#cares % CARES_PER_PROBE === 0) await this.#ear.probe();
    if (this.#isBegun && this.#ear.isDeaf && !this.#stopped) {
      await this.#ear.listen();
      await this.#scheduler?.reload();
      await this.#follower.look();
      this.#requalify();
      this.#wakeReady();
    }
    if (this.#rest.isAwaited) await this.#rest.look();
    if (this.#isBegun) await this.#findFailures();
  }

  /** Where the register is so large that this would take minutes, the nightly audit does it. */
  async #checkDrift(): Promise<void> {
    if ((await this.#options.database.hot.run<{ large: boolean }>(IS_LARGE, [DRIFT_ROWS]).catch(() => []))[0]?.large !== false) return;
    const drift = await countDrift(this.#options.database.em()).catch(() => 0);
    if (drift > 0) this.#options.log.error({ entries: drift }, 'entries with a wrong count of unmet prerequisites; please report this');
  }

  #every(seconds: number, act: () => Promise<void>): NodeJS.Timeout {
    let busy = false;
    return setInterval(() => {
      if (busy) return;
      busy = true;
      void act()
        .catch((error: unknown) => this.#options.log[isConnectionError(error) ? 'warn' : 'error']({ err: error }, 'could not do a regular check; trying again'))
        .finally(() => {
          busy = false;
        });
    }, seconds * 1000);
  }
}

function poolOf({ config, database, folders, log }: DaemonOptions): ProcessPool | undefined {
  const { runnersFile, processes = 1, maxTasksPerProcess = 0 } = config;
  if (runnersFile === undefined) return undefined;
  return new ProcessPool({ settings: { address: database.address, runnersFile, folders }, processes, maxTasksPerProcess, log });
}

const NEVER_RUN = statement(`select name from unnest($1::text[]) as s(name) where not exists (select from tick k where k.runner = s.name and k.outcome in ('finished', 'failed', 'timed out'))`);

const GOODBYE = statement('update daemon set stopped_at = clock_timestamp(), running = 0 where id = $1');

const PROBE = statement('select 1');

const ANNOUNCE_TICK = statement(`select pg_notify('${TICK_CHANNEL}', $1)`);

const IS_LARGE = statement(`select reltuples > $1 as large from pg_class where oid = 'task_register'::regclass`);
