import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DatabaseUnavailableError } from '../../errors.ts';
import { initialise, USER } from './initialise.ts';
import { PORT } from './places.ts';
import { hold, type Reference } from './reference.ts';

/** A real PostgreSQL in the data folder, with what a client needs to reach it. There is no password. */
export interface EmbeddedPostgres {
  /** The folder of its socket. */
  host: string;
  port: number;
  user: string;
  database: string;
  /** The server's process when we came; it changes if the server has to be started again. */
  pid: number;
  /** False where another process had it running. */
  startedByUs: boolean;
  /** The server's log. */
  logFile: string;
  /**
   * Gives up our share. The server stops with the last share, also if that process was killed; then this resolves when it has
   * stopped. May be called twice.
   */
  release(): Promise<void>;
  /** Called once if the server is lost for good while we have a share: its keeper was killed, or gave up starting it again. */
  onLost(callback: (error: DatabaseUnavailableError) => void): void;
}

const DATABASE = 'afterglow';
const ANSWERS_WITHIN_MS = 60_000;

/**
 * The embedded PostgreSQL of a data folder, made and started where it is not. Any number of processes may call this for one
 * folder at the same time: they share one server, which runs until the last of them has released it or is gone.
 *
 * @param options.dataDir holds the database in `postgres/` and its log in `postgres.log`
 * @param options.log gets a line for people now and then
 * @throws {DatabaseUnavailableError} no PostgreSQL is found, the folder cannot be used, or the server does not start; says what to do
 */
export async function launchPostgres(options: { dataDir: string; log?: (line: string) => void }): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => {});
  if (process.platform === 'win32') throw new DatabaseUnavailableError('The embedded PostgreSQL needs Linux or macOS. Set DATABASE_URL.');
  const places = await initialise(options.dataDir, log);
  const reference = await hold(places, log);
  const { socketFolder: host, serverPid: pid, startedByUs, release, onLost } = reference;
  log(`${startedByUs ? 'PostgreSQL started' : 'sharing the PostgreSQL that runs already'} in ${places.cluster} (process ${pid}, socket in ${host})`);
  try {
    await ensureDatabase(reference);
  } catch (error) {
    await release();
    throw error;
  }
  return { host, port: PORT, user: USER, database: DATABASE, pid, startedByUs, logFile: places.logFile, release, onLost };
}

async function ensureDatabase(reference: Reference): Promise<void> {
  const giveUpAt = performance.now() + ANSWERS_WITHIN_MS;
  let lost: Error | undefined;
  reference.onLost((error) => (lost = error));
  for (;;) {
    try {
      return await createDatabase(reference.socketFolder);
    } catch (error) {
      if (lost !== undefined) throw lost;
      if (!isPassing((error as { code?: string }).code) || performance.now() > giveUpAt) {
        throw new DatabaseUnavailableError(`The database in ${reference.socketFolder} does not answer: ${(error as Error).message}`, { cause: error });
      }
      await delay(30);
    }
  }
}

async function createDatabase(socketFolder: string): Promise<void> {
  // ssl is named so that PGSSLMODE does not decide.
  const client = new pg.Client({ host: socketFolder, port: PORT, user: USER, database: 'postgres', ssl: false, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end().catch(() => {});
  }
}

// The server is recovering, or its keeper is starting it again (57P01 to 57P03, or no answer at all); or another process is
// creating the database at this moment (42P04, 23505, 55006).
function isPassing(code: string | undefined): boolean {
  return code === undefined || ['57P01', '57P02', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'ENOENT', '42P04', '23505', '55006'].includes(code);
}
