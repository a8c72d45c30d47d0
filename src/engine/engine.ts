import { StoppingError } from '../errors.ts';
import { Attempt } from './attempt.ts';
import type { ClaimedEntry } from './claim.ts';
import { CpuMeter } from './cpu-meter.ts';
import type { EngineOptions, EngineTask } from './engine-options.ts';
import { Finisher } from './finisher.ts';
import { Leases } from './leases.ts';
import { Places } from './places.ts';
import { TaskLoop } from './task-loop.ts';
import { Unsettled } from './unsettled.ts';

/**
 * Takes eligible entries through their runners: claim → run → advance, task by task, as long as there are any.
 *
 * `wake` says that a task may have eligible entries; the engine then claims until there are none. It never polls: ticks,
 * notifications of the database and its own claims that came back full wake it.
 */
export class Engine {
  readonly leases = new Leases();
  /** The runs that go on here after they were given up. */
  readonly unsettled: Unsettled;
  readonly #options: EngineOptions;
  readonly #places: Places;
  readonly #loops = new Map<number, TaskLoop>();
  readonly #finishers: Finisher[] = [];
  /** Shares this process's CPU time out among what runs. */
  readonly cpu = new CpuMeter();
  readonly #statuses: ReadonlySet<string>;
  readonly #errorStatuses: ReadonlySet<string>;
  #ended = 0;
  #stopping = false;
  #onQuiet: () => void = () => {};

  constructor(options: EngineOptions) {
    this.#options = options;
    this.unsettled = new Unsettled(options.clock, options.log);
    this.#places = new Places(options.concurrency);
    this.#statuses = new Set(options.statusIds.keys());
    this.#errorStatuses = new Set(options.machine.statuses.filter(({ type }) => type === 'error').map(({ message }) => message));
    for (const task of options.tasks) {
      const finisher = new Finisher(options, task);
      this.#finishers.push(finisher);
      this.#loops.set(task.id, new TaskLoop(options, task, this.#places, (entry) => this.#begin(task, entry, finisher)));
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

  #begin(task: EngineTask, entry: ClaimedEntry, finisher: Finisher): Promise<void> {
    const deps = { options: this.#options, cpu: this.cpu, statuses: this.#statuses, errorStatuses: this.#errorStatuses, finisher, unsettled: this.unsettled };
    const attempt = new Attempt(deps, task, entry);
    this.leases.add(attempt);
    if (this.#stopping) attempt.abort(new StoppingError());
    return new Promise((resolve) => {
      this.#places.run(async () => {
        // Later in this turn: a runner may hold the loop up from its first line on, and by then all that was claimed with it must be
        // known to whoever keeps the leases.
        await Promise.resolve();
        await attempt.run();
        // The place is free for the next run while the end of this one is written.
        void attempt.write().finally(() => {
          this.leases.delete(attempt);
          this.#ended += 1;
          resolve();
          this.#settle();
        });
      });
      if (this.#stopping) this.#places.hurry();
    });
  }
}
