import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Config } from './config.ts';
import { openDatabase, type Database } from './db/database.ts';
import { describeLoad, loadFixtures } from './db/load-fixtures.ts';
import { launchPostgres, type EmbeddedPostgres } from './db/postgres/launch.ts';
import { syncGraph, type GraphOptions, type GraphSync } from './db/sync-graph.ts';
import { readWork, type Work } from './engine/read-work.ts';
import { GraphError, RefusedError } from './errors.ts';
import { withBuiltIn } from './flows/built-in.ts';
import { readGraph } from './read-graph.ts';
import { withoutPassword, type Logger } from './log.ts';
import type { Hook } from './runner/hook.ts';
import { taskGraph } from './runner/graph.ts';
import { jobRunners } from './runner/job-tasks.ts';
import { loadPipeline, type Pipeline } from './runner/pipeline.ts';
import { claimFromOf } from './runner/prerequisites.ts';
import { isSubjectRunner, type TaskRunner } from './runner/runner.ts';
import { syncRequests } from './requests/sync-requests.ts';
import { createStatusMachine } from './status/machine.ts';

/** An open database with the runners that work on it. */
export interface Home {
  config: Config;
  log: Logger;
  pipeline: Pipeline;
  database: Database;
  folders: { data: string; products: string };
  /** For people: where the database is, without a password. */
  databasePlace: string;
  close(): Promise<void>;
}

/** What a worker needs to begin. */
export interface PreparedWork extends Work {
  /** The runners of active tasks; of those without an object, the ones that are not outdated. */
  runners: readonly TaskRunner[];
  /** What is done before and after attempts. */
  hooks: readonly Hook[] | undefined;
  /** Reads anew what there is to do; the graph may be changed by others at any time. */
  readWork: () => Promise<Work | undefined>;
}

/** What a daemon needs to begin: the fixtures are loaded, the graph is sound and the database knows it. */
export interface Prepared extends PreparedWork {
  /** Names of the tasks that transients go through, prerequisites first. */
  order: readonly string[];
}

/**
 * Opens the database of `DATABASE_URL`, or the embedded one in the data folder, and brings its schema up to date.
 *
 * @param poolSize connections for statements of our own; attempts that write get one more each
 * @param options.mustExist the database must be one that a daemon has made; nothing is made here
 * @throws {DatabaseUnavailableError | ConfigError}
 * @throws {SchemaNewerError} a newer Afterglow made the database's schema
 * @throws {RefusedError} there is no such database, and there must be
 */
export async function openHome(config: Config, log: Logger, poolSize = 8, options: { mustExist?: boolean } = {}): Promise<Home> {
  if (options.mustExist && config.databaseUrl === undefined && !existsSync(path.join(config.dataFolder, 'postgres'))) {
    throw new RefusedError(`There is no database in ${config.dataFolder}, and DATABASE_URL is not set. Name the database of a daemon with DATABASE_URL, or with --data the data folder of one on this machine.`);
  }
  const pipeline = withBuiltIn(await loadPipeline(config.runnersFile), config);
  const folders = { data: config.dataFolder, products: path.join(config.dataFolder, 'products') };
  await mkdir(folders.products, { recursive: true });
  let server: EmbeddedPostgres | undefined;
  let closed = false;
  const launch = async (): Promise<void> => {
    server = await launchPostgres({ dataDir: config.dataFolder, log: (line) => log.debug(line) });
    // It comes back at the same place, so open connections are made anew by themselves.
    server.onLost((error) => void relaunch(error));
  };
  const relaunch = async (lost: Error): Promise<void> => {
    if (closed) return;
    log.error(`${lost.message} Starting it again.`);
    try {
      await launch();
    } catch (error) {
      log.error({ err: error }, 'the embedded database cannot be started again');
    }
  };
  if (config.databaseUrl === undefined) await launch();
  try {
    const address = server === undefined ? { url: config.databaseUrl! } : { host: server.host, port: server.port, user: server.user, database: server.database };
    const database = await openDatabase(address, pipeline, poolSize, options);
    return {
      config, log, pipeline, database, folders,
      databasePlace: server === undefined ? withoutPassword(config.databaseUrl!) : `embedded PostgreSQL in ${path.join(config.dataFolder, 'postgres')}`,
      async close() {
        closed = true;
        await database.close();
        await server?.release();
      },
    };
  } catch (error) {
    await server?.release();
    throw error;
  }
}

