import { Pool } from 'tarn';
import { describeError } from '../db/storable.ts';
import type { IsolatedResult, IsolatedRun, Isolation } from '../engine/isolated.ts';
import type { Logger } from '../log.ts';
import { IsolatedProcess } from './isolated-process.ts';
import { RunInProcess } from './isolated-run.ts';
import type { ProcessSettings } from './messages.ts';
import { sweep } from './sweep.ts';

export interface PoolOptions {
  settings: ProcessSettings;
  /** Processes at most. */
  processes: number;
  /** Attempts that one process runs at most before another takes its place; 0: no limit. */
  maxTasksPerProcess: number;
  log: Logger;
  /** How long a process may have nothing to do before it goes, seconds; 60 unless given. */
  idleSeconds?: number;
}

/** What a pool has and has had. */
export interface PoolState {
  /** Processes at most. */
  most: number;
  processes: number;
  busy: number;
  /** Attempts that were run. */
  runs: number;
  /** Processes that were started in all. */
  started: number;
  /** Processes that made room for others after their share of attempts, or with much memory left over. */
  recycled: number;
  /** Processes that did not stop when they were told to, or used more memory than they may. */
  killed: number;
  /** Processes that ended in the middle of an attempt by themselves. */
  died: number;
}

const IDLE_SECONDS = 60;
/** How often what dead daemons have left is looked for, ms. */
const SWEEP_MS = 60_000;
/** A process that has kept so much after an attempt, of what it may take beyond what an idle one has, is not given another. */
const KEPT_SHARE = 0.5;
/** More than a process may take to start, so that nobody gives up before the process itself does; ms. */
const START_MS = 90_000;
/** More than a process may take to leave, ms. */
const LEAVE_MS = 30_000;

/**
 * Child processes for isolated attempts: started when they are needed, used again, and gone when they have nothing to do.
 * Handing them out and letting them go is tarn's; killing them is ours (see docs/adr/2026-11-21-a-pool-of-our-own-processes.md).
 */
