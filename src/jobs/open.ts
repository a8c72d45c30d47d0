import pg from 'pg';
import { clientOptions, type DatabaseAddress } from '../db/address.ts';
import { KEEP_ALIVE_MS, openHot, type Run } from '../db/hot.ts';
import { within, type Executes } from '../db/run-within.ts';
import { RefusedError } from '../errors.ts';
import { retryDeadlock } from '../engine/retry-deadlock.ts';
import type { Jobs, JobType } from '../runner/jobs.ts';
import { JobEar } from './job-ear.ts';
import { DatabaseJobs } from './jobs.ts';

/** Jobs of a database, for whoever is no runner. */
export interface OpenJobs extends Jobs, AsyncDisposable {
  /** The same inside a transaction of yours: what is enqueued is there when it is committed, or never. */
  within(em: Executes): Jobs;
  /** Ends the connections. */
  close(): Promise<void>;
}

/** Where the jobs are. */
export interface OpenJobsOptions {
  /** The database of a daemon: `postgres://…` */
  databaseUrl: string;
  /** Types of jobs that are known here, for jobs that are named. */
  types?: Iterable<JobType>;
  /** Who enqueues and cancels, for people; `somebody` unless given. */
  by?: string;
}

/**
 * Opens the jobs of a database that a daemon has prepared; connections are made when they are needed, and anew when they broke.
 *
 * ```ts
 * await using jobs = openJobs({ databaseUrl: process.env.DATABASE_URL });
 * const job = await jobs.enqueue(shout, { text: 'hello' });
 * await jobs.wait(job, { timeoutSeconds: 60 }); // 'HELLO'
 * ```
 */
export const openJobs = ({ databaseUrl, types, by = 'somebody' }: OpenJobsOptions): OpenJobs => jobsOf({ url: databaseUrl }, { types, by });

/** The same for an address of any kind. */
export function jobsOf(address: DatabaseAddress, { types = [], by }: { types?: Iterable<JobType> | undefined; by: string }): OpenJobs {
  const hot = openHot(clientOptions(address));
  const ear = new JobEar(() => connect(address));
  const known = [...types];
  const close = async (): Promise<void> => {
    await ear.close();
    await hot.close();
  };
  const run: Run = async (statement, params) => {
    try {
      return await retryDeadlock(() => hot.run(statement, params));
    } catch (error) {
      // There is no such table, or no such function.
      if (!['42P01', '42883'].includes((error as { code?: string }).code ?? '')) throw error;
      throw new RefusedError('No daemon has ever prepared this database: there are no jobs in it. Start one first ("afterglow start"), with the same database.', { cause: error });
    }
  };
  return Object.assign(new DatabaseJobs({ run, transaction: (act) => retryDeadlock(() => hot.transaction(act)), by, types: known, ear }), {
    within: (em: Executes): Jobs => new DatabaseJobs({ run: within(em), by, types: known }),
    close,
    [Symbol.asyncDispose]: close,
  });
}

async function connect(address: DatabaseAddress): Promise<pg.Client> {
  const client = new pg.Client({
    ...clientOptions(address), application_name: 'afterglow jobs', connectionTimeoutMillis: 10_000, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  });
  await client.connect();
  return client;
}
