import { StoppingError } from '../errors.ts';
import { Attempt } from './attempt.ts';
import type { ClaimedEntry } from './claim.ts';
import { CpuMeter } from './cpu-meter.ts';
import { isIsolated, type EngineOptions, type EngineTask, type EngineWork } from './engine-options.ts';
import { Finisher } from './finisher.ts';
import { Leases } from './leases.ts';
import { Places } from './places.ts';
import { Qualification } from './qualification.ts';
import { Qualifying } from './qualifying.ts';
import type { Engine } from './port.ts';
import { TaskLoop } from './task-loop.ts';
import { Unsettled } from './unsettled.ts';

/**
 * Takes eligible entries through their runners: claim → run → advance, task by task, as long as there are any.
 *
 * `wake` says that a task may have eligible entries; the engine then claims until there are none. It never polls: ticks,
 * notifications of the database and its own claims that came back full wake it.
 */
export class LocalEngine implements Engine {
  readonly leases = new Leases();
  /** The runs that go on here after they were given up. */
  readonly unsettled: Unsettled;
  #options: EngineOptions;
  readonly #places: Places;
  /** For attempts in processes of their own: they neither wait for the others nor keep them waiting. */
  readonly #isolatedPlaces: Places | undefined;
  readonly #qualifying: Qualifying;
  readonly #lines = new Map<number, Line>();
  /** Those of tasks that are gone or have changed since, until what they have claimed is written. */
  readonly #leaving = new Set<Line>();
  /** Shares this process's CPU time out among what runs. */
  readonly cpu = new CpuMeter();
  #statuses: ReadonlySet<string> = new Set();
  #errorStatuses: ReadonlySet<string> = new Set();
  #ended = 0;
  #stopping = false;
  #onQuiet: () => void = () => {};

  constructor(options: EngineOptions) {
    this.#options = options;
    this.unsettled = new Unsettled(options.clock, options.log);
    this.#places = new Places(options.concurrency);
    this.#isolatedPlaces = options.isolation === undefined ? undefined : new Places(options.isolation.most);
    this.#qualifying = new Qualifying(options);
    this.take(options);
  }

