import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../clock.ts';
import type { Database } from '../db/database.ts';
import { describeError, storable } from '../db/storable.ts';
import { StoppingError, TimeLimitError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Json } from '../runner/outcome.ts';
import type { Hot } from '../db/hot.ts';
import type { Plan } from './plan.ts';
import { endTicks, renewTick, takeNow, type EndedTick, type Tick, type TickOutcome, type TickTaker, type UnplannedCause } from './tick.ts';
import { CALL_SECONDS, within } from './deadline.ts';

/** What a tick's handler says about it, all of it optional. */
export interface TickReport {
  /** Entries that were run. */
  entries?: number;
  /** Kept with the tick. */
  result?: Json;
  /** Lines for people, kept with the tick. */
  log?: Json;
  cpuSeconds?: number;
  /** The same as throwing it, but the rest of the report is kept too. */
  error?: unknown;
}

/**
 * Does the work of one tick. Its error decides the outcome: a {@link StoppingError} hands the tick back (`released`), a
 * {@link TimeLimitError} is `timed out`, any other is `failed`.
 */
export type TickHandler = (tick: Tick) => Promise<TickReport | void> | TickReport | void;

/** How a tick ended. */
export interface TickEnd {
  tick: Tick;
  outcome: TickOutcome;
  wallSeconds: number;
  error?: unknown;
  /** False where the tick had been taken from us or the database was away: then its row says something else. */
  recorded: boolean;
}

/** Where ticks run. */
export interface TickPlace extends TickTaker {
  hot: Hot;
  clock: Clock;
  log: Logger;
  /** The longest that an answer of the database is waited for. */
  callSeconds: number;
  /** Writes how a tick ended; says whether it was still ours. */
  end: (ended: EndedTick) => Promise<boolean>;
}

/** Seconds that a tick is ours after we last said so. A dead daemon's runner is free after this time. */
export const TICK_LEASE_SECONDS = 30;

/**
 * Takes a tick that is no slot and runs it, recorded like any other, whether the schedule is on or off. It shares the lease of the
 * schedule's row, so a runner never overlaps itself, on no daemon and for no cause. (A runner without a row has no lease.)
 *
 * @param options.whenBusy while a tick of the runner is under way somewhere: `wait` (unless given) for its end, or `skip`
 * @param options.signal ends the waiting: what came back rejects
 * @returns undefined where the runner was busy and `skip` was asked for
 */
export async function runNow(
  options: Pick<TickPlace, 'daemonId' | 'log'> & {
    database: Database;
    runner: string;
    cause: UnplannedCause;
    handler: TickHandler;
    whenBusy?: 'wait' | 'skip';
    signal?: AbortSignal;
    clock?: Clock;
    leaseSeconds?: number;
  },
): Promise<TickEnd | undefined> {
  const { database, runner, cause, daemonId, handler, log, whenBusy = 'wait', signal, clock = systemClock, leaseSeconds = TICK_LEASE_SECONDS } = options;
  const { hot } = database;
  const end = async (ended: EndedTick) => (await endTicks(hot, [ended], clock.now())).size > 0;
  const place = { hot, daemonId, log, clock, leaseSeconds, callSeconds: CALL_SECONDS, end };
  for (;;) {
    signal?.throwIfAborted();
    const tick = await takeNow(hot, runner, cause, place);
    if (tick !== undefined) return runTick(place, tick, handler);
    if (whenBusy === 'skip') return undefined;
    await delay(BUSY_POLL_MS, undefined, { signal });
  }
}

const BUSY_POLL_MS = 250;

/**
 * Runs a tick that was taken: keeps its lease alive as long as the handler works, then writes how it ended and frees the runner.
 * It never rejects.
 *
 * @param plan the plan that fired it, undefined where none did
 */
export async function runTick(place: TickPlace, tick: Tick, handler: TickHandler, plan?: Plan): Promise<TickEnd> {
  const { clock, log } = place;
  const stopRenewing = keepLease(place, tick);
  const startedMs = clock.monotonicMs();
  const { error, ...report } = await reportOf(handler, tick);
  const wallSeconds = (clock.monotonicMs() - startedMs) / 1000;
  stopRenewing();
  const outcome = outcomeOf(error);
  if (outcome === 'failed' || outcome === 'timed out') {
    log.error({ err: error }, `A tick of "${tick.runner}" ${outcome}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const described = error === undefined ? undefined : describeError(error);
  const recorded = await recordEnd(place, { tick, ending: { ...report, outcome, wallSeconds, error: described }, plan });
  return { tick, outcome, wallSeconds, error, recorded };
}

/** Tries again while the database is away, as long as the lease would last; then the runner is free anyway. */
async function recordEnd({ end, clock, log, leaseSeconds, callSeconds }: TickPlace, ended: EndedTick): Promise<boolean> {
  const { runner } = ended.tick;
  const giveUpMs = clock.monotonicMs() + leaseSeconds * 1000;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const recorded = await within(callSeconds, end(ended));
      // A try before this one may have been heard although its answer was not.
      if (!recorded && isFirst) log.warn(`A tick of "${runner}" ended after its lease, so how it ended is not recorded.`);
      return recorded;
    } catch (error) {
      if (clock.monotonicMs() >= giveUpMs) {
        log.error({ err: error }, `How a tick of "${runner}" ended could not be written.`);
        return false;
      }
      await delay(RECORD_AGAIN_MS);
    }
  }
}

const RECORD_AGAIN_MS = 500;

async function reportOf(handler: TickHandler, tick: Tick): Promise<TickReport> {
  try {
    const report = (await handler(tick)) ?? {};
    return { ...report, result: storable(report.result, 'result'), log: storable(report.log, 'log') };
  } catch (error) {
    return { error: error ?? new Error('The handler of the tick threw nothing.') };
  }
}

function outcomeOf(error: unknown): TickOutcome {
  if (error === undefined) return 'finished';
  if (error instanceof StoppingError) return 'released';
  return error instanceof TimeLimitError ? 'timed out' : 'failed';
}

/** Renews three times a lease, so that one lost try does no harm. The timer keeps no process alive. */
function keepLease(place: TickPlace, tick: Tick): () => void {
  const { hot, log } = place;
  let over = false;
  const renew = async () => {
    try {
      const ours = await renewTick(hot, tick, place);
      if (ours || over) return;
      stop();
      log.warn(`The lease of a tick of "${tick.runner}" was lost; another daemon may run it too.`);
    } catch (error) {
      if (!over) log.warn({ err: error }, `The lease of a tick of "${tick.runner}" could not be renewed; trying again.`);
    }
  };
  const timer = setInterval(() => void renew(), (place.leaseSeconds * 1000) / 3);
  timer.unref();
  const stop = () => {
    over = true;
    clearInterval(timer);
  };
  return stop;
}
