import type pg from 'pg';
import type { Database } from '../db/database.ts';
import type { Logger } from '../log.ts';

/** What an ear needs. */
export interface EarOptions {
  database: Database;
  channels: readonly string[];
  hear: (channel: string, payload: string) => void;
  /** How long the connection may take to answer when it is asked whether it is still there, seconds. */
  answerSeconds: number;
  log: Logger;
}

/** The connection on which a daemon hears what the database announces. It says nothing when it is cut, so somebody has to look after it. */
export class Ear {
  readonly #options: EarOptions;
  #client: pg.Client | undefined;

  constructor(options: EarOptions) {
    this.#options = options;
  }

  /** Whether nothing can be heard at the moment. */
  get isDeaf(): boolean {
    return this.#client === undefined;
  }

  /** Listens. Where the database is away this is said, and {@link isDeaf} stays. */
  async listen(): Promise<void> {
    const { database, channels, hear, log } = this.#options;
    try {
      const client = await database.connect('afterglow listener');
      client.on('notification', ({ channel, payload }) => hear(channel, payload ?? ''));
      client.on('error', (error) => log.warn({ err: error }, 'the connection that listens is lost'));
      client.on('end', () => {
        if (this.#client === client) this.#client = undefined;
      });
      await client.query(channels.map((channel) => `listen ${channel}`).join('; '));
      this.#client = client;
    } catch (error) {
      log.warn({ err: error }, 'cannot listen to the database; ticks go on');
    }
  }

  /** A network that has gone silent leaves us deaf without a word, so the connection is asked now and then. */
  async probe(): Promise<void> {
    const client = this.#client;
    const question: pg.QueryConfig & { query_timeout: number } = { text: 'select 1', query_timeout: this.#options.answerSeconds * 1000 };
    await client?.query(question).catch(() => {
      this.#options.log.warn('the connection that listens has gone silent; making a new one');
      this.#client = undefined;
      void client.end().catch(() => {});
    });
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => {});
  }
}
