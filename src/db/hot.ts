import { createHash } from 'node:crypto';
import pg from 'pg';
import { isConnectionError } from './connection-error.ts';

/** A statement that is prepared once per connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Runs one statement. Parameters are `$1`, `$2`, …; bigint comes back as text, jsonb as what it says. */
export type Run = <Row extends object>(statement: Statement, params: readonly unknown[]) => Promise<Row[]>;

/**
 * The engine's own way to the database, apart from the runners': planning a claim costs more than executing it, so its
 * statements are prepared; and none may take longer than {@link HotLimits} say, so that a stalled one stops nothing.
 */
export interface Hot {
  readonly run: Run;
  /** Several statements in one transaction, rolled back if anything throws. */
  transaction<T>(act: (run: Run) => Promise<T>): Promise<T>;
  /** Resolves within seconds, whatever the network does. */
  close(): Promise<void>;
}

/** How long we wait, in seconds; what takes longer has failed like a statement whose database is away. */
export interface HotLimits {
  /** For a statement, by the server's clock. */
  statementSeconds: number;
  /** For an answer, by ours: the server's own limit does not help where the network has gone silent. */
  answerSeconds: number;
  /** For a connection, a free one of the pool or a new one. */
  connectSeconds: number;
}

const LIMITS: HotLimits = { statementSeconds: 30, answerSeconds: 35, connectSeconds: 10 };
/** How long the statements on their way have when the pool is closed; then their connections are broken off. */
const CLOSE_MS = 2000;
/** An idle connection whose other end is gone is noticed ten seconds after this. */
export const KEEP_ALIVE_MS = 10_000;
/** Connections at most: claims and ends of several tasks at once. */
const CONNECTIONS = 6;

/** A statement under a name of its own; the same text has the same name. */
export function statement(text: string): Statement {
  return { name: `ag_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`, text };
}

/** A pool for statements of the engine. Connections are made when they are needed, and anew when they broke. */
export function openHot(client: pg.ClientConfig, { statementSeconds, answerSeconds, connectSeconds }: HotLimits = LIMITS): Hot {
  const pool = new pg.Pool({
    ...client,
    application_name: 'afterglow engine',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    max: CONNECTIONS,
    // A claim on a new connection takes five times as long; there are few, so they stay.
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: connectSeconds * 1000,
    statement_timeout: statementSeconds * 1000,
    idle_in_transaction_session_timeout: statementSeconds * 1000,
    query_timeout: answerSeconds * 1000,
  });
  const open = new Set<pg.PoolClient>();
  pool.on('connect', (connection) => open.add(connection)).on('remove', (connection) => open.delete(connection));
  // An idle connection broke: the pool has thrown it away already.
  pool.on('error', () => {});
  return {
    async run<Row extends object>(given: Statement, params: readonly unknown[]) {
      return (await pool.query<Row>({ ...given, values: [...params] })).rows;
    },
    async transaction(act) {
      const connection = await pool.connect();
      let broken: Error | undefined;
      // Without a listener, a connection that breaks between two statements would take the process down.
      const onError = (error: Error) => {
        broken = error;
      };
      connection.on('error', onError);
      try {
        await connection.query('begin');
        const value = await act(async <Row extends object>(given: Statement, params: readonly unknown[]) => (await connection.query<Row>({ ...given, values: [...params] })).rows);
        await connection.query('commit');
        return value;
      } catch (error) {
        // Behind a statement that has no answer, a rollback would wait for one as well; the server rolls back what is broken off.
        if (isConnectionError(error)) broken = error as Error;
        else await connection.query('rollback').catch((failure: Error) => {
          broken = failure;
        });
        throw error;
      } finally {
        connection.off('error', onError);
        connection.release(broken);
      }
    },
    async close() {
      const impatience = setTimeout(() => {
        for (const connection of open) void (connection as unknown as pg.Client).end();
      }, CLOSE_MS);
      await pool.end();
      clearTimeout(impatience);
    },
  };
}
