/** An entry that lies in a queue of BullMQ and may be claimed by whoever takes it out. It is no attempt yet. */
export interface Ticket {
  subjectId: string;
  taskId: number;
  /** The number of the attempt that its claim would begin; a ticket of before another claim is stale. */
  attempt: number;
}

/** The same for every dispatch of one attempt, so that BullMQ takes it once only. (BullMQ refuses ids that are numbers, and colons.) */
export const ticketId = ({ subjectId, taskId, attempt }: Ticket): string => `s${subjectId}-t${taskId}-a${attempt}`;
