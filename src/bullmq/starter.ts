import { claimListed, type ClaimedEntry, type Claimer, type ClaimTask } from '../engine/claim.ts';
import type { Run } from '../db/hot.ts';
import type { Ticket } from './ticket.ts';

interface Waiting {
  ticket: Ticket;
  resolve: (entry: ClaimedEntry | undefined) => void;
  reject: (error: unknown) => void;
}

/** Claims the entries of one task's tickets, many in one statement: while one statement is on its way, the next tickets gather. */
export class Starter {
  readonly #run: Run;
  readonly #task: ClaimTask;
  readonly #by: Claimer;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(run: Run, task: ClaimTask, by: Claimer) {
    this.#run = run;
    this.#task = task;
    this.#by = by;
  }

  /** The entry of a ticket, claimed; undefined where the ticket is stale, or somebody has the entry locked. */
  start(ticket: Ticket): Promise<ClaimedEntry | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ticket, resolve, reject });
      // A turn of the loop later, so that tickets of the same moment go together.
      if (!this.#busy) setImmediate(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        const entries = await claimListed(this.#run, this.#task, this.#by, batch.map(({ ticket }) => ticket));
        const bySubject = new Map(entries.map((entry) => [entry.subjectId, entry]));
        for (const { ticket, resolve } of batch) {
          resolve(bySubject.get(ticket.subjectId));
          // Two tickets of one entry: it is run once.
          bySubject.delete(ticket.subjectId);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }
}
