import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { openDatabase, type Database, type DatabaseAddress } from '../src/db/database.ts';
import * as pipeline from '../runners/index.ts';
import { inDatabase, TEMPLATE } from './global-setup.ts';

export { urlOf } from './url-of.ts';

/**
 * A database of its own for a test file: real PostgreSQL, migrated, with the built-in statuses and nothing else.
 * It is dropped when the file is done.
 */
export async function createDatabase(): Promise<Database> {
  const address = await createDatabaseAddress();
  const database = await openDatabase(address, pipeline);
  closers.push(() => database.close());
  return database;
}

/** The same, not opened by us: for processes that open it themselves. */
export async function createDatabaseAddress(): Promise<DatabaseAddress> {
  const server = inject('server');
  const name = `t_${randomBytes(6).toString('hex')}`;
  await withAdmin(server, (admin) => admin.query(`create database ${name} template ${TEMPLATE}`));
  closers.push(() => withAdmin(server, (admin) => admin.query(`drop database if exists ${name} with (force)`)));
  return inDatabase(server, name);
}

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  while (closers.length > 0) await closers.pop()!();
});

async function withAdmin(server: DatabaseAddress, act: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client('url' in server ? { connectionString: server.url } : server);
  await admin.connect();
  try {
    await act(admin);
  } finally {
    await admin.end();
  }
}
