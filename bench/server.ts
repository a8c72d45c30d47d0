import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { DatabaseAddress } from '../src/db/database.ts';
import { launchPostgres } from '../src/db/postgres/launch.ts';
import { DatabaseUnavailableError } from '../src/errors.ts';
import { serverCpuSeconds } from './server-cpu.ts';

/** The PostgreSQL that is measured. */
export interface BenchServer {
  /** A folder of ours for what processes need; gone at the end. */
  readonly folder: string;
  /** Whether the server is one that we started ourselves. */
  readonly embedded: boolean;
  /** A connection for creating databases and asking the server about itself. */
  readonly admin: pg.Client;
  /** The server's log; undefined where the server is not ours. */
  readonly logFile: string | undefined;
  /** A new database, empty or a copy; nobody may be connected to what is copied. */
  create(template?: DatabaseAddress): Promise<DatabaseAddress>;
  drop(address: DatabaseAddress): Promise<void>;
  /** Bytes free for new databases; undefined where the server is not ours. */
  freeBytes(): Promise<number | undefined>;
  /** CPU seconds that the server's processes have used; undefined where we cannot know. */
  cpuSeconds(): number | undefined;
  /** Writes out what is dirty, so that it does not fall into the next measurement; nothing where we may not. */
  checkpoint(): Promise<void>;
  /** Drops our databases, stops our server and removes the folder. May be called twice. */
  close(): Promise<void>;
}

/**
 * The server at a URL, or an embedded one in a new temporary folder (`TMPDIR` decides where). At a URL only databases of
 * our own making are touched; their names begin with `afterglow_bench_`.
 */
export async function openServer(url: string | undefined): Promise<BenchServer> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-bench-'));
  const own = url === undefined ? await launchPostgres({ dataDir: path.join(folder, 'server') }) : undefined;
  const address: DatabaseAddress = own === undefined ? { url: url! } : { host: own.host, port: own.port, user: own.user, database: own.database };
  const admin = new pg.Client(clientConfig(address));
  admin.on('error', () => {});
  try {
    await admin.connect();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw new DatabaseUnavailableError(`The PostgreSQL of --url does not answer: ${(error as Error).message}`, { cause: error });
  }
  const prefix = `afterglow_bench_${randomBytes(4).toString('hex')}`;
  const made = new Set<string>();
  let closed: Promise<void> | undefined;
  const drop = async (name: string) => {
    await admin.query(`drop database if exists ${name} with (force)`);
    made.delete(name);
  };
  return {
    folder,
    embedded: own !== undefined,
    admin,
    logFile: own?.logFile,
    async create(template) {
      const name = `${prefix}_${made.size}_${randomBytes(2).toString('hex')}`;
      made.add(name);
      await admin.query(`create database ${name}${template === undefined ? '' : ` template ${nameOf(template)}`}`);
      return inDatabase(address, name);
    },
    drop: (database) => drop(nameOf(database)),
    async freeBytes() {
      if (own === undefined) return undefined;
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
    cpuSeconds: () => (own === undefined ? undefined : serverCpuSeconds(own.pid)),
    async checkpoint() {
      await admin.query('checkpoint').catch((error: unknown) => {
        if ((error as { code?: string }).code !== '42501') throw error;
      });
    },
    close() {
      closed ??= (async () => {
        if (own === undefined) for (const name of made) await drop(name).catch(() => {});
        await admin.end().catch(() => {});
        await own?.release();
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      })();
      return closed;
    },
  };
}

/** The same address for `pg`. */
export function clientConfig(address: DatabaseAddress): pg.ClientConfig {
  return 'url' in address ? { connectionString: address.url } : address;
}

/** Does something over a connection of its own. */
export async function withClient<T>(address: DatabaseAddress, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(address));
  // A lost connection fails the statement that is under way; without a listener it would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

/** What a process needs in DATABASE_URL to open the address. */
export function urlOf(address: DatabaseAddress): string {
  if ('url' in address) return address.url;
  return `postgresql://${address.user}@/${address.database}?host=${encodeURIComponent(address.host)}&port=${address.port}`;
}

// Connection strings with a socket folder are no URLs that `URL` would read.
const URL_PARTS = /^(?<before>\w+:\/\/[^/?]*)(?<path>\/[^?]*)?(?<after>\?.*)?$/;

/** The name of an address's database. */
export function nameOf(address: DatabaseAddress): string {
  return 'url' in address ? (URL_PARTS.exec(address.url)?.groups?.path?.slice(1) ?? '') : address.database;
}

function inDatabase(address: DatabaseAddress, database: string): DatabaseAddress {
  if (!('url' in address)) return { ...address, database };
  const { before = address.url, after = '' } = URL_PARTS.exec(address.url)?.groups ?? {};
  return { url: `${before}/${database}${after}` };
}
