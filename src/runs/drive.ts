import { setTimeout as delay } from 'node:timers/promises';
import { isConnectionError } from '../db/connection-error.ts';
import type { Hot } from '../db/hot.ts';
import type { EngineTask } from '../engine/engine-options.ts';
import { RefusedError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { RunHooks } from '../runner/run-hooks.ts';
import { readEnd, readEntries, skipEntries, stateOf, type RunEntry } from './entries.ts';
import { endedHookTask } from './hook-task.ts';
import type { RunView } from './run-view.ts';
import type { ScriptWork } from './script-work.ts';

/** How long after a failure of our own, or where somebody else has what we wait for, it is looked again, ms. */
const AGAIN_MS = 1000;

export interface DriveOptions {
  view: RunView;
  work: ScriptWork;
  hooks: RunHooks;
  hot: Hot;
  /** Script → its task as the engine knows it. */
  tasks: ReadonlyMap<string, EngineTask>;
  /** Claims one entry and runs it; resolves when its end is written. Refuses where it cannot be claimed. */
  runOne: (task: EngineTask) => Promise<void>;
  /** Takes back what dead processes left. */
  care: () => Promise<void>;
  /** Tells what runs to stop. */
  hurry: () => void;
  /** Scripts at once. */
  most: number;
  /** Stop everything at the first script that fails. */
  haltOnFailure: boolean;
  /** Stops the run. */
  signal: AbortSignal;
  log: Logger;
}

/** How a run came to its end. */
export interface DriveEnd {
  by: 'itself' | 'signal' | 'failure';
  /** What hooks threw. */
  hookErrors: readonly string[];
}

/**
 * Takes the scripts of a run through the register until there is nothing left to do: whatever script ends, those that it made
 * ready are begun, whatever else still runs.
 */
export async function drive(options: DriveOptions): Promise<DriveEnd> {
  return new Drive(options).run();
}

class Drive {
  readonly #options: DriveOptions;
  readonly #inFlight = new Set<string>();
  readonly #hookErrors: string[] = [];
  #turn = Promise.withResolvers<void>();
  #halted = false;

  constructor(options: DriveOptions) {
    this.#options = options;
  }

  async run(): Promise<DriveEnd> {
    const { signal, hurry, work } = this.#options;
    const onAbort = (): void => {
      hurry();
      this.#wake();
    };
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      await this.#restore();
      while (await this.#step());
    } finally {
      if (this.#inFlight.size > 0) hurry();
      while (this.#inFlight.size > 0) await this.#nextTurn();
      signal.removeEventListener('abort', onAbort);
      await work.settled();
    }
    return { by: signal.aborted ? 'signal' : this.#halted ? 'failure' : 'itself', hookErrors: this.#hookErrors };
  }

  get #isStopping(): boolean {
    return this.#halted || this.#options.signal.aborted;
  }

  /** What earlier processes have done of the run. */
  async #restore(): Promise<void> {
    const { hot, view } = this.#options;
    for (const { script, status } of await this.#entries('all')) {
      if (!['waiting', 'running'].includes(stateOf(status))) view.change(script, await readEnd(hot.run, view.run, script));
    }
  }

  /** Begins what can be begun, and waits until something has happened. @returns whether there is anything left to wait for */
  async #step(): Promise<boolean> {
    if (this.#isStopping) {
      if (this.#inFlight.size === 0) return false;
      await this.#nextTurn();
      return true;
    }
    // What was in flight when the register was asked may have ended since: of that its answer is not the last word.
    const busy = new Set(this.#inFlight);
    const entries = await this.#entries('open');
    if (await this.#skipHopeless(entries)) return true;
    const isBusy = (script: string): boolean => busy.has(script) || this.#options.view.of(script).task.parents.some((parent) => busy.has(parent));
    const waiting = entries.filter(({ script, status, ready }) => stateOf(status) === 'waiting' && ready && !isBusy(script));
    for (const { script } of this.#inTurn(waiting.filter(({ due_in: due }) => (due ?? 0) <= 0))) {
      if (this.#inFlight.size >= this.#options.most) break;
      this.#begin(script);
    }
    const isOthers = entries.some(({ script, status }) => stateOf(status) === 'running' && !busy.has(script));
    const soonest = Math.min(...waiting.map(({ due_in: due }) => (due ?? 0) * 1000).filter((ms) => ms > 0));
    if (busy.size === 0 && this.#inFlight.size === 0 && !isOthers && soonest === Infinity) return false;
    await this.#nextTurn(isOthers ? AGAIN_MS : soonest);
    if (isOthers) await this.#options.care().catch(() => {});
    return true;
  }

  /** Higher priority first, then the order of the plan. */
  #inTurn(entries: readonly RunEntry[]): RunEntry[] {
    const { view } = this.#options;
    const places = new Map(view.tasks.map(({ task }, place) => [task.script, place]));
    return entries.toSorted((a, b) => view.of(b.script).task.priority - view.of(a.script).task.priority || places.get(a.script)! - places.get(b.script)!);
  }

  /** Gives up on what waits for a script that has failed or was given up. @returns whether there was any such */
  async #skipHopeless(entries: readonly RunEntry[]): Promise<boolean> {
    const { hot, view } = this.#options;
    if (view.run.forced) return false;
    const states = new Map(entries.map(({ script, status }) => [script, stateOf(status)]));
    const skips: { script: string; reason: string }[] = [];
    // Parents come first in the plan, so one walk reaches everything.
    for (const { task: { script, parents } } of view.tasks) {
      const failed = parents.find((parent) => states.get(parent) === 'failed');
      const skipped = parents.find((parent) => states.get(parent) === 'skipped');
      if (states.get(script) !== 'waiting' || (failed ?? skipped) === undefined) continue;
      states.set(script, 'skipped');
      skips.push({ script, reason: failed === undefined ? `"${skipped}", which it waits for, was skipped` : `"${failed}", which it waits for, failed` });
    }
    const done = await skipEntries(hot.run, view.run, skips);
    for (const { script, reason } of skips) if (done.includes(script)) view.change(script, { state: 'skipped', reason });
    return done.length > 0;
  }

  #begin(script: string): void {
    const { view, tasks, runOne, log } = this.#options;
    this.#inFlight.add(script);
    view.change(script, { state: 'running', startedAt: new Date(), reason: undefined, warning: undefined });
    void (async () => {
      try {
        await runOne(tasks.get(script)!);
        await this.#ended(script);
      } catch (error) {
        if (!(error instanceof RefusedError) && !isConnectionError(error)) log.error({ err: error }, `"${script}" could not be run`);
        view.change(script, { state: 'waiting', reason: (error as Error).message });
        // It is looked at again; not at once.
        await delay(AGAIN_MS, undefined, { signal: this.#options.signal }).catch(() => {});
      } finally {
        this.#inFlight.delete(script);
        this.#wake();
      }
    })();
  }

  async #ended(script: string): Promise<void> {
    const { hot, view, haltOnFailure, hurry } = this.#options;
    const { dueInSeconds, ...end } = await this.#patiently(() => readEnd(hot.run, view.run, script));
    const isTriedAgain = end.state === 'waiting' && dueInSeconds !== null;
    view.change(script, { ...end, reason: isTriedAgain ? `tried again in ${Math.max(1, Math.round(dueInSeconds))} s: ${end.reason}` : end.reason });
    if (end.state === 'failed' && haltOnFailure && !this.#isStopping) {
      this.#halted = true;
      hurry();
    }
    if (end.state === 'success' || end.state === 'unchanged') await this.#call('onTaskComplete', script);
    if (end.state === 'failed') await this.#call('onTaskFail', script);
  }

  async #call(hook: 'onTaskComplete' | 'onTaskFail', script: string): Promise<void> {
    const { hooks, view, work, log } = this.#options;
    try {
      await hooks[hook]?.(endedHookTask(view, script, work.givenTo(script)));
    } catch (error) {
      const sentence = `The hook ${hook} threw for "${script}": ${error instanceof Error ? error.message : String(error)}`;
      this.#hookErrors.push(sentence);
      log.error(sentence);
    }
  }

  #entries(which: 'all' | 'open'): Promise<RunEntry[]> {
    const { hot, view } = this.#options;
    return this.#patiently(() => readEntries(hot.run, view.run, which));
  }

  /** A database that is away is waited for, until somebody has had enough. */
  async #patiently<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!isConnectionError(error) || this.#isStopping) throw error;
        await delay(AGAIN_MS);
      }
    }
  }

  #wake(): void {
    this.#turn.resolve();
  }

  /** Resolves when something has ended, or after so many milliseconds. */
  async #nextTurn(ms = Infinity): Promise<void> {
    const timer = new AbortController();
    const late = Number.isFinite(ms) ? delay(Math.max(1, ms) + 5, undefined, { signal: timer.signal }).catch(() => {}) : undefined;
    await Promise.race([this.#turn.promise, ...(late === undefined ? [] : [late])]);
    timer.abort();
    this.#turn = Promise.withResolvers();
  }
}
