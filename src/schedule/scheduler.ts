import type { Clock } from '../clock.ts';
import type { Database } from '../db/database.ts';
import { StoppingError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { TaskRunner } from '../runner/runner.ts';
import { startCronTimer } from './cron-timer.ts';
import { startIntervalTimer } from './interval-timer.ts';
import { parsePlan, type Plan } from './plan.ts';
import { runTick, TICK_LEASE_SECONDS, type TickPlace, type TickReport } from './run-tick.ts';
import { missed, type SlotTimer } from './slot-timer.ts';
import { readSchedules, type StoredSchedule } from './stored-schedule.ts';
import { takeSlot, type Tick } from './tick.ts';

/** What a scheduler needs. */
export interface SchedulerOptions {
  database: Database;
  runners: readonly TaskRunner[];
  daemonId: number;
  clock: Clock;
  log: Logger;
  /** Called on the one daemon that won a slot, and awaited. What it throws is logged and recorded with the tick. */
  onTick: (runner: TaskRunner, tick: Tick) => Promise<TickReport | void> | TickReport | void;
  /** Seconds after which the ticks of a dead daemon no longer keep their runners; 30 unless given. */
  leaseSeconds?: number;
}

/** Wakes runners by the schedules in the database. */
export interface Scheduler {
  /** Reads the schedules in force and sets the timers. The rows must be there: `syncSchedules` goes first. */
  start(): Promise<void>;
  /** Fires no slot any more and leaves no timer; ticks that run go on. */
  stop(): Promise<void>;
  /** Reads one runner's schedule anew, or all of them; for when {@link SCHEDULE_CHANNEL} says so. Before the start and after the stop it does nothing. */
  reload(runner?: string): Promise<void>;
  /** Resolves when no tick of this scheduler is running; the database must stay open until then. */
  settled(): Promise<void>;
}

/** Seconds between two readings of the whole table, in case a notification was lost with its connection. */
const RELOAD_SECONDS = 20;
/** Seconds by which a machine's clock may differ from the database's before it is worth a warning. */
const SKEW_SECONDS = 2;

/** A scheduler of this daemon. Any number of daemons may have one on the same database; together they fire each slot once. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { database, clock, log, onTick } = options;
  const place: TickPlace = { ...options, leaseSeconds: options.leaseSeconds ?? TICK_LEASE_SECONDS };
  const runners = new Map(options.runners.map((runner) => [runner.taskName, runner]));
  // By runner; no timer where the pattern cannot be read, which is said once.
  const timers = new Map<string, { settings: string; timer: SlotTimer | undefined }>();
  // Slots that are being asked for or run.
  let open = 0;
  let whenSettled: (() => void)[] = [];
  let state: 'new' | 'running' | 'stopped' = 'new';
  let starting = true;
  let safetyNet: NodeJS.Timeout | undefined;
  // Loads come one after the other: two at once could both start a timer for one runner.
  let loading: Promise<void> = Promise.resolve();

  const close = () => {
    open -= 1;
    if (open > 0) return;
    for (const resolve of whenSettled) resolve();
    whenSettled = [];
  };

  const startTimer = (runner: TaskRunner, plan: Plan): SlotTimer => {
    const take = async (slot: Date): Promise<Tick | undefined> => {
      if (state !== 'running') return undefined;
      open += 1;
      let tick: Tick | undefined;
      try {
        tick = await takeSlot(database.em(), runner.taskName, plan, slot, place);
      } finally {
        if (tick === undefined) close();
      }
      return tick;
    };
    const handler = (tick: Tick) => {
      // The slot was won while we were told to stop.
      if (state !== 'running') throw new StoppingError();
      return onTick(runner, tick);
    };
    const run = (tick: Tick) => runTick(place, tick, handler, plan).finally(close);
    const acts = { name: runner.taskName, take, run, log };
    return plan.kind === 'cron' ? startCronTimer(plan, acts) : startIntervalTimer(plan, acts, clock);
  };

  const apply = (runner: TaskRunner, stored: StoredSchedule | undefined) => {
    const name = runner.taskName;
    const settings = stored?.inForce.enabled === true ? `${stored.inForce.pattern} (${stored.inForce.timeZone})` : undefined;
    const before = timers.get(name);
    if (before?.settings === settings) return;
    before?.timer?.stop();
    timers.delete(name);
    if (stored === undefined || settings === undefined) return;
    const plan = readPlan(stored, log);
    if (plan !== undefined && starting) sayMissed(stored, plan, clock, log);
    timers.set(name, { settings, timer: plan && startTimer(runner, plan) });
  };

  const load = async (only?: string) => {
    const rows = new Map((await readSchedules(database.em(), only)).map((stored) => [stored.runner, stored]));
    if (state !== 'running') return;
    for (const [name, runner] of runners) {
      if (only === undefined || only === name) apply(runner, rows.get(name));
    }
  };

  const reload = (runner?: string): Promise<void> => {
    if (state !== 'running' || (runner !== undefined && !runners.has(runner))) return Promise.resolve();
    const loaded = loading.then(() => load(runner));
    loading = loaded.catch(() => {});
    return loaded;
  };

  return {
    async start() {
      if (state !== 'new') return;
      state = 'running';
      await warnOfSkew(database, clock, log);
      await reload();
      starting = false;
      if (state !== 'running') return;
      safetyNet = setInterval(() => {
        reload().catch((error: unknown) => log.warn({ err: error }, 'The schedules could not be read again; the ones known stay in force.'));
      }, RELOAD_SECONDS * 1000);
      safetyNet.unref();
    },
    async stop() {
      state = 'stopped';
      clearInterval(safetyNet);
      for (const { timer } of timers.values()) timer?.stop();
      timers.clear();
      await loading;
    },
    reload,
    async settled() {
      if (open > 0) await new Promise<void>((resolve) => whenSettled.push(resolve));
    },
  };
}

/** A row that somebody wrote by hand may be nonsense; then this runner alone has no schedule. */
function readPlan({ runner, inForce }: StoredSchedule, log: Logger): Plan | undefined {
  try {
    return parsePlan(inForce.pattern, inForce.timeZone);
  } catch (error) {
    log.error(`The schedule of "${runner}" is not fired: ${(error as Error).message}`);
    return undefined;
  }
}

async function warnOfSkew(database: Database, clock: Clock, log: Logger): Promise<void> {
  const before = clock.now().getTime();
  const [row] = await database.em().execute<{ ms: number }[]>(`select (extract(epoch from clock_timestamp()) * 1000)::double precision as ms`);
  const ahead = ((before + clock.now().getTime()) / 2 - (row?.ms ?? before)) / 1000;
  if (Math.abs(ahead) < SKEW_SECONDS) return;
  log.warn(
    `This machine's clock is ${Math.abs(ahead).toFixed(1)} s ${ahead > 0 ? 'ahead of' : 'behind'} the database's. ` +
      'Slots come by the machine\'s clock, and more than 60 s ahead they are not fired; set it right.',
  );
}

function sayMissed({ runner, slot }: StoredSchedule, plan: Plan, clock: Clock, log: Logger): void {
  const now = clock.now();
  const first = slot === null ? undefined : plan.next(slot);
  if (first !== undefined && first < now) missed(runner, first, now, log);
}
