import { setTimeout as delay } from 'node:timers/promises';
import { Worker, type Queue } from 'bullmq';
import { isLimited, type EngineOptions, type EngineTask } from '../engine/engine-options.ts';
import { roomLeft } from '../engine/limits.ts';
import { dispatch, dispatched, giveBack } from './dispatch.ts';
import { connectionOf, openQueue, queueName, type QueuePlace } from './queues.ts';
import { isTicket, ticketId, type Ticket } from './ticket.ts';

/** Waits after a look that failed, seconds; they double up to the longest. */
const [FIRST_AGAIN_SECONDS, LONGEST_AGAIN_SECONDS] = [1, 30];
/** Waits until an entry that somebody has locked is given back, milliseconds; they double up to the longest. */
const [FIRST_LOCKED_MS, LONGEST_LOCKED_MS] = [10, 1000];
/** How long Redis may take to answer when everything is over and only the books in it are to be closed. */
const CLOSE_MS = 2000;

/** One task's queue: fills it from the register, and takes tickets out for this daemon. */
export class TaskQueue {
  readonly #options: EngineOptions;
  /** What it is for. */
  readonly task: EngineTask;
  readonly #queue: Queue<Ticket>;
  readonly #worker: Worker<Ticket, number | undefined>;
  #woken = false;
  #looking: Promise<void> | undefined;
  #full = false;
  #again: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;
  #closed: Promise<void> | undefined;
  readonly #closing = new AbortController();
  readonly #givingBack = new Set<Promise<void>>();
  readonly #using = new Set<Promise<unknown>>();

  /** @param use resolves when the ticket is used up: with the seconds after which its entry is to be dispatched again, undefined where it is not */
  constructor(options: EngineOptions, place: QueuePlace, task: EngineTask, use: (ticket: Ticket) => Promise<number | undefined>) {
    this.#options = options;
    this.task = task;
    this.#queue = openQueue(place, task.id);
    this.#queue.on('error', () => {});
    // A ticket that a dead worker had taken out is free again after as long as an entry is.
    const leaseMs = options.leaseSeconds * 1000;
    this.#worker = new Worker<Ticket, number | undefined>(queueName(task.id), async ({ data }) => {
      const ticket = isTicket(data) ? data : undefined;
      if (ticket === undefined) options.log.warn({ task: task.name }, 'something that is no ticket came out of the queue and is dropped');
      // There is room for more. Who found none before may be another daemon, which takes no ticket out for hours.
      if (this.#full || ticket?.more === true) void this.wake();
      return ticket && this.#noted(use(ticket));
    }, { prefix: place.prefix, connection: { ...connectionOf(place.redisUrl), maxRetriesPerRequest: null }, concurrency: options.concurrency, name: options.actor, lockDuration: leaseMs, stalledInterval: leaseMs });
    // Not before the ticket is gone from Redis: as long as it lies there, BullMQ ignores another one of the same id, without a word.
    this.#worker.on('completed', ({ data }, againInSeconds) => {
      if (typeof againInSeconds === 'number') this.#giveBack(data, againInSeconds);
    });
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
    await isOver(this.#looking);
    await isOver(this.#worker.pause(true));
  }

  /** Waits for the tickets in use, however long that is, but not for a Redis that is away: what it still holds goes by its leases. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const closed = this.#worker.close();
    while (this.#using.size > 0) await Promise.all(this.#using);
    const isInOrder = await isOver(closed);
    this.#closing.abort();
    await Promise.all(this.#givingBack);
    if (isInOrder && (await isOver(this.#queue.close()))) return;
    this.#options.log.warn({ task: this.task.name }, 'Redis does not answer; what lies in it is left to its leases');
    // They would connect anew for ever. Where there is nothing to cut, BullMQ waits for the end of it, so we do not.
    for (const one of [this.#worker, this.#queue]) void one.disconnect().catch(() => {});
  }

  #noted<T>(using: Promise<T>): Promise<T> {
    this.#using.add(using);
    return using.finally(() => this.#using.delete(using));
  }

  async #look(): Promise<void> {
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      try {
        await this.#fill();
        this.#failures = 0;
      } catch (error) {
        const againInSeconds = Math.min(FIRST_AGAIN_SECONDS * 2 ** this.#failures, LONGEST_AGAIN_SECONDS);
        this.#failures += 1;
        this.#options.log.error({ task: this.task.name, err: error }, `could not dispatch; trying again in ${againInSeconds} s. What was taken for it is dispatched again when its lease is over`);
        this.#lookAgainIn(againInSeconds);
      }
    }
    this.#looking = undefined;
  }

  // Nobody tells when Redis or the database is back, or room of a limit has come free.
  #lookAgainIn(seconds: number): void {
    clearTimeout(this.#again);
    if (!this.#stopped) this.#again = setTimeout(() => void this.wake(), seconds * 1000 + 5);
  }

  #giveBack(ticket: Ticket, againInSeconds: number): void {
    const giving = this.#giveBackUnlocked(ticket, againInSeconds)
      .catch((error: unknown) => this.#options.log.debug({ task: this.task.name, err: error }, 'could not give an entry back; it is dispatched again when its lease is over'))
      .finally(() => this.#givingBack.delete(giving));
    this.#givingBack.add(giving);
  }

  async #giveBackUnlocked(ticket: Ticket, againInSeconds: number): Promise<void> {
    const { signal } = this.#closing;
    for (let waitMs = FIRST_LOCKED_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_LOCKED_MS)) {
      if ((await giveBack(this.#options.hot.run, [ticket], againInSeconds)) === 0 || signal.aborted) return;
      await delay(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Tickets that the limits would send back are better not made. */
  async #withinLimits(wanted: number): Promise<number> {
    const { hot } = this.#options;
    const { entries, heldBack } = await roomLeft(hot, this.task.id, wanted);
    clearTimeout(this.#again);
    if (heldBack?.againInSeconds !== undefined) this.#lookAgainIn(Math.min(heldBack.againInSeconds, 60));
    return entries - (await dispatched(hot.run, this.task.id));
  }

  /** The register keeps the backlog; the queue holds what the workers take next. */
  async #fill(): Promise<void> {
    const { hot, leaseSeconds, concurrency } = this.#options;
    const { id, name, kind, claimFromId, runner } = this.task;
    const free = 2 * concurrency - (await this.#queue.getJobCountByTypes('waiting', 'prioritized', 'delayed'));
    const room = isLimited(this.task) ? Math.min(free, await this.#withinLimits(free)) : free;
    this.#full = room <= 0;
    if (room <= 0) return;
    const tickets = await dispatch(hot.run, { id, name, kind, claimFromId, version: runner.version }, leaseSeconds, room);
    this.#full = tickets.length === room;
    if (tickets.length === 0) return;
    try {
      await this.#queue.addBulk(tickets.map(({ subject, ...ticket }) => ({ name: subject, data: this.#full ? { ...ticket, more: true } : ticket, opts: { jobId: ticketId(ticket) } })));
    } catch (error) {
      await giveBack(hot.run, tickets, leaseSeconds).catch(() => {});
      throw error;
    }
  }
}

/** Whether it has come to an end, good or bad, within {@link CLOSE_MS}. */
async function isOver(act: Promise<unknown> | undefined): Promise<boolean> {
  const settled = Promise.resolve(act).then(() => true, () => true);
  const impatience = new AbortController();
  return Promise.race([settled, delay(CLOSE_MS, false, { signal: impatience.signal }).catch(() => false)]).finally(() => impatience.abort());
}