  /**
   * Goes on with this work in place of that of before. Of tasks that are gone or have changed no more is claimed the old way;
   * what of them is claimed already is run and written as it would have been.
   */
  take({ tasks, machine, statusIds }: EngineWork): void {
    this.#options = { ...this.#options, tasks, machine, statusIds };
    this.#statuses = new Set(statusIds.keys());
    this.#errorStatuses = new Set(machine.statuses.filter(({ type }) => type === 'error').map(({ message }) => message));
    const kept = new Set(tasks.filter((task) => isSame(task, this.#lines.get(task.id)?.task)).map(({ id }) => id));
    for (const line of this.#lines.values()) if (!kept.has(line.task.id)) this.#leave(line);
    for (const task of tasks) if (!kept.has(task.id)) this.#lines.set(task.id, this.#lineOf(task));
  }

  #lineOf(task: EngineTask): Line {
    const finisher = new Finisher(this.#options, task);
    const qualification = task.runner.qualifiers.length === 0 ? undefined : new Qualification(this.#qualifying, task);
    const loop = new TaskLoop(this.#options, task, this.#placesOf(task), (entry) => this.#begin(task, entry, finisher), qualification);
    if (this.#stopping) loop.stop();
    return { task, loop, finisher, qualification };
  }

  #leave(line: Line): void {
    line.loop.stop();
    this.#lines.delete(line.task.id);
    this.#leaving.add(line);
    // Where the task is still one of ours, what is written of it is the new line's.
    const close = async () => this.#lines.get(line.task.id)?.qualification === undefined ? line.qualification?.close() : undefined;
    void line.loop.drained().then(close).finally(() => {
      this.#leaving.delete(line);
      this.#settle();
    });
  }

  #placesOf(task: EngineTask): Places {
    return (isIsolated(task) ? this.#isolatedPlaces : undefined) ?? this.#places;
  }

  get #allPlaces(): Places[] {
    return this.#isolatedPlaces === undefined ? [this.#places] : [this.#places, this.#isolatedPlaces];
  }

  get #allLines(): Line[] {
    return [...this.#lines.values(), ...this.#leaving];
  }

  /** Attempts that run here now. */
  get running(): number {
    return this.#allPlaces.reduce((sum, { running }) => sum + running, 0);
  }

  /** Attempts that have ended here. */
  get ended(): number {
    return this.#ended;
  }

  /** Whether nothing is claimed and no claim is on its way. */
  get quiet(): boolean {
    return this.#allPlaces.every(({ held }) => held === 0) && this.#allLines.every(({ loop }) => !loop.busy);
  }

  /** Called whenever the last claimed entry has been written, or a look found nothing and nothing runs. */
  onQuiet(listener: () => void): void {
    this.#onQuiet = listener;
  }

  /** Looks for eligible entries of a task, or of all. Resolves when a look that began after the call found no more. */
  async wake(taskId?: number): Promise<void> {
    const lines = taskId === undefined ? this.#allLines : [this.#lines.get(taskId)].filter((line) => line !== undefined);
    await Promise.all(lines.map(({ loop }) => loop.wake()));
    this.#settle();
  }

  isHeldBack(taskId: number): boolean {
    return this.#lines.get(taskId)?.loop.heldBackBy !== undefined;
  }

  unqualified(taskId: number): string | undefined {
    return this.#lines.get(taskId)?.qualification?.stalled;
  }

  async settingsChanged(): Promise<void> {
    this.#qualifying.changed();
    await Promise.all([...this.#lines.values()].filter(({ qualification }) => qualification !== undefined).map(({ task }) => this.wake(task.id)));
  }

  /** Why an entry of a task does not qualify here now, and for how many seconds; undefined where it does. */
  async setbackOf(taskId: number, subjectId: string): Promise<{ reason: string; againInSeconds: number } | undefined> {
    return this.#lines.get(taskId)?.qualification?.setbackOf(subjectId);
  }

  /** Runs one entry that was claimed by other means; resolves when its end is written. */
  async runClaimed(entry: ClaimedEntry): Promise<void> {
    const { task, loop } = this.#lines.get(entry.taskId)!;
    this.#placesOf(task).take();
    await loop.begin(entry);
  }

  /**
   * Claims no more, lets what runs finish within the grace time, then tells it to stop and hands it back. A database that
   * is away is waited for as long as the grace time lasts; after it, leases that could not be given back run out.
   *
   * @param graceSeconds 0 hands back at once
   */
  async stop(graceSeconds: number): Promise<void> {
    this.#stopping = true;
    for (const { loop } of this.#allLines) loop.stop();
    // What was claimed and has not begun goes back at once, as does what a claim on its way still brings.
    for (const attempt of this.leases.all) if (!attempt.begun) attempt.abort(new StoppingError());
    for (const places of this.#allPlaces) places.hurry();
    await Promise.race([this.#drained(), new Promise((resolve) => setTimeout(resolve, graceSeconds * 1000).unref())]);
    this.handBack();
    for (const { finisher } of this.#allLines) finisher.hurry();
    await this.#drained();
    for (const { qualification } of this.#allLines) await qualification?.close();
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
    await Promise.all(this.#allLines.map(({ loop }) => loop.drained()));
  }

  #begin(task: EngineTask, entry: ClaimedEntry, finisher: Finisher): Promise<void> {
    const deps = { options: this.#options, cpu: this.cpu, statuses: this.#statuses, errorStatuses: this.#errorStatuses, finisher, unsettled: this.unsettled };
    const attempt = new Attempt(deps, task, entry);
    this.leases.add(attempt);
    if (this.#stopping) attempt.abort(new StoppingError());
    const places = this.#placesOf(task);
    return new Promise((resolve) => {
      places.run(async () => {
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
      if (this.#stopping) places.hurry();
    });
  }
}

/** What an engine has of one task. */
interface Line {
  task: EngineTask;
  loop: TaskLoop;
  finisher: Finisher;
  /** Undefined for a task without qualifiers. */
  qualification: Qualification | undefined;
}

/** Whether it is the same task, claimed and run in the same way. */
export const isSame = (one: EngineTask, other: EngineTask | undefined): boolean =>
  other !== undefined && (Object.keys(one) as (keyof EngineTask)[]).every((key) => one[key] === other[key]);
