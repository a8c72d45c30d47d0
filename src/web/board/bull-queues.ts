import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { Queue } from 'bullmq';
import { openQueue, type QueuePlace } from '../../bullmq/queues.ts';
import type { Ticket } from '../../bullmq/ticket.ts';
import type { BoardTask } from './catalogue.ts';

/** BullMQ's own queues, for the board to show beside the tasks that they carry. */
export interface BullQueues {
  /** The queue of a task; to look at only, since what lies in it is decided by the register. */
  adapterOf(task: BoardTask): BullMQAdapter;
  close(): Promise<void>;
}

/** Opens queues when they are first asked for. */
export function bullQueues(place: QueuePlace): BullQueues {
  const queues = new Map<number, Queue<Ticket>>();
  return {
    adapterOf({ id, name }) {
      let queue = queues.get(id);
      if (queue === undefined) {
        queue = openQueue(place, id);
        // The board says itself that Redis does not answer.
        queue.on('error', () => {});
        queues.set(id, queue);
      }
      return new BullMQAdapter(queue, {
        readOnlyMode: true, displayName: `${name} · in BullMQ`,
        description: `What lies in Redis of "${name}" and waits for a worker. The task itself, with what is done and what failed, is the queue "${name}".`,
      });
    },
    async close() {
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
    },
  };
}
