import type { Run } from '../db/hot.ts';
import type { Heard, ThreadSetting, Told, ToldAttempt } from './messages.ts';
import type { Running } from '../engine/running.ts';
import { renew, renewTicks, renewUnread, type Beat } from './renew.ts';

/** The longest time between two beats, milliseconds, however long the leases are: people are told with a beat that an attempt is to be cancelled. */
const LONGEST_PERIOD_MS = 10_000;
/** Waits before the database is asked again after it did not answer, milliseconds. */
const [FIRST_RETRY_MS, LONGEST_RETRY_MS] = [250, 2000];

/** A standstill that is so many times longer than the first report of it is taken for one without an end: a minute, where that comes after 5 s. */
const HOPELESS_STANDSTILLS = 12;

interface Held extends ToldAttempt {
  begunAtMs: number | undefined;
  /** What the database has not heard yet. */
  progress: number | undefined;
  isCancelTold: boolean;
  isGivenUp: boolean;
}

/** What {@link Renewals} needs beside the setting. */
export interface RenewalDeps {
  setting: Pick<ThreadSetting, 'daemonId' | 'leaseSeconds' | 'settleSeconds' | 'standstillSeconds'>;
  run: Run;
  /** How many attempts run. */
  running: () => number;
  /** Why the daemon is not well, whole sentences. */
  troubles: () => readonly string[];
  /** For how long the main loop has not turned, milliseconds; 0 while it turns as often as it should. */
  silentMs: () => number;
  /** Whether that is so long that it stands still. */
  isStill: () => boolean;
  /** Whose code it was found in; empty for nobody's, undefined where it was not found. */
  culprit: () => Partial<Running> | undefined;
  tell: (heard: Heard) => void;
  /** Called once for each attempt that is over its time limit and cannot be ended, because the main loop stands still. */
  onGivenUp: (attempt: ToldAttempt) => void;
}

/** Keeps the leases of all attempts that it is told of, every third of a lease, until it is told that they have ended. */
export class Renewals {
  readonly #deps: RenewalDeps;
  readonly #held = new Map<string, Held>();
  #stopped = false;
  #wake: () => void = () => {};
  #looping: Promise<void> | undefined;
  #failures = 0;
  #skewSeconds: number | null = null;
  #cpu = process.cpuUsage();
  #cpuAtMs = performance.now();

  constructor(deps: RenewalDeps) {
    this.#deps = deps;
  }

