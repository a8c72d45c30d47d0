import { Queue, type RedisOptions } from 'bullmq';
import type { Run } from '../db/hot.ts';
import { statement } from '../db/hot.ts';
import type { Ticket } from './ticket.ts';

/** Where the queues are: a Redis, and the prefix of this database's keys in it. */
export interface QueuePlace {
  /** `redis://`, `rediss://`, or `unix:` with the path of a socket. */
  redisUrl: string;
  prefix: string;
}

/** One database's keys begin with this; another database on the same Redis has another one. */
export async function queuePrefix(run: Run): Promise<string> {
  const [row] = await run<{ id: string }>(INSTALLATION, []);
  return `afterglow-${row!.id.slice(0, 8)}`;
}

// With the database's own number: a copy of the database has the same installation.
const INSTALLATION = statement(`select md5(i.id::text || d.oid) as id from installation i, pg_database d where d.datname = current_database()`);

/** A task's queue. Nothing of BullMQ's own retries, delays or schedules is used: those are the register's. */
export function openQueue({ redisUrl, prefix }: QueuePlace, taskId: number): Queue<Ticket> {
  return new Queue<Ticket>(queueName(taskId), {
    prefix,
    // A Redis that is away is told of at once; the register dispatches again when the lease is over.
    connection: { ...connectionOf(redisUrl), enableOfflineQueue: false, maxRetriesPerRequest: 1 },
    // A ticket that is used has no id any more: the history is the register's, and the same ticket may be needed again.
    defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
  });
}

/** How a Redis is reached. */
export const connectionOf = (redisUrl: string): RedisOptions => (redisUrl.startsWith('unix:') ? { path: redisUrl.slice('unix:'.length) } : { url: redisUrl });

/** A task's name may be anything, a queue's may not. */
export const queueName = (taskId: number): string => `task-${taskId}`;