/**
 * Loads the fixtures, checks the whole graph and makes the database's picture of it equal to the code's.
 *
 * @throws {FileProblemsError} the fixtures have mistakes
 * @throws {GraphError} the graph has mistakes; nothing was loaded
 */
export async function prepare(home: Home, options: GraphOptions = {}): Promise<Prepared> {
  const { config, log, pipeline, database } = home;
  const { fixtures, findings } = await readGraph(config, pipeline);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new GraphError(errors.map(({ message }) => message));
  for (const { message } of findings.filter(({ severity }) => severity === 'warning')) log.warn(message);

  const runners = pipeline.periodicRunners.filter(isSubjectRunner);
  const machine = createStatusMachine(fixtures.statuses, runners.map(claimFromOf));
  // One transaction: a status or task may go together with the last prerequisite that names it.
  let synced: GraphSync = { changedTasks: [], newerElsewhere: [] };
  const sync = async (em: EntityManager): Promise<void> => {
    synced = await syncGraph(em, machine, pipeline.periodicRunners, options);
    await syncRequests(em, pipeline.periodicRunners, synced.newerElsewhere.map(({ task }) => task));
  };
  for (const line of describeLoad(await loadFixtures(database.em(), fixtures, { sync }), fixtures.skipped)) log.info(line);
  const { changedTasks, newerElsewhere } = synced;
  for (const { task, here, there } of newerElsewhere) {
    log.warn(
      `"${task}" keeps what version ${there} of its runner says of it (prerequisites, limits, retries), as this daemon has only version ${here}; ` +
        `to go back to that on purpose, start with --accept-older-runners`,
    );
  }
  if (changedTasks.length > 0) {
    const entries = changedTasks.reduce((sum, { recounted }) => sum + recounted, 0);
    // On a first start there is nothing to count, and nothing to tell.
    log[entries > 0 ? 'info' : 'debug'](`prerequisites changed of ${changedTasks.map(({ task }) => `"${task}"`).join(', ')}; ${entries} entries counted anew`);
  }

  const work = await prepareWork(home);
  const order = taskGraph({ tasks: fixtures.tasks, runners: pipeline.periodicRunners }).tasks.filter(({ kind }) => kind === 'transient').map(({ name }) => name);
  return { ...work, order };
}

/**
 * Reads what there is to do in a database that a daemon has prepared. The fixtures of this machine are not looked at.
 *
 * @throws {RefusedError} no daemon has ever prepared the database
 */
export async function prepareWork({ pipeline, database, log }: Home): Promise<PreparedWork> {
  const { periodicRunners } = pipeline;
  const read = (): Promise<Work | undefined> => readWork(database.em(), periodicRunners);
  const work = await read();
  if (work === undefined) throw new RefusedError('No daemon has ever prepared this database: there are no tasks in it. Start one first ("afterglow start"), with the same database.');
  const jobs = jobRunners(periodicRunners).filter(({ taskName }) => work.active.has(taskName));
  if (jobs.length > 0) log.info(`jobs that can be enqueued: ${jobs.map(({ taskName }) => `"${taskName}"`).join(', ')}`);
  const isUsed = (runner: TaskRunner) => work.active.has(runner.taskName) && (isSubjectRunner(runner) || !work.outdated.some(({ task }) => task === runner.taskName));
  return { ...work, runners: periodicRunners.filter(isUsed), hooks: pipeline.hooks, readWork: read };
}
