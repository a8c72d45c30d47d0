import { createHash } from 'node:crypto';
import pg from 'pg';

/** A statement that is prepared once per connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Runs one statement. Parameters are `$1`, `$2`, …; bigint comes back as text, jsonb as what it says. */
export type Run = <Row extends object>(statement: Statement, params: readonly unknown[]) => Promise<Row[]>;

/**
 * The engine's own way to the database, apart from the runners': planning a claim costs more than executing it, so its
 * statements are prepared; and none may take longer than {@link STATEMENT_SECONDS}, so that a stalled one stops nothing.
 */
export interface Hot {
  readonly run: Run;
  /** Several statements in one transaction, rolled back if anything throws. */
  transaction<T>(act: (run: Run) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The longest that a statement of ours may take, seconds; then it has failed like one whose database is away. */
export const STATEMENT_SECONDS = 30;
/** Connections at most: claims and ends of several tasks at once. */
const CONNECTIONS = 6;

/** A statement under a name of its own; the same text has the same name. */
export function statement(text: string): Statement {
  return { name: `ag_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`, text };
}

/** A pool for statements of the engine. Connections are made when they are needed, and anew when they broke. */
export function openHot(client: pg.ClientConfig): Hot {
  const pool = new pg.Pool({
    ...client,
    application_name: 'afterglow engine',
    keepAlive: true,
    max: CONNECTIONS,
    connectionTimeoutMillis: 10_000,
    statement_timeout: STATEMENT_SECONDS * 1000,
    idle_in_transaction_session_timeout: STATEMENT_SECONDS * 1000,
    // The server's own limit does not help where the network has gone silent.
    query_timeout: STATEMENT_SECONDS * 1000 + 5000,
  });
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
        await connection.query('rollback').catch((failure: Error) => {
          broken = failure;
        });
        throw error;
      } finally {
        connection.off('error', onError);
        connection.release(broken);
      }
    },
    close: () => pool.end(),
  };
}
