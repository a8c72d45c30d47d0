import type { Clock } from '../clock.ts';
import { isConnectionError } from '../db/connection-error.ts';
import type { Database } from '../db/database.ts';
import { StoppingError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { TaskRunner } from '../runner/runner.ts';
import { account, type Accounted, type Move } from './account.ts';
import { Calls } from './calls.ts';
import { CALL_SECONDS } from './deadline.ts';
import { decide, LATE_SECONDS } from './decide.ts';
import { EndBatch } from './end-batch.ts';
import { erasAfter, firstOpen, planOf } from './ledger.ts';
import { look, type Found, type Standing } from './look.ts';
import { MISSED_REASONS } from './missed.ts';
import { parsePlan } from './plan.ts';
import { AHEAD_SECONDS, rewind } from './rewind.ts';
import { rescueTicks } from './rescue-ticks.ts';
import { runTick, TICK_LEASE_SECONDS, type TickPlace, type TickReport } from './run-tick.ts';
import type { Tick } from './tick.ts';

/** What a scheduler needs. */
export interface SchedulerOptions {
  database: Pick<Database, 'hot'>;
  runners: readonly TaskRunner[];
  daemonId: number;
  clock: Clock;
  log: Logger;
  /** Called on the one daemon that won a slot, and awaited. What it throws is logged and recorded with the tick. */
  onTick: (runner: TaskRunner, tick: Tick) => Promise<TickReport | void> | TickReport | void;
  /** Seconds after which the ticks of a dead daemon no longer keep their runners; 30 unless given. */
  leaseSeconds?: number;
  /** The longest that an answer of the database is waited for; 5 s unless given. */
  callSeconds?: number;
}

/** Wakes runners by the schedules in the database. */
export interface Scheduler {
  /**
   * Reads the schedules in force and begins to fire. The rows must be there: `syncSchedules` goes first.
   *
   * @throws where the database does not answer; then it fires nothing
   */
  start(): Promise<void>;
  /** Fires no slot any more and leaves no timer; ticks that run go on. */
  stop(): Promise<void>;
  /** Reads one runner's schedule anew, or all of them; for when {@link SCHEDULE_CHANNEL} says so. Before the start and after the stop it does nothing. */
  reload(runner?: string): Promise<void>;
  /** Resolves when no tick of this scheduler is running; the database must stay open until then. */
  settled(): Promise<void>;
}

/** Seconds between two readings of the whole table, in case a notification was lost with its connection, or the machine slept. */
const RELOAD_SECONDS = 20;
/** After a call that failed, seconds until the next. */
const AGAIN_SECONDS = 1;
/** The least time between two looks at a runner that is busy elsewhere, seconds. */
const BUSY_SECONDS = 0.2;
// setTimeout counts to 2^31 ms at most.
const LONGEST_WAIT_SECONDS = 3600;

/** A runner's schedule as this process last knew it. */
interface Entry {
  readonly runner: TaskRunner;
  standing: Standing | undefined;
  /** When its first open slot comes, or when it is to be looked at again; milliseconds of the database's clock. */
  lookAtMs: number;
  /** Whether to look how things stand before anything is decided. */
  isUnclear: boolean;
  isVisited: boolean;
  /** Whether it was to be read anew during a visit. */
  isStale: boolean;
  /** The tick that runs here. */
  tickId: string | undefined;
  unreadable: string | undefined;
}

/**
 * A scheduler of this daemon. Any number of daemons may have one on the same database; together they account for each slot once:
 * it is fired, caught up, or recorded as missed, by the daemon that moves the ledger of the schedule first.
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { database: { hot }, clock, log, onTick, daemonId, leaseSeconds = TICK_LEASE_SECONDS, callSeconds = CALL_SECONDS } = options;
  const calls = new Calls(clock, log, callSeconds);
  const { time } = calls;
  const batch = new EndBatch(hot, () => new Date(time.nowMs()));
  const place: TickPlace = { hot, clock, log, daemonId, leaseSeconds, callSeconds, end: (ended) => calls.watch(() => batch.write(ended)) };
  const entries = new Map(options.runners.map((runner): [string, Entry] => [
    runner.taskName,
    { runner, standing: undefined, lookAtMs: Infinity, isUnclear: true, isVisited: false, isStale: false, tickId: undefined, unreadable: undefined },
  ]));
  // Visits and ticks.
  let open = 0;
  let whenSettled: (() => void)[] = [];
  let state: 'new' | 'running' | 'stopped' = 'new';
  let timer: NodeJS.Timeout | undefined;
  let startedMs = Infinity;
  let safetyNet: NodeJS.Timeout | undefined;
  // Loads come one after the other, so that an older one does not have the last word.
  let loading: Promise<void> = Promise.resolve();

  const begun = () => {
    open += 1;
  };
  const done = () => {
    open -= 1;
    if (open > 0) return;
    for (const resolve of whenSettled) resolve();
    whenSettled = [];
  };

  /** Sets the timer to what comes first. */
  const arm = () => {
    clearTimeout(timer);
    if (state !== 'running') return;
    const firstMs = Math.min(Infinity, ...[...entries.values()].filter(({ isVisited }) => !isVisited).map(({ lookAtMs }) => lookAtMs));
    if (firstMs === Infinity) return;
    const waitMs = Math.min(Math.max(firstMs - time.nowMs(), 0), LONGEST_WAIT_SECONDS * 1000);
    timer = setTimeout(beat, waitMs);
  };

  const beat = () => {
    const nowMs = time.nowMs();
    const come = [...entries.values()].filter(({ isVisited, lookAtMs }) => !isVisited && lookAtMs <= nowMs);
    if (come.length > 0) void visit(come);
    arm();
  };

  /** Looks after schedules of which slots have come, in one or two statements for all of them. */
  const visit = async (come: Entry[]) => {
    begun();
    let areApart = false;
    for (const entry of come) entry.isVisited = true;
    try {
      const moves = [...come.flatMap(onTime), ...(await looked(come.filter(isUnclear)))];
      if (moves.length > 0 && state === 'running') await write(moves);
    } catch (error) {
      if (!isConnectionError(error)) log.error({ err: error }, `The slots of ${come.map(({ runner }) => `"${runner.taskName}"`).join(', ')} cannot be looked after; trying again.`);
      // One that is at fault must not keep the others from theirs.
      areApart = come.length > 1 && !isConnectionError(error);
      for (const entry of come) Object.assign(entry, { isUnclear: true, lookAtMs: time.nowMs() + AGAIN_SECONDS * 1000 });
    } finally {
      for (const entry of come) {
        entry.isVisited = false;
        if (entry.isStale) void reload(entry.runner.taskName).catch(() => {});
        entry.isStale = false;
      }
      if (areApart) for (const entry of come) void visit([entry]);
      done();
      arm();
    }
  };

  const isUnclear = (entry: Entry) => entry.isUnclear;

  /** The everyday case: one slot has come, just now, and nothing before it is open. */
  const onTime = (entry: Entry): Move[] => {
    const { standing } = entry;
    const slot = standing && firstOpen(standing);
    if (standing === undefined || slot === undefined || entry.isUnclear) return [];
    const nextAt = firstOpen({ ...standing, accountedTo: slot });
    const nowMs = time.nowMs();
    if ((nextAt !== undefined && nextAt.getTime() <= nowMs) || nowMs - slot.getTime() > LATE_SECONDS * 1000) {
      entry.isUnclear = true;
      return [];
    }
    return [{ runner: standing.runner, version: entry.runner.version, ledger: standing, unseen: true, nextAt, decision: { accountedTo: slot, missed: [], run: { slot, cause: 'schedule', reason: null } } }];
  };

  /** What becomes of more than one slot, or of one that comes late, depends on what happened meanwhile. */
  const looked = async (unclear: Entry[]): Promise<Move[]> => {
    if (unclear.length === 0) return [];
    const { nowMs, found } = await withoutLost(await calls.call(() => look(hot, unclear.map(({ runner }) => runner.taskName), { evidence: true })), true);
    return unclear.flatMap((entry) => {
      const standing = found.get(entry.runner.taskName);
      learn(entry, standing);
      if (standing === undefined || entry.lookAtMs > nowMs) return [];
      if (!standing.free) {
        waitForEnd(entry, standing, nowMs);
        return [];
      }
      const now = new Date(Math.floor(nowMs));
      // What nothing else explains, while we ran, is that this process did not come to it.
      const decision = decide(standing, standing.missedSlots, {
        ...standing.evidence, now, otherwise: 'no daemon', troubles: [...calls.troubles, ...standing.evidence.troubles, { fromMs: startedMs, untilMs: Infinity, reason: 'blocked' }],
      });
      if (decision === undefined) return [];
      return [{ runner: standing.runner, version: entry.runner.version, ledger: standing, decision, nextAt: planOf(standing)?.next(now) }];
    });
  };

  /** What was found, after ticks were rescued that were lost with their daemons. */
  const withoutLost = async (before: Awaited<ReturnType<typeof look>>, evidence: boolean): Promise<typeof before> => {
    const lost = [...before.found.values()].filter(({ free, tick }) => free && tick !== undefined).map(({ runner }) => runner);
    if (lost.length === 0) return before;
    for (const runner of await calls.watch(() => rescueTicks(hot, lost))) log.warn(`A tick of "${runner}" was lost with its daemon.`);
    const after = await calls.call(() => look(hot, lost, { evidence }));
    return { nowMs: after.nowMs, found: new Map([...before.found, ...after.found]) };
  };

  const write = async (moves: Move[]) => {
    const deadline = new Date(time.nowMs() + callSeconds * 1000);
    const { done: accounted } = await calls.call(() => account(hot, moves, place, deadline));
    for (const move of moves) wrote(entries.get(move.runner)!, move, accounted.get(move.runner));
  };

  const wrote = (entry: Entry, { ledger, decision, unseen }: Move, accounted: Accounted | undefined) => {
    if (accounted === undefined) return learn(entry, undefined);
    const { standing, moved, tick } = accounted;
    if (moved) {
      const { accountedTo } = decision;
      learn(entry, { ...standing, accountedTo, earlier: erasAfter(ledger.earlier, accountedTo) });
      sayMissed(standing.runner, decision.missed, log);
      if (tick !== undefined) void run(entry, tick);
      return;
    }
    learn(entry, standing);
    const nowMs = time.nowMs();
    // Whoever has the newer version accounts for its slots; the older one may be gone back to on purpose.
    if (accounted.isOutdated) return void Object.assign(entry, { isUnclear: true, lookAtMs: nowMs + RELOAD_SECONDS * 1000 });
    if (entry.lookAtMs > nowMs) return;
    // Nobody else moved it: its runner is or was busy, or we came too late.
    if (!standing.free) return waitForEnd(entry, standing, nowMs);
    entry.isUnclear = true;
    if (unseen !== true) entry.lookAtMs = nowMs + BUSY_SECONDS * 1000;
  };

  /** A tick runs on another daemon, or for another cause. It ends, or its lease runs out. */
  const waitForEnd = (entry: Entry, standing: Standing & Partial<Pick<Found, 'tick'>>, nowMs: number): void => {
    const { tick, owner, leaseUntil } = standing;
    // We took it, and the answer was lost.
    if (tick !== undefined && owner === daemonId && entry.tickId === undefined && (tick.cause === 'schedule' || tick.cause === 'catch-up')) {
      return void run(entry, tick);
    }
    const next = planOf(standing)?.next(new Date(nowMs));
    entry.isUnclear = true;
    entry.lookAtMs = Math.max(nowMs + BUSY_SECONDS * 1000, Math.min(leaseUntil?.getTime() ?? Infinity, next?.getTime() ?? Infinity));
  };

  const run = async (entry: Entry, tick: Tick) => {
    begun();
    entry.tickId = tick.id;
    entry.lookAtMs = Infinity;
    await runTick(place, tick, (mine) => {
      // The slot was won while we were told to stop.
      if (state !== 'running') throw new StoppingError();
      return onTick(entry.runner, mine);
    }, entry.standing && planOf(entry.standing));
    entry.tickId = undefined;
    learn(entry, entry.standing);
    // Slots that came meanwhile.
    entry.isUnclear = entry.lookAtMs <= time.nowMs();
    done();
    arm();
  };

  /** Takes in how a schedule stands. */
  const learn = (entry: Entry, standing: Standing | undefined) => {
    entry.standing = standing;
    entry.isUnclear = false;
    entry.lookAtMs = Infinity;
    if (standing === undefined || !standing.inForce.enabled) return;
    if (planOf(standing) === undefined) return sayUnreadable(entry, standing, log);
    entry.unreadable = undefined;
    // While a tick runs here, its end is waited for.
    if (entry.tickId === undefined) entry.lookAtMs = firstOpen(standing)?.getTime() ?? Infinity;
  };

  const load = async (only?: string) => {
    const names = only === undefined ? [...entries.keys()] : [only];
    const { nowMs, found } = await withoutLost(await calls.call(() => look(hot, names, { evidence: false })), false);
    if (state !== 'running') return;
    for (const name of names) {
      const [entry, standing] = [entries.get(name)!, found.get(name)];
      // The visit may have seen something newer, or older.
      entry.isStale = entry.isVisited;
      if (entry.isVisited) continue;
      learn(entry, standing);
      if (standing !== undefined && standing.accountedTo.getTime() > nowMs + AHEAD_SECONDS * 1000) await goBack(entry, standing);
    }
    arm();
  };

  const goBack = async (entry: Entry, standing: Standing) => {
    const { runner, accountedTo } = standing;
    if (!(await rewind(hot, runner, standing))) return;
    log.warn(`The slots of "${runner}" are accounted for until ${accountedTo.toISOString()}, which has not come: the database's clock was set back. They go on from now.`);
    learn(entry, (await calls.call(() => look(hot, [runner], { evidence: false }))).found.get(runner));
  };

  const reload = (runner?: string): Promise<void> => {
    if (state !== 'running' || (runner !== undefined && !entries.has(runner))) return Promise.resolve();
    const loaded = loading.then(() => load(runner));
    loading = loaded.catch(() => {});
    return loaded;
  };

  return {
    async start() {
      if (state !== 'new') return;
      state = 'running';
      try {
        startedMs = time.nowMs();
        await reload();
      } catch (error) {
        state = 'stopped';
        throw error;
      }
      if (state !== 'running') return;
      safetyNet = setInterval(() => {
        reload().catch((error: unknown) => log[isConnectionError(error) ? 'debug' : 'error']({ err: error }, 'The schedules could not be read again; the ones known stay in force.'));
      }, RELOAD_SECONDS * 1000);
      safetyNet.unref();
    },
    async stop() {
      state = 'stopped';
      clearInterval(safetyNet);
      clearTimeout(timer);
      await loading;
    },
    reload,
    async settled() {
      if (open > 0) await new Promise<void>((resolve) => whenSettled.push(resolve));
    },
  };
}

/** A row that somebody wrote by hand may be nonsense; then this runner alone has no schedule. */
function sayUnreadable(entry: Entry, { runner, inForce }: Standing, log: Logger): void {
  const { pattern, timeZone } = inForce;
  if (entry.unreadable === pattern + timeZone) return;
  entry.unreadable = pattern + timeZone;
  try {
    parsePlan(pattern, timeZone);
  } catch (error) {
    log.error(`The schedule of "${runner}" is not fired: ${(error as Error).message}`);
  }
}

function sayMissed(runner: string, missed: Move['decision']['missed'], log: Logger): void {
  const [first, last] = [missed[0], missed.at(-1)];
  if (first === undefined || last === undefined) return;
  const count = missed.reduce((sum, { slots }) => sum + slots, 0);
  const span = count === 1 ? `The slot ${first.slot.toISOString()}` : `${count} slots from ${first.slot.toISOString()} to ${(last.lastSlot ?? last.slot).toISOString()}`;
  const why = [...new Set(missed.map(({ reason }) => MISSED_REASONS[reason]))].join('; ');
  log[missed.every(({ reason }) => reason === 'busy') ? 'debug' : 'info'](`"${runner}": ${span} missed: ${why}.`);
}
