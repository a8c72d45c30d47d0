import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { openDatabase, type DatabaseAddress } from '../src/db/database.ts';
import { launchPostgres } from '../src/db/postgres/launch.ts';
import * as pipeline from '../runners/index.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server that all test files share; each makes databases of its own from the template. */
    server: DatabaseAddress;
  }
}

/** The migrated, empty database that test databases are copied from (30 to 50 ms a copy). */
export const TEMPLATE = 'afterglow_template';

/** Starts one real PostgreSQL for the whole run. AFTERGLOW_TEST_DATABASE_URL names one of yours instead. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env.AFTERGLOW_TEST_DATABASE_URL;
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-test-'));
  const server = url === undefined ? await launchPostgres({ dataDir: folder }) : undefined;
  const address: DatabaseAddress =
    server === undefined ? { url: url! } : { host: server.host, port: server.port, user: server.user, database: server.database };
  const admin = new pg.Client('url' in address ? { connectionString: address.url } : address);
  await admin.connect();
  await admin.query(`drop database if exists ${TEMPLATE} with (force)`);
  await admin.query(`create database ${TEMPLATE}`);
  await (await openDatabase(inDatabase(address, TEMPLATE), pipeline)).close();
  await admin.end();
  project.provide('server', address);
  return async () => {
    await server?.release();
    await rm(folder, { recursive: true, force: true });
  };
}

/** The same server, another database. */
export function inDatabase(address: DatabaseAddress, database: string): DatabaseAddress {
  if (!('url' in address)) return { ...address, database };
  const url = new URL(address.url);
  url.pathname = `/${database}`;
  return { url: url.href };
}