export class ProcessPool implements Isolation {
  readonly #options: PoolOptions;
  /** By memory limit, since V8 is told of that when a process starts. */
  readonly #pools = new Map<number | undefined, Pool<IsolatedProcess>>();
  readonly #processes = new Set<IsolatedProcess>();
  readonly #busy = new Set<IsolatedProcess>();
  /** What each process ran last: what it prints may come after its word that it is done. */
  readonly #last = new WeakMap<IsolatedProcess, IsolatedRun>();
  #starting = 0;
  /** Why no process could be started when that was last tried. */
  #trouble: string | undefined;
  /** Attempts that have a process or are about to get one; the others wait. */
  #admitted = 0;
  readonly #waiting: (() => void)[] = [];
  #counts = { runs: 0, started: 0, recycled: 0, killed: 0, died: 0 };
  #stopped = false;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions) {
    const { address } = options.settings;
    // An address may be the embedded server itself, whose functions cannot go to another process.
    const plain = 'url' in address ? { url: address.url } : { host: address.host, port: address.port, user: address.user, database: address.database };
    this.#options = { ...options, settings: { ...options.settings, address: plain } };
  }

  get most(): number {
    return this.#options.processes;
  }

  get state(): PoolState {
    return { most: this.#options.processes, processes: this.#processes.size, busy: this.#busy.size, ...this.#counts };
  }

  /** Why the pool is not well, whole sentences; empty where it is. */
  get troubles(): string[] {
    return this.#trouble === undefined ? [] : [this.#trouble];
  }

  /** Starts a process for each of these memory limits, as many as there may be, so that the first attempts need not wait. */
  async warm(limits: readonly (number | undefined)[]): Promise<void> {
    if (limits.length > 0) this.#sweepFromNowOn();
    const wanted = [...new Set(limits)].slice(0, this.#options.processes);
    await Promise.all(wanted.map(async (limit) => {
      try {
        this.#pool(limit).release(await this.#pool(limit).acquire().promise);
      } catch (error) {
        if (!this.#stopped) this.#options.log.error({ err: error }, 'no process could be started for isolated attempts');
      }
    }));
  }

  async run(run: IsolatedRun): Promise<IsolatedResult> {
    const pool = this.#pool(run.runner.memoryLimitMiB);
    let process: IsolatedProcess;
    try {
      await this.#admission(run.abort.signal);
    } catch (error) {
      return withoutProcess(error);
    }
    try {
      process = await this.#acquire(pool, run.abort.signal);
    } catch (error) {
      this.#admitNext();
      return withoutProcess(error);
    }
    this.#last.set(process, run);
    this.#counts.runs += 1;
    const running = new RunInProcess(process, run);
    const result = await running.result();
    const over = once(() => this.#over(pool, process, running, run));
    // Where nothing is left to be committed, the process is free, or gone.
    if (!result.wrote) over();
    return {
      ...result,
      commit: (actor, ending) => result.commit(actor, ending).finally(over),
      rollback: () => result.rollback().finally(over),
    };
  }

  /** Ends all processes; what still runs is killed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#sweeping);
    await Promise.all([...this.#busy].map((process) => process.kill()));
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    await Promise.all([...this.#processes].map((process) => process.leave()));
    const { runs, started, recycled, killed, died } = this.#counts;
    if (runs > 0) this.#options.log.info({ runs, started, recycled, killed, died }, 'isolated attempts');
  }

  /** Looks for what dead daemons have left, now and every minute. */
  #sweepFromNowOn(): void {
    const look = (): void => {
      const pids = sweep();
      if (pids.length > 0) this.#options.log.warn({ processes: pids }, 'processes that isolated attempts of a dead daemon had left were killed');
    };
    if (this.#sweeping !== undefined) return;
    this.#sweeping = setInterval(look, SWEEP_MS).unref();
    look();
  }

  #pool(limitMiB: number | undefined): Pool<IsolatedProcess> {
    const found = this.#pools.get(limitMiB);
    if (found !== undefined) return found;
    const made = new Pool<IsolatedProcess>({
      create: () => this.#start(limitMiB),
      validate: (process) => process.usable,
      destroy: (process) => process.leave(),
      min: 0,
      max: this.#options.processes,
      idleTimeoutMillis: (this.#options.idleSeconds ?? IDLE_SECONDS) * 1000,
      reapIntervalMillis: Math.min(5000, (this.#options.idleSeconds ?? IDLE_SECONDS) * 250),
      createTimeoutMillis: START_MS,
      destroyTimeoutMillis: LEAVE_MS,
      // For as long as it takes: an attempt that waits can be aborted.
      acquireTimeoutMillis: 2 ** 31 - 1,
      propagateCreateError: true,
    });
    this.#pools.set(limitMiB, made);
    return made;
  }

  /** Waits for its turn. @throws the reason of the abort, where that comes first */
  async #admission(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#admitted < this.#options.processes) {
      this.#admitted += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => {
        const at = this.#waiting.indexOf(resolve);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason as Error);
      }, { once: true });
    });
  }

  #admitNext(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#admitted -= 1;
    else next();
  }

  async #acquire(pool: Pool<IsolatedProcess>, signal: AbortSignal): Promise<IsolatedProcess> {
    signal.throwIfAborted();
    const pending = pool.acquire();
    const giveUp = (): void => pending.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      const process = await pending.promise;
      // In the same turn as the look, so that it is not taken for idle; it may have had to make room while it was handed over.
      if (process.usable) {
        this.#busy.add(process);
        return process;
      }
      pool.release(process);
      return await this.#acquire(pool, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async #start(limitMiB: number | undefined): Promise<IsolatedProcess> {
    const { settings, log, processes } = this.#options;
    this.#starting += 1;
    this.#sweepFromNowOn();
    try {
      // A pool for another memory limit may have one that it does not use.
      while (this.#processes.size + this.#starting > processes) {
        const idle = [...this.#processes].find((process) => process.usable && !this.#busy.has(process));
        if (idle === undefined) break;
        await idle.leave();
      }
      const process = await IsolatedProcess.start({
        settings, heapMiB: limitMiB,
        onOutput: (of, stream, line) => this.#onOutput(of, stream, line),
        onUnkillable: (pids) => log.error({ processes: pids }, 'processes of isolated attempts were killed and do not go'),
      });
      this.#processes.add(process);
      this.#counts.started += 1;
      this.#trouble = undefined;
      log.debug({ process: process.pid }, 'a process for isolated attempts was started');
      void process.gone.then(({ exitCode, signal }) => {
        this.#processes.delete(process);
        log.debug({ process: process.pid, exitCode, signal }, 'a process for isolated attempts has ended');
      });
      return process;
    } catch (error) {
      this.#trouble = describeError(error).message;
      throw error;
    } finally {
      this.#starting -= 1;
    }
  }

  /** An attempt is over: its process is handed on, or makes room for another. */
  async #over(pool: Pool<IsolatedProcess>, process: IsolatedProcess, { interference }: RunInProcess, { runner, subject }: IsolatedRun): Promise<void> {
    const { maxTasksPerProcess, log } = this.#options;
    if (interference !== undefined) {
      this.#counts[interference] += 1;
      log.warn({ task: runner.taskName, subject: subject.name, process: process.pid }, interference === 'killed' ? 'the process of an isolated attempt was killed' : 'the process of an isolated attempt died');
    } else if (process.usable && (isSpent(process, maxTasksPerProcess) || keptMuch(process, runner.memoryLimitMiB))) {
      this.#counts.recycled += 1;
      await process.leave();
    }
    if (!process.usable) await process.leave();
    this.#busy.delete(process);
    pool.release(process);
    this.#admitNext();
  }

  #onOutput(process: IsolatedProcess, stream: 'stdout' | 'stderr', line: string): void {
    const run = this.#last.get(process);
    const of = run === undefined ? {} : { task: run.runner.taskName, subject: run.subject.name, attempt: run.attempt };
    this.#options.log[stream === 'stdout' ? 'debug' : 'info']({ ...of, process: process.pid, stream }, line);
  }
}

const isSpent = (process: IsolatedProcess, most: number): boolean => most > 0 && process.runs >= most;

// What a process keeps would be counted against the next attempt.
const keptMuch = ({ group, idleMiB }: IsolatedProcess, limitMiB: number | undefined): boolean =>
  limitMiB !== undefined && (group.usage()?.residentMiB ?? 0) - idleMiB > (limitMiB - idleMiB) * KEPT_SHARE;

/** The result of an attempt that got no process: it was aborted before, or none could be started. */
function withoutProcess(error: unknown): IsolatedResult {
  return { outcome: { thrown: error }, wallSeconds: 0, cpuSeconds: 0, wrote: false, interruption: undefined, commit: async () => { throw error; }, rollback: async () => {} };
}

function once(act: () => unknown): () => void {
  let done = false;
  return () => {
    if (!done) void act();
    done = true;
  };
}
