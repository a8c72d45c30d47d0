import type pg from 'pg';

/** Says that a job has ended which somebody waits for; the payload is its id. */
const JOB_CHANNEL = 'afterglow_job';

/** Hears of jobs that end, over one connection that is opened when it is first needed. */
export class JobEar {
  readonly #connect: () => Promise<pg.Client>;
  readonly #waiting = new Map<string, Set<() => void>>();
  #client: Promise<pg.Client> | undefined;
  #isClosed = false;

  /** @param connect gives a connection of its own */
  constructor(connect: () => Promise<pg.Client>) {
    this.#connect = connect;
  }

  /** From when this resolves, the ends of jobs are heard. Where the connection breaks, it is made anew by the next call. */
  async listen(): Promise<void> {
    this.#client ??= this.#open();
    await this.#client;
  }

  /** Calls back at every word about the job. @returns a function that ends this */
  on(id: string, heard: () => void): () => void {
    const all = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, all.add(heard));
    return () => {
      all.delete(heard);
      if (all.size === 0) this.#waiting.delete(id);
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#client?.then((client) => client.end()).catch(() => {});
  }

  async #open(): Promise<pg.Client> {
    try {
      const client = await this.#connect();
      client.on('notification', ({ payload }) => this.#heard(payload ?? ''));
      // Whoever waits looks again, and has it made anew.
      const lost = (): void => {
        this.#client = undefined;
        if (!this.#isClosed) for (const id of this.#waiting.keys()) this.#heard(id);
      };
      client.on('error', lost);
      client.on('end', lost);
      await client.query(`listen ${JOB_CHANNEL}`);
      return client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  #heard(id: string): void {
    for (const heard of this.#waiting.get(id) ?? []) heard();
  }
}
