import { url as debuggerUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';
import type { DatabaseAddress } from '../db/address.ts';
import { keyOf, type HeldAttempt, type Leases } from '../engine/leases.ts';
import type { Logger } from '../log.ts';
import { DEBUGGED, PULSE, pulseMs, RUNNING, SHARED_BYTES, type Heard, type ThreadSetting, type Told, type ToldAttempt } from './messages.ts';

/** For how long the main loop may not turn before that is said, seconds, unless the options say otherwise. */
const STANDSTILL_SECONDS = 5;
/** How long a standstill that is over is still a trouble, milliseconds. */
const REMEMBERED_MS = 60_000;
/** How long to wait before a thread that died is started anew, and for one that should end, milliseconds. */
const [RESTART_MS, END_MS] = [500, 2000];
/** The longest that a start of the thread is waited for, milliseconds. */
const READY_MS = 10_000;

export interface WatchOptions extends Pick<ThreadSetting, 'address' | 'daemonId' | 'leaseSeconds' | 'settleSeconds' | 'logFormat'> {
  leases: Leases;
  /** How many attempts run now. */
  running: () => number;
  log: Logger;
  /** Why the daemon is not well beyond what the watch knows, whole sentences; they go to the daemon's row. */
  troubles?: () => readonly string[];
  /** For how long the main loop may not turn before that is said, seconds; 5 unless given. */
  standstillSeconds?: number;
  /** Starts the thread; for tests that want to end it. */
  createThread?: (setting: ThreadSetting) => Worker;
}

/**
 * The main loop's side of the watch: a thread that keeps the daemon's leases alive, beats its heart, and says when the loop
 * stands still. A thread that dies is started anew.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #setting: ThreadSetting;
  readonly #shared: Int32Array;
  #thread: Worker | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;
  #added: ToldAttempt[] = [];
  #ended: string[] = [];
  /** What the thread knows of each attempt. */
  readonly #known = new Map<string, { begun: boolean; progress: number | undefined }>();
  /** The troubles that the thread knows of. */
  #told: readonly string[] = [];
  #outage: { sinceMs: number; reason: string } | undefined;
  #standstill: { overAtMs: number; seconds: number; holder: string } | undefined;
  readonly #ready = Promise.withResolvers<void>();

  constructor(options: WatchOptions) {
    const { address, daemonId, leaseSeconds, settleSeconds, logFormat, standstillSeconds = STANDSTILL_SECONDS } = options;
    const shared = new SharedArrayBuffer(SHARED_BYTES);
    this.#options = options;
    this.#shared = new Int32Array(shared);
    this.#setting = { address: addressOnly(address), daemonId, leaseSeconds, settleSeconds, logFormat, standstillSeconds, shared };
  }

  start(): void {
    const { leases } = this.#options;
    leases.keepBy({ added: (attempt) => this.#add(attempt), ended: (attempt) => this.#end(attempt) });
    this.#turn();
    this.#pulse = setInterval(() => this.#turn(), pulseMs(this.#setting.standstillSeconds)).unref();
    this.#startThread();
  }

  /** Resolves when the thread is at work, or after {@link READY_MS}: it takes a moment to start, and what is claimed before has a short lease or none to spare. */
  async ready(): Promise<void> {
    const impatience = setTimeout(() => this.#ready.resolve(), READY_MS);
    await this.#ready.promise;
    clearTimeout(impatience);
  }

  /** Whole sentences; empty where all is well. */
  get troubles(): string[] {
    const reasons: string[] = [];
    if (this.#outage !== undefined) reasons.push(`leases could not be renewed for ${seconds(Date.now() - this.#outage.sinceMs)} s: ${this.#outage.reason}`);
    const still = this.#standstill;
    const agoMs = still === undefined ? Infinity : performance.now() - still.overAtMs;
    if (still !== undefined && agoMs < REMEMBERED_MS) {
      reasons.push(`the main loop did not turn for ${Math.round(still.seconds)} s, until ${seconds(agoMs)} s ago${still.holder}`);
    }
    return reasons;
  }

  /** Ends the thread. The leases are not renewed any more, and the heart has beaten for the last time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#pulse);
    clearTimeout(this.#restart);
    this.#ready.resolve();
    const thread = this.#thread;
    if (thread === undefined) return;
    const gone = new Promise((resolve) => thread.once('exit', resolve));
    // Nothing else may keep the process until then.
    thread.ref();
    this.#tell({ stop: true });
    const impatience = setTimeout(() => void thread.terminate(), END_MS);
    await gone;
    clearTimeout(impatience);
  }

  #startThread(): void {
    const { leases, log, createThread = newThread } = this.#options;
    const thread = createThread(this.#setting);
    this.#thread = thread;
    thread.on('message', (heard: Heard) => this.#hear(heard));
    thread.on('error', (error) => log.error({ err: error }, 'the thread that renews the leases failed'));
    thread.on('exit', () => {
      this.#thread = undefined;
      if (this.#stopped) return;
      log.error('the thread that renews the leases has ended; starting it anew');
      this.#restart = setTimeout(() => this.#startThread(), RESTART_MS).unref();
    });
    thread.unref();
    this.#known.clear();
    this.#told = [];
    this.#added = [];
    this.#ended = [];
    for (const attempt of leases.all) this.#add(attempt);
    this.#flush();
  }

  /** The main loop turns. */
  #turn(): void {
    Atomics.store(this.#shared, RUNNING, this.#options.running());
    Atomics.store(this.#shared, DEBUGGED, debuggerUrl() === undefined ? 0 : 1);
    Atomics.add(this.#shared, PULSE, 1);
    const { leases, troubles = () => [] } = this.#options;
    const begun: string[] = [];
    const progress: [string, number][] = [];
    for (const attempt of leases.all) {
      const key = keyOf(attempt);
      const known = this.#known.get(key);
      if (known === undefined) continue;
      if (attempt.begun && !known.begun) begun.push(key);
      if (attempt.progress !== undefined && attempt.progress !== known.progress) progress.push([key, attempt.progress]);
      known.begun = attempt.begun;
      known.progress = attempt.progress;
    }
    const all = [...this.troubles, ...troubles()];
    const isNew = all.join('\n') !== this.#told.join('\n');
    this.#told = all;
    if (begun.length + progress.length + this.#ended.length > 0 || isNew) this.#tell({ ...this.#news(), begun, progress, ...(isNew ? { troubles: all } : {}) });
  }

  // The runner of the first of many may hold the main loop up for ever. The message goes before any of them is called,
  // because they are called in a later microtask; and it is one for all that were claimed together.
  #add(attempt: HeldAttempt): void {
    const key = keyOf(attempt);
    const { subjectId, taskId, task, subject, timeLimitSeconds } = attempt;
    this.#known.set(key, { begun: false, progress: undefined });
    this.#added.push({ key, subjectId, taskId, attempt: attempt.attempt, task, subject, timeLimitSeconds });
    if (this.#added.length === 1) queueMicrotask(() => this.#flush());
  }

  // There is no hurry: what has ended is not renewed whoever asks, and is told of with the next message.
  #end(attempt: HeldAttempt): void {
    const key = keyOf(attempt);
    this.#known.delete(key);
    this.#ended.push(key);
  }

  #flush(): void {
    if (this.#added.length > 0) this.#tell(this.#news());
  }

  #news(): Told {
    const news = { added: this.#added, ended: this.#ended };
    this.#added = [];
    this.#ended = [];
    return news;
  }

  #tell(told: Told): void {
    this.#thread?.postMessage(told);
  }

  #hear(heard: Heard): void {
    const { leases, log } = this.#options;
    switch (heard.type) {
      case 'ready':
        this.#ready.resolve();
        break;
      case 'lost':
        for (const key of heard.keys) leases.lost(key);
        break;
      case 'cancelled':
        for (const { key, by, reason } of heard.attempts) leases.cancelled(key, by, reason);
        break;
      case 'log':
        log[heard.level](heard.fields, heard.message);
        break;
      case 'outage':
        this.#hearOfOutage(heard);
        break;
      case 'standstill':
        this.#standstill = { overAtMs: performance.now(), seconds: heard.seconds, holder: heard.holder };
        log.warn({ seconds: heard.seconds }, `the main loop turns again after ${Math.round(heard.seconds)} s${heard.holder}`);
        break;
    }
  }

  #hearOfOutage({ sinceMs, reason }: { sinceMs: number | undefined; reason: string }): void {
    const { log } = this.#options;
    if (sinceMs !== undefined) log.warn(`leases cannot be renewed; trying again: ${reason}`);
    else if (this.#outage !== undefined) log.info(`leases are renewed again, after ${seconds(Date.now() - this.#outage.sinceMs)} s`);
    this.#outage = sinceMs === undefined ? undefined : { sinceMs, reason };
  }
}

// No options of ours are passed on: a debugger or a profiler is meant for the main loop.
const newThread = (setting: ThreadSetting): Worker => new Worker(new URL('./thread.ts', import.meta.url), { name: 'afterglow watch', workerData: setting, execArgv: [] });

// An address may be the embedded server itself, whose functions cannot go to another thread.
const addressOnly = (address: DatabaseAddress): DatabaseAddress => {
  if ('url' in address) return { url: address.url };
  const { host, port, user, database } = address;
  return { host, port, user, database };
};

const seconds = (ms: number): number => Math.max(0, Math.round(ms / 1000));
