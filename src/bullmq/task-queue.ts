import { Worker, type Queue } from 'bullmq';
import { isLimited, type EngineOptions, type EngineTask } from '../engine/engine-options.ts';
import { roomLeft } from '../engine/limits.ts';
import { dispatch, dispatched, giveBack } from './dispatch.ts';
import { connectionOf, openQueue, queueName, type QueuePlace } from './queues.ts';
import { isTicket, ticketId, type Ticket } from './ticket.ts';

/** One task's queue: fills it from the register, and takes tickets out for this daemon. */
export class TaskQueue {
  readonly #options: EngineOptions;
  /** What it is for. */
  readonly task: EngineTask;
  readonly #queue: Queue<Ticket>;
  readonly #worker: Worker<Ticket>;
  #woken = false;
  #looking: Promise<void> | undefined;
  #full = false;
  #again: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param use resolves when the ticket is used up, whatever came of it */
  constructor(options: EngineOptions, place: QueuePlace, task: EngineTask, use: (ticket: Ticket) => Promise<void>) {
    this.#options = options;
    this.task = task;
    this.#queue = openQueue(place, task.id);
    this.#queue.on('error', () => {});
    // A ticket that a dead worker had taken out is free again after as long as an entry is.
    const leaseMs = options.leaseSeconds * 1000;
    this.#worker = new Worker<Ticket>(queueName(task.id), async ({ data }) => {
      if (isTicket(data)) await use(data);
      else options.log.warn({ task: task.name }, 'something that is no ticket came out of the queue and is dropped');
      // There is room for more.
      if (this.#full) void this.wake();
    }, { prefix: place.prefix, connection: { ...connectionOf(place.redisUrl), maxRetriesPerRequest: null }, concurrency: options.concurrency, name: options.actor, lockDuration: leaseMs, stalledInterval: leaseMs });
    this.#worker.on('error', (error) => options.log.debug({ err: error, task: task.name }, 'the connection to Redis'));
  }

  get busy(): boolean {
    return this.#looking !== undefined;
  }

  /** Resolves when the worker listens. */
  async ready(): Promise<void> {
    await Promise.all([this.#queue.waitUntilReady(), this.#worker.waitUntilReady()]);
  }

  wake(): Promise<void> {
    this.#woken = true;
    if (this.#stopped) return Promise.resolve();
    return (this.#looking ??= this.#look());
  }

  /** Takes no ticket out any more, puts none in. */
  async pause(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#again);
    await this.#looking;
    await this.#worker.pause(true).catch(() => {});
  }

  /** Waits for the tickets in use. */
  async close(): Promise<void> {
    await this.#worker.close().catch(() => {});
    await this.#queue.close().catch(() => {});
  }

  async #look(): Promise<void> {
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      try {
        if (await this.#fill()) this.#woken = true;
      } catch (error) {
        this.#options.log.error({ task: this.task.name, err: error }, 'could not dispatch; what was taken for it is dispatched again when its lease is over');
      }
    }
    this.#looking = undefined;
  }

  /** Tickets that the limits would send back are better not made. */
  async #withinLimits(wanted: number): Promise<number> {
    const { hot } = this.#options;
    const { entries, heldBack } = await roomLeft(hot, this.task.id, wanted);
    clearTimeout(this.#again);
    if (heldBack?.againInSeconds !== undefined) this.#again = setTimeout(() => void this.wake(), Math.min(heldBack.againInSeconds, 60) * 1000 + 5);
    return entries - (await dispatched(hot.run, this.task.id));
  }

  /** The register keeps the backlog; the queue holds what the workers take next. @returns whether there may be more */
  async #fill(): Promise<boolean> {
    const { hot, leaseSeconds, concurrency } = this.#options;
    const { id, name, kind, claimFromId, runner } = this.task;
    const free = 2 * concurrency - (await this.#queue.getJobCountByTypes('waiting', 'prioritized', 'delayed'));
    const room = isLimited(this.task) ? Math.min(free, await this.#withinLimits(free)) : free;
    this.#full = room <= 0;
    if (room <= 0) return false;
    const tickets = await dispatch(hot.run, { id, name, kind, claimFromId, version: runner.version }, leaseSeconds, room);
    this.#full = tickets.length === room;
    if (tickets.length === 0) return false;
    try {
      await this.#queue.addBulk(tickets.map(({ subject, ...ticket }) => ({ name: subject, data: ticket, opts: { jobId: ticketId(ticket) } })));
    } catch (error) {
      await giveBack(hot.run, tickets, leaseSeconds).catch(() => {});
      throw error;
    }
    return false;
  }
}