  get held(): readonly ToldAttempt[] {
    return [...this.#held.values()];
  }

  /** Takes the main loop's news in. */
  take({ added = [], begun = [], progress = [], ended = [] }: Told): void {
    for (const attempt of added) this.#held.set(attempt.key, { ...attempt, begunAtMs: undefined, progress: undefined, isCancelTold: false, isGivenUp: false });
    for (const key of begun) this.#with(key, (held) => (held.begunAtMs = performance.now()));
    for (const [key, fraction] of progress) this.#with(key, (held) => (held.progress = fraction));
    for (const key of ended) this.#held.delete(key);
  }

  start(): void {
    this.#looping ??= this.#loop();
  }

  /** Resolves when the last statement has come back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#looping;
  }

  async #loop(): Promise<void> {
    const periodMs = Math.min((this.#deps.setting.leaseSeconds * 1000) / 3, LONGEST_PERIOD_MS);
    while (!this.#stopped) {
      const startedMs = performance.now();
      let waitMs: number;
      try {
        // What was passed over is looked at again soon: its lease is as old as before.
        waitMs = (await this.#renew()) ? periodMs / 4 : periodMs;
        this.#answered();
      } catch (error) {
        waitMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, LONGEST_RETRY_MS, periodMs);
        this.#failed(error as Error);
      }
      await this.#sleep(waitMs - (performance.now() - startedMs));
    }
  }

  /** @returns whether some were passed over */
  async #renew(): Promise<boolean> {
    const { run, setting, silentMs, tell } = this.#deps;
    if (silentMs() > 0) await this.#standIn(silentMs() / 1000);
    const held = this.#renewable();
    // While the answer is on its way the main loop may say more.
    const given = held.map(({ subjectId, taskId, attempt, progress, key }) => ({ subjectId, taskId, attempt, progress, key }));
    const beforeMs = Date.now();
    const { databaseMs, lost, skipped, cancelled } = await renew(run, this.#beat(), setting.leaseSeconds, given);
    this.#measureSkew(beforeMs, Date.now(), databaseMs);
    const passedOver = new Set(skipped);
    for (const one of given) {
      if (!passedOver.has(one)) this.#with(one.key, (now) => (now.progress = now.progress === one.progress ? undefined : now.progress));
    }
    // Of what has ended meanwhile nobody wants to hear.
    const gone = lost.filter(({ key }) => this.#held.delete(key)).map(({ key }) => key);
    if (gone.length > 0) tell({ type: 'lost', keys: gone });
    const unwanted = cancelled.map(({ attempt: { key }, by, reason }) => ({ key, by, reason })).filter(({ key }) => this.#held.get(key)?.isCancelTold === false);
    for (const { key } of unwanted) this.#with(key, (now) => (now.isCancelTold = true));
    if (unwanted.length > 0) tell({ type: 'cancelled', attempts: unwanted });
    return skipped.length > 0;
  }

  /** What the main loop would do if it turned. */
  async #standIn(silentSeconds: number): Promise<void> {
    const { run, setting: { daemonId, leaseSeconds }, culprit } = this.#deps;
    if (!this.#isHopeless) await renewUnread(run, daemonId, leaseSeconds, silentSeconds, this.held);
    await renewTicks(run, daemonId, leaseSeconds, this.#isHopeless ? culprit()?.task : undefined);
  }

  /** After so long a standstill nobody counts on its end: what has not begun is let go. */
  get #isHopeless(): boolean {
    const { setting, silentMs, isStill } = this.#deps;
    return isStill() && silentMs() > setting.standstillSeconds * 1000 * HOPELESS_STANDSTILLS;
  }

  /** All but those that the main loop should have ended long ago, and evidently cannot: let others have them. */
  #renewable(): Held[] {
    const { setting, silentMs, isStill, culprit, onGivenUp } = this.#deps;
    const nowMs = performance.now();
    // What began in the turn that does not end has not been told of.
    const sinceMs = nowMs - silentMs();
    // Where it is not known who holds the loop up, it may be any of them.
    const isHopeless = this.#isHopeless && culprit() !== undefined;
    return [...this.#held.values()].filter((held) => {
      const { timeLimitSeconds, begunAtMs } = held;
      // Some may have begun in the turn that does not end; but only one of them gets on.
      if (isHopeless && begunAtMs === undefined && !isOf(held, culprit())) return false;
      if (!isStill() || timeLimitSeconds === null) return true;
      const overMs = nowMs - (begunAtMs ?? sinceMs) - (timeLimitSeconds + setting.settleSeconds + setting.leaseSeconds) * 1000;
      if (overMs <= 0) return true;
      if (!held.isGivenUp) onGivenUp(held);
      held.isGivenUp = true;
      return false;
    });
  }

  #beat(): Beat {
    const { setting, running, troubles } = this.#deps;
    const cpu = process.cpuUsage(this.#cpu);
    const nowMs = performance.now();
    const cpuLoad = (cpu.user + cpu.system) / 1000 / Math.max(nowMs - this.#cpuAtMs, 1);
    this.#cpu = process.cpuUsage();
    this.#cpuAtMs = nowMs;
    return { daemonId: setting.daemonId, running: running(), rssBytes: process.memoryUsage.rss(), cpuLoad, clockSkewSeconds: this.#skewSeconds, troubles: troubles() };
  }

  // The database looked at its clock between our two looks; where that took long, it tells nothing.
  #measureSkew(beforeMs: number, afterMs: number, databaseMs: number): void {
    if (Math.abs(afterMs - beforeMs) < 1000) this.#skewSeconds = (beforeMs + afterMs - 2 * databaseMs) / 2000;
  }

  #answered(): void {
    if (this.#failures > 0) this.#deps.tell({ type: 'outage', sinceMs: undefined, reason: '' });
    this.#failures = 0;
  }

  #failed(error: Error): void {
    if (this.#failures === 0) this.#deps.tell({ type: 'outage', sinceMs: Date.now(), reason: error.message });
    this.#failures += 1;
  }

  #with(key: string, act: (held: Held) => void): void {
    const held = this.#held.get(key);
    if (held !== undefined) act(held);
  }

  async #sleep(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const isOf = (held: ToldAttempt, culprit: Partial<Running> | undefined): boolean =>
  held.task === culprit?.task && held.subject === culprit.subject && held.attempt === culprit.attempt;
