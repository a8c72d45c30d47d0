import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Hot, Run } from '../db/hot.ts';
import { within } from '../db/run-within.ts';
import { StoppingError, TimeLimitError } from '../errors.ts';
import { DatabaseJobs } from '../jobs/jobs.ts';
import type { Logger } from '../log.ts';
import type { Jobs } from '../runner/jobs.ts';
import type { Json } from '../runner/outcome.ts';
import type { SystemTaskRunner } from '../runner/runner.ts';
import { AttemptLog } from '../engine/attempt-log.ts';
import type { CpuMeter } from '../engine/cpu-meter.ts';
import { lazyEntityManager } from '../engine/lazy-em.ts';
import { locksOf } from '../engine/lock.ts';
import { storable } from '../db/storable.ts';

/** What a run of a system runner needs beside the runner. */
export interface SystemRunDeps {
  fork: () => EntityManager;
  /** For locks, which are seen at once. */
  hot: Hot;
  /** Seconds, of the fixtures; the runner's own limit goes first. */
  timeLimitSeconds: number | null;
  folders: { data: string; products: string };
  clock: Clock;
  log: Logger;
  cpu: CpuMeter;
  /** Fires when the daemon stops. */
  stop: AbortSignal;
  /** The same for every repetition of this run's effects. */
  idempotencyKey: string;
  /** The time that it was to be run at. */
  slot?: Date;
  /** Called when the runner was told to stop and is waited for no more, with what settles when it comes to an end after all. */
  onUnsettled?: (settled: Promise<unknown>) => void;
}

/** How a run of a system runner ended; `error` is what it threw, or why it was told to stop. */
export interface SystemEnd {
  result?: Json;
  log?: Json;
  cpuSeconds: number;
  error?: unknown;
}

/** Runs a system runner once. Its writes are committed at its end, or not at all. It never throws. */
export async function runSystem(runner: SystemTaskRunner, deps: SystemRunDeps): Promise<SystemEnd> {
  const abort = new AbortController();
  const stopping = () => abort.abort(new StoppingError());
  if (deps.stop.aborted) stopping();
  deps.stop.addEventListener('abort', stopping, { once: true });
  const limit = runner.timeLimitSeconds ?? deps.timeLimitSeconds ?? Infinity;
  const timer = limit * 1000 < 2 ** 31 ? setTimeout(() => abort.abort(new TimeLimitError(limit)), limit * 1000) : undefined;
  const log = new AttemptLog(deps.log.child({ task: runner.taskName }), deps.clock);
  const database = lazyEntityManager(deps.fork);
  const cpu = deps.cpu.start();
  let running: Promise<unknown> | undefined;
  try {
    abort.signal.throwIfAborted();
    const told = new Promise<never>((_resolve, reject) => {
      abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error), { once: true });
    });
    const called = invoke(runner, deps, { log, signal: abort.signal, database }).finally(() => (running = undefined));
    running = called;
    const returned = await Promise.race([called, told]);
    const result = storable(returned, 'result');
    if (database.wrote) await database.commit(async () => {});
    return { result, log: log.lines, cpuSeconds: cpu() };
  } catch (error) {
    await database.rollback().catch(() => {});
    return { log: log.lines, cpuSeconds: cpu(), error: abort.signal.aborted ? (abort.signal.reason as Error) : (error ?? new Error('The runner threw nothing.')) };
  } finally {
    clearTimeout(timer);
    deps.stop.removeEventListener('abort', stopping);
    if (running !== undefined) deps.onUnsettled?.(running);
  }
}

async function invoke(
  runner: SystemTaskRunner,
  deps: SystemRunDeps,
  run: { log: AttemptLog; signal: AbortSignal; database: ReturnType<typeof lazyEntityManager> },
): Promise<Json | void> {
  const read: Run = ({ text }, params) => within({ execute: (sql, inOrder) => run.database.read(sql, inOrder) })({ name: '', text }, params);
  let jobs: Jobs | undefined;
  return runner.runProcess({
    get em() {
      return run.database.em;
    },
    log: run.log,
    signal: run.signal,
    attempt: 1,
    idempotencyKey: deps.idempotencyKey,
    clock: deps.clock,
    productsFolder: deps.folders.products,
    dataFolder: deps.folders.data,
    progress: () => {},
    checkpoint: async () => {},
    slot: deps.slot,
    result: async () => undefined,
    get jobs() {
      return (jobs ??= new DatabaseJobs({ run: within(run.database.em), read, by: `"${runner.taskName}"` }));
    },
    isSuperseded: async () => false,
    parentResults: async () => [],
    lock: locksOf(deps.hot.run, { owner: `"${runner.taskName}" (${deps.idempotencyKey})`, signal: run.signal }),
  });
}
