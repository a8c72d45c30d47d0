/** An entry that lies in a queue of BullMQ and may be claimed by whoever takes it out. It is no attempt yet. */
export interface Ticket {
  subjectId: string;
  taskId: number;
  /** The number of the attempt that its claim would begin; a ticket of before another claim is stale. */
  attempt: number;
  /** There was no room in the queue for what may lie behind it: whoever takes this ticket out looks for more. */
  more?: boolean | undefined;
}

/** Whether what came out of a queue is a ticket; anybody may put anything in. */
export function isTicket(given: unknown): given is Ticket {
  const { subjectId, taskId, attempt } = (given ?? {}) as Partial<Ticket>;
  return typeof subjectId === 'string' && /^\d{1,18}$/.test(subjectId) && Number.isInteger(taskId) && Number.isInteger(attempt);
}

/** The same for every dispatch of one attempt, so that BullMQ takes it once only. (BullMQ refuses ids that are numbers, and colons.) */
export const ticketId = ({ subjectId, taskId, attempt }: Ticket): string => `s${subjectId}-t${taskId}-a${attempt}`;
