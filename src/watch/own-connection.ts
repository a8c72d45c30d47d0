import net from 'node:net';
import pg from 'pg';
import type { Statement } from '../db/hot.ts';

/**
 * One connection that is made when it is needed, and anew after anything went wrong with it: a statement that failed, an
 * answer that did not come in time. A connection that is open on one side only is cut, not closed politely.
 */
export class OwnConnection {
  readonly #config: pg.ClientConfig;
  readonly #timeoutMs: number;
  #open: { client: pg.Client; cut: () => void } | undefined;

  /** @param timeoutMs for connecting, and for a statement with its answer */
  constructor(config: pg.ClientConfig, timeoutMs: number) {
    this.#config = config;
    this.#timeoutMs = timeoutMs;
  }

  /** Runs one statement. @throws whatever keeps it from being run; the next call connects anew */
  async run<Row extends object>(statement: Statement, params: readonly unknown[]): Promise<Row[]> {
    try {
      const { client } = this.#open ?? (await this.#connect());
      // Planned anew each time, which costs little every few seconds: the plan of a small table must not be kept until it is large.
      return (await client.query<Row>(statement.text, [...params])).rows;
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  /** Says goodbye if the other side answers, and cuts the connection. */
  async close(): Promise<void> {
    const ended = this.#open?.client.end().catch(() => {});
    const cut = this.#open?.cut;
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    cut?.();
    this.#open = undefined;
  }

  async #connect(): Promise<{ client: pg.Client }> {
    const socket = new net.Socket();
    const client = new pg.Client({
      ...this.#config,
      application_name: 'afterglow watch',
      stream: () => socket,
      keepAlive: true,
      connectionTimeoutMillis: this.#timeoutMs,
      statement_timeout: this.#timeoutMs,
      // The server's own limit does not help where the network has gone silent.
      query_timeout: this.#timeoutMs + 250,
    });
    // Without a listener, a connection that breaks while nothing is asked would end the thread.
    client.on('error', () => this.#drop());
    const open = { client, cut: () => void socket.destroy() };
    this.#open = open;
    await client.connect();
    return open;
  }

  #drop(): void {
    this.#open?.cut();
    this.#open = undefined;
  }
}
