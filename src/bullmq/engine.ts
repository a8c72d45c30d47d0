import { isSame, LocalEngine } from '../engine/engine.ts';
import type { ClaimedEntry } from '../engine/claim.ts';
import { isIsolated, isLimited, type EngineOptions, type EngineTask, type EngineWork } from '../engine/engine-options.ts';
import { claimOneLimited } from '../engine/limits.ts';
import type { Engine } from '../engine/port.ts';
import { Gate } from './gate.ts';
import type { QueuePlace } from './queues.ts';
import { Starter } from './starter.ts';
import { TaskQueue } from './task-queue.ts';
import type { Ticket } from './ticket.ts';

/** What does not qualify where its ticket came out is dispatched again after so long at most, seconds: another daemon, or a changed setting, may let it through. */
const LONGEST_SETBACK_SECONDS = 30;

/**
 * The engine that carries entries through BullMQ: `wake` puts tickets for what may run into the tasks' queues, and whoever
 * takes a ticket out claims its entry and runs it like any other, with the same fence, lease, limits and ends.
 *
 * Redis may forget everything at any time: a ticket that is lost is made again when the entry's `due_at` has come.
 */
export class BullEngine implements Engine {
  readonly #local: LocalEngine;
  readonly #place: QueuePlace;
  #options: EngineOptions;
  readonly #queues = new Map<number, TaskQueue>();
  readonly #starters = new Map<number, Starter>();
  readonly #gate: Gate;
  /** Attempts in processes of their own do not wait for those that run here. */
  readonly #isolatedGate: Gate;
  #onQuiet: () => void = () => {};

  constructor(options: EngineOptions, place: QueuePlace) {
    this.#options = options;
    this.#place = place;
    this.#local = new LocalEngine(options);
    this.#local.onQuiet(() => this.#settle());
    this.#gate = new Gate(options.concurrency);
    this.#isolatedGate = new Gate(options.isolation?.most ?? options.concurrency);
    this.#open();
  }

  get leases() {
    return this.#local.leases;
  }

  get unsettled() {
    return this.#local.unsettled;
  }

  get cpu() {
    return this.#local.cpu;
  }

  get running(): number {
    return this.#local.running;
  }

  get ended(): number {
    return this.#local.ended;
  }

  get quiet(): boolean {
    return this.#local.quiet && this.#gate.empty && this.#isolatedGate.empty && [...this.#queues.values()].every((queue) => !queue.busy);
  }

  onQuiet(listener: () => void): void {
    this.#onQuiet = listener;
  }

  take(work: EngineWork): void {
    this.#options = { ...this.#options, ...work };
    this.#local.take(work);
    this.#starters.clear();
    for (const [id, queue] of this.#queues) {
      if (work.tasks.some((task) => isSame(task, queue.task))) continue;
      this.#queues.delete(id);
      void queue.pause().then(() => queue.close());
    }
    this.#open();
  }

  #open(): void {
    for (const task of this.#options.tasks) {
      if (!this.#queues.has(task.id)) this.#queues.set(task.id, new TaskQueue(this.#options, this.#place, task, (ticket) => this.#use(ticket)));
    }
  }

  async wake(taskId?: number): Promise<void> {
    const queues = taskId === undefined ? [...this.#queues.values()] : [this.#queues.get(taskId)].filter((queue) => queue !== undefined);
    await Promise.all(queues.map((queue) => queue.wake()));
    this.#settle();
  }

  /** What a limit holds back waits in its queue. */
  isHeldBack(): boolean {
    return false;
  }

  unqualified(taskId: number): string | undefined {
    return this.#local.unqualified(taskId);
  }

  async settingsChanged(): Promise<void> {
    await this.#local.settingsChanged();
  }

  runClaimed(entry: ClaimedEntry): Promise<void> {
    return this.#local.runClaimed(entry);
  }

  async stop(graceSeconds: number): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.pause()));
    this.#gate.close();
    this.#isolatedGate.close();
    await this.#local.stop(graceSeconds);
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  handBack(): void {
    this.#local.handBack();
  }

  /** @returns after how many seconds the ticket's entry is to be dispatched again; undefined where it was run, or what became of it is not known */
  async #use(ticket: Ticket): Promise<number | undefined> {
    const task = this.#options.tasks.find(({ id }) => id === ticket.taskId);
    if (task === undefined) return 0;
    const gate = isIsolated(task) ? this.#isolatedGate : this.#gate;
    if (!(await gate.enter())) return 0;
    try {
      const setback = await this.#local.setbackOf(task.id, ticket.subjectId);
      if (setback !== undefined) return Math.min(Math.max(1, setback.againInSeconds), LONGEST_SETBACK_SECONDS);
      const { entry, againInSeconds } = await this.#claim(task, ticket);
      if (entry === undefined) return againInSeconds;
      await this.#local.runClaimed(entry);
      return undefined;
    } catch (error) {
      this.#options.log.error({ task: task.name, err: error }, 'could not claim what came from the queue; it is dispatched again when its lease is over');
      return undefined;
    } finally {
      gate.leave();
      this.#settle();
    }
  }

  /**
   * No entry where the limits leave no room now, where the ticket is stale (the entry was claimed, held or reset meanwhile), or where
   * somebody has the entry locked for a moment: a person who edits it, or another daemon whose dispatch just came too late for it. A
   * stale ticket gives nothing back, so the last two need not be told apart.
   */
  async #claim(task: EngineTask, ticket: Ticket): Promise<{ entry?: ClaimedEntry | undefined; againInSeconds: number }> {
    const { hot, daemonId, actor, leaseSeconds } = this.#options;
    const claimTask = { ...task, version: task.runner.version };
    const by = { daemonId, actor, leaseSeconds };
    if (!isLimited(task)) return { entry: await this.#starterOf(task.id, () => new Starter(hot.run, claimTask, by)).start(ticket), againInSeconds: 0 };
    const { entries, heldBack } = await claimOneLimited(hot, claimTask, by, ticket.subjectId, ticket.attempt);
    return { entry: entries[0], againInSeconds: heldBack === undefined ? 0 : (heldBack.againInSeconds ?? 1) };
  }

  #starterOf(taskId: number, make: () => Starter): Starter {
    const found = this.#starters.get(taskId) ?? make();
    this.#starters.set(taskId, found);
    return found;
  }

  #settle(): void {
    setImmediate(() => {
      if (this.quiet) this.#onQuiet();
    });
  }
}
