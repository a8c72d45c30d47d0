import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import { isConnectionError } from '../db/connection-error.ts';
import { describeError, storable } from '../db/storable.ts';
import { LeaseLostError, StoppingError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { RunContext } from '../runner/context.ts';
import type { Json } from '../runner/outcome.ts';
import type { SubjectTaskRunner } from '../runner/runner.ts';
import type { StatusMachine } from '../status/machine.ts';
import { PROCESSING } from '../status/status.ts';
import { advance, type Ending } from './advance.ts';
import { AttemptLog } from './attempt-log.ts';
import { claim, type ClaimedEntry } from './claim.ts';
import { CpuMeter } from './cpu-meter.ts';
import { Finisher } from './finisher.ts';
import { lazyEntityManager, type LazyEntityManager } from './lazy-em.ts';
import { Leases } from './leases.ts';
import { Places } from './places.ts';
import { runAttempt, type RunEnd } from './run.ts';

/** A task with the runner that advances it, and its ids in the database. */
export interface EngineTask {
  id: number;
  name: string;
  kind: string;
  /** The status that entries are claimed from. */
  claimFrom: string;
  claimFromId: number;
  timeLimitSeconds: number | null;
  runner: SubjectTaskRunner<unknown>;
}

export interface EngineOptions {
  fork: () => EntityManager;
  tasks: readonly EngineTask[];
  machine: StatusMachine;
  /** Status message → id. */
  statusIds: ReadonlyMap<string, number>;
  daemonId: number;
  /** Who the transitions say did it, e.g. `daemon 3 (host:1234)`. */
  actor: string;
  concurrency: number;
  leaseSeconds: number;
  /** How long a runner that is over its time limit may take to settle, seconds; 5 unless given. */
  settleSeconds?: number;
  folders: { data: string; products: string };
  clock: Clock;
  log: Logger;
}

/** Seconds until an entry that its runner sent back to where it was claimed from may be claimed again. */
const SENT_BACK_SECONDS = 60;

/**
 * Takes eligible entries through their runners: claim → run → advance, task by task, as long as there are any.
 *
 * `wake` says that a task may have eligible entries; the engine then claims until there are none. It never polls: ticks,
 * notifications of the database and its own claims that came back full wake it.
 */
export class Engine {
  readonly leases = new Leases();
  readonly #options: EngineOptions;
  readonly #places: Places;
  readonly #loops = new Map<number, TaskLoop>();
  readonly #finishers: Finisher[] = [];
  /** Shares this process's CPU time out among what runs. */
  readonly cpu = new CpuMeter();
  readonly #statuses: ReadonlySet<string>;
  #ended = 0;
  #stopping = false;
  #onQuiet: () => void = () => {};

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#places = new Places(options.concurrency);
    this.#statuses = new Set(options.statusIds.keys());
    for (const task of options.tasks) {
      const finisher = new Finisher(options.fork, task.id, options.actor);
      this.#finishers.push(finisher);
      this.#loops.set(task.id, new TaskLoop(options, task, this.#places, (entry) => this.#attempt(task, entry, finisher)));
    }
  }

  /** Attempts that run here now. */
  get running(): number {
    return this.#places.running;
  }

  /** Attempts that have ended here. */
  get ended(): number {
    return this.#ended;
  }

  /** Whether nothing is claimed and no claim is on its way. */
  get quiet(): boolean {
    return this.#places.held === 0 && [...this.#loops.values()].every((loop) => !loop.busy);
  }

  /** Called whenever the last claimed entry has been written, or a look found nothing and nothing runs. */
  onQuiet(listener: () => void): void {
    this.#onQuiet = listener;
  }

  /** Looks for eligible entries of a task, or of all. Resolves when a look that began after the call found no more. */
  async wake(taskId?: number): Promise<void> {
    const loops = taskId === undefined ? [...this.#loops.values()] : [this.#loops.get(taskId)].filter((loop) => loop !== undefined);
    await Promise.all(loops.map((loop) => loop.wake()));
    this.#settle();
  }

  /** Runs one entry that was claimed by other means; resolves when its end is written. */
  async runClaimed(entry: ClaimedEntry): Promise<void> {
    this.#places.take();
    await this.#loops.get(entry.taskId)!.begin(entry);
  }

  /**
   * Claims no more, lets what runs finish within the grace time, then tells it to stop and hands it back. A database that
   * is away is waited for as long as the grace time lasts; after it, leases that could not be given back run out.
   *
   * @param graceSeconds 0 hands back at once
   */
  async stop(graceSeconds: number): Promise<void> {
    this.#stopping = true;
    for (const loop of this.#loops.values()) loop.stop();
    // What was claimed and has not begun goes back at once, as does what a claim on its way still brings.
    for (const attempt of this.leases.all) if (!attempt.begun) attempt.abort(new StoppingError());
    this.#places.hurry();
    await Promise.race([this.#drained(), new Promise((resolve) => setTimeout(resolve, graceSeconds * 1000).unref())]);
    this.handBack();
    for (const finisher of this.#finishers) finisher.hurry();
    await this.#drained();
  }

  /** Tells everything that runs to stop and hands it back at once. */
  handBack(): void {
    for (const attempt of this.leases.all) attempt.abort(new StoppingError());
  }

  // A turn later, when the loops have noticed too.
  #settle(): void {
    setImmediate(() => {
      if (this.quiet) this.#onQuiet();
    });
  }

  async #drained(): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.drained()));
  }

  #attempt(task: EngineTask, entry: ClaimedEntry, finisher: Finisher): Promise<void> {
    const abort = new AbortController();
    const held = {
      ...entry, task: task.name, subject: entry.subject.name, begun: false, progress: undefined as number | undefined,
      abort: (reason: Error) => abort.abort(reason),
    };
    this.leases.add(held);
    if (this.#stopping) abort.abort(new StoppingError());
    return new Promise((resolve) => {
      this.#places.run(async () => {
        held.begun = true;
        const { end, database, log, wallSeconds, cpuSeconds } = await this.#run(task, entry, abort, held);
        // The place is free for the next run while the end of this one is written.
        void this.#write(task, entry, finisher, end, { database, log, wallSeconds, cpuSeconds }).finally(() => {
          this.leases.delete(entry);
          this.#ended += 1;
          resolve();
          this.#settle();
        });
      });
      if (this.#stopping) this.#places.hurry();
    });
  }

  async #run(task: EngineTask, entry: ClaimedEntry, abort: AbortController, held: { progress: number | undefined }) {
    const options = this.#options;
    const log = new AttemptLog(options.log.child({ task: task.name, subject: entry.subject.name, attempt: entry.attempt }), options.clock);
    const database = lazyEntityManager(options.fork);
    const context: RunContext = {
      get em() {
        return database.em;
      },
      log,
      signal: abort.signal,
      attempt: entry.attempt,
      idempotencyKey: `${entry.subjectId}-${task.id}-${entry.attempt}`,
      clock: options.clock,
      productsFolder: options.folders.products,
      dataFolder: options.folders.data,
      progress: (fraction) => {
        held.progress = Math.min(1, Math.max(0, Number(fraction) || 0));
      },
      result: (name) => resultOf(database, entry.subjectId, name),
    };
    const cpu = this.cpu.start();
    const started = options.clock.monotonicMs();
    const end = abort.signal.aborted
      ? abort.signal.reason instanceof LeaseLostError ? undefined : ({ cause: 'release', status: task.claimFrom } satisfies RunEnd)
      : await runAttempt(task.runner, entry.subject, context, abort, {
          timeLimitSeconds: task.runner.timeLimitSeconds ?? task.timeLimitSeconds,
          statuses: this.#statuses,
          claimFrom: task.claimFrom,
          settleSeconds: options.settleSeconds,
        });
    return { end, database, log, wallSeconds: (options.clock.monotonicMs() - started) / 1000, cpuSeconds: cpu() };
  }

  async #write(
    task: EngineTask,
    entry: ClaimedEntry,
    finisher: Finisher,
    end: RunEnd | undefined,
    run: { database: LazyEntityManager; log: AttemptLog; wallSeconds: number; cpuSeconds: number },
  ): Promise<void> {
    const { log } = this.#options;
    const where = { task: task.name, subject: entry.subject.name, attempt: entry.attempt };
    const lost = () => log.warn({ ...where, err: new LeaseLostError({ ...where }) }, 'an attempt came too late and wrote nothing');
    try {
      if (end === undefined) {
        await run.database.rollback();
        return lost();
      }
      if (end.cause === 'finish' && run.database.wrote) {
        const failure = await this.#commitTogether(task, entry, end, run);
        if (failure === undefined) return;
        if (failure instanceof LeaseLostError) return lost();
        end = failedBy(task, failure);
      } else {
        await run.database.rollback();
      }
      // The database went away or ended a deadlock: not the runner's fault, and another attempt may do better.
      if (end.cause === 'fail' && run.database.interrupted) end = { cause: 'release', status: task.claimFrom };
      // The stack is kept with the attempt; a thousand of them would hide everything else here.
      if (end.error !== undefined) log.warn({ ...where, status: end.status }, `attempt failed: ${describeError(end.error).message}`);
      if (!(await this.#finish(task, entry, finisher, end, run))) lost();
    } catch (error) {
      // The lease runs out, and the entry is rescued.
      log.error({ ...where, err: error }, 'the end of an attempt could not be written');
    }
  }

  /** Where the database does not take what a runner gave, the attempt has failed of that: nothing must be left in processing. */
  async #finish(task: EngineTask, entry: ClaimedEntry, finisher: Finisher, end: RunEnd, run: { log: AttemptLog; wallSeconds: number; cpuSeconds: number }): Promise<boolean> {
    try {
      return await finisher.finish(this.#ending(task, entry, end, run));
    } catch (error) {
      if (isConnectionError(error)) throw error;
      this.#options.log.error({ task: task.name, subject: entry.subject.name, attempt: entry.attempt, err: error }, 'the end of an attempt was refused by the database; it has failed');
      return finisher.finish({ ...this.#ending(task, entry, failedBy(task, error), run), log: undefined });
    }
  }

  /** The runner's rows and the new status, or neither. @returns what kept it from being committed */
  async #commitTogether(
    task: EngineTask,
    entry: ClaimedEntry,
    end: RunEnd,
    run: { database: LazyEntityManager; log: AttemptLog; wallSeconds: number; cpuSeconds: number },
  ): Promise<unknown> {
    try {
      await run.database.commit(async (em) => {
        const held = await advance(em, task.id, this.#options.actor, [this.#ending(task, entry, end, run)]);
        if (held.size === 0) throw new LeaseLostError({ task: task.name, subject: entry.subject.name, attempt: entry.attempt });
      });
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #ending(task: EngineTask, entry: ClaimedEntry, end: RunEnd, run: { log: AttemptLog; wallSeconds: number; cpuSeconds: number }): Ending {
    // The machine decides whether the move is legal; what is written is what it answers.
    const next = this.#options.machine.next(
      { status: PROCESSING, attempt: entry.attempt, unmet: 0 },
      { type: end.cause, status: end.status, attempt: entry.attempt } as Parameters<StatusMachine['next']>[1],
    );
    return {
      subjectId: entry.subjectId,
      attempt: entry.attempt,
      statusId: this.#options.statusIds.get(next.status)!,
      cause: end.cause,
      outcome: OUTCOMES[end.cause],
      wallSeconds: run.wallSeconds,
      cpuSeconds: run.cpuSeconds,
      result: end.result,
      warning: end.warning,
      cost: end.cost,
      error: end.error === undefined ? undefined : describeError(end.error),
      log: storable(run.log.lines, 'log'),
      dueInSeconds: end.cause === 'finish' && next.status === task.claimFrom ? SENT_BACK_SECONDS : undefined,
    };
  }
}

const failedBy = (task: EngineTask, error: unknown): RunEnd => ({ cause: 'fail', status: task.runner.failedStatusMessage, error });

const OUTCOMES = { finish: 'finished', fail: 'failed', 'time out': 'timed out', release: 'released' } as const;

async function resultOf(database: LazyEntityManager, subjectId: string, task: string): Promise<Json | undefined> {
  const rows = await database.read<{ result: Json | null }>(
    `select a.result
       from attempt a
       join task t on t.id = a.task_id
      where a.subject_id = ? and t.name = ? and a.outcome = 'finished'
      order by a.attempt desc
      limit 1`,
    [subjectId, task],
  );
  return rows[0]?.result ?? undefined;
}

/** Claims the entries of one task as long as there are any. */
class TaskLoop {
  readonly #options: EngineOptions;
  readonly #task: EngineTask;
  readonly #places: Places;
  readonly #attempt: (entry: ClaimedEntry) => Promise<void>;
  readonly #open = new Set<Promise<void>>();
  #woken = false;
  #stopped = false;
  #looking: Promise<void> | undefined;

  constructor(options: EngineOptions, task: EngineTask, places: Places, attempt: (entry: ClaimedEntry) => Promise<void>) {
    this.#options = options;
    this.#task = task;
    this.#places = places;
    this.#attempt = attempt;
  }

  get busy(): boolean {
    return this.#looking !== undefined || this.#open.size > 0;
  }

  stop(): void {
    this.#stopped = true;
  }

  async drained(): Promise<void> {
    await this.#looking;
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  // A wake that comes while a claim is on its way must not be lost: what it announces may have come after the claim's look.
  wake(): Promise<void> {
    this.#woken = true;
    if (this.#stopped) return Promise.resolve();
    return (this.#looking ??= this.#look());
  }

  async #look(): Promise<void> {
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      const room = await this.#places.reserve();
      const claimed = await this.#claim(room);
      this.#places.free(room - claimed.length);
      if (claimed.length === room) this.#woken = true;
      for (const entry of claimed) void this.begin(entry);
    }
    // In the same turn as the check above: a wake after it starts a new look.
    this.#looking = undefined;
  }

  async #claim(room: number): Promise<ClaimedEntry[]> {
    if (this.#stopped) return [];
    const { fork, daemonId, actor, leaseSeconds, log } = this.#options;
    const { id, name, kind, claimFromId, runner } = this.#task;
    try {
      return await claim(fork(), { id, name, kind, claimFromId, version: runner.version }, { daemonId, actor, leaseSeconds }, room);
    } catch (error) {
      log.error({ task: name, err: error }, 'could not claim; the next tick tries again');
      return [];
    }
  }

  /** Resolves when the entry's end is written. */
  begin(entry: ClaimedEntry): Promise<void> {
    const open = this.#attempt(entry).finally(() => {
      this.#open.delete(open);
      this.#places.free(1);
    });
    this.#open.add(open);
    return open;
  }
}
