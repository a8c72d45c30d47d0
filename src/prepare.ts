import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Config } from './config.ts';
import { openDatabase, type Database } from './db/database.ts';
import { describeLoad, loadFixtures } from './db/load-fixtures.ts';
import { launchPostgres, type EmbeddedPostgres } from './db/postgres/launch.ts';
import { syncGraph, type GraphSync } from './db/sync-graph.ts';
import type { EngineTask } from './engine/engine-options.ts';
import { GraphError } from './errors.ts';
import { readGraph } from './read-graph.ts';
import { withoutPassword, type Logger } from './log.ts';
import { taskGraph } from './runner/graph.ts';
import { loadPipeline, type Pipeline } from './runner/pipeline.ts';
import { isSubjectRunner, type TaskRunner } from './runner/runner.ts';
import { createStatusMachine, type StatusMachine } from './status/machine.ts';
import { INITIAL } from './status/status.ts';

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

/** What a daemon needs to begin: the fixtures are loaded, the graph is sound and the database knows it. */
export interface Prepared {
  machine: StatusMachine;
  statusIds: ReadonlyMap<string, number>;
  /** The active tasks that a runner advances. */
  tasks: readonly EngineTask[];
  /** The runners of active tasks. */
  runners: readonly TaskRunner[];
  /** Task name → seconds, null for none, as the fixtures say. */
  timeLimits: ReadonlyMap<string, number | null>;
  /** Names of the tasks that transients go through, prerequisites first. */
  order: readonly string[];
}

/**
 * Opens the database of `DATABASE_URL`, or the embedded one in the data folder, and brings its schema up to date.
 *
 * @param poolSize connections for statements of our own; attempts that write get one more each
 * @throws {DatabaseUnavailableError | ConfigError}
 */
export async function openHome(config: Config, log: Logger, poolSize = 8): Promise<Home> {
  const pipeline = await loadPipeline(config.runnersFile);
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
    const database = await openDatabase(address, pipeline, poolSize);
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
export async function prepare(home: Home): Promise<Prepared> {
  const { config, log, pipeline, database } = home;
  const { fixtures, findings } = await readGraph(config, pipeline);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new GraphError(errors.map(({ message }) => message));
  for (const { message } of findings.filter(({ severity }) => severity === 'warning')) log.warn(message);

  const runners = pipeline.periodicRunners.filter(isSubjectRunner);
  const machine = createStatusMachine(fixtures.statuses, runners.map((runner) => runner.prerequisites[runner.taskName] ?? INITIAL));
  // One transaction: a status or task may go together with the last prerequisite that names it.
  let changedTasks: GraphSync['changedTasks'] = [];
  const sync = async (em: EntityManager): Promise<void> => {
    ({ changedTasks } = await syncGraph(em, machine, pipeline.periodicRunners));
  };
  for (const line of describeLoad(await loadFixtures(database.em(), fixtures, { sync }), fixtures.skipped)) log.info(line);
  if (changedTasks.length > 0) {
    const entries = changedTasks.reduce((sum, { recounted }) => sum + recounted, 0);
    // On a first start there is nothing to count, and nothing to tell.
    log[entries > 0 ? 'info' : 'debug'](`prerequisites changed of ${changedTasks.map(({ task }) => `"${task}"`).join(', ')}; ${entries} entries counted anew`);
  }

  const statuses = await database.em().execute<{ id: number; message: string }[]>(`select id, message from status`);
  const rows = await database.em().execute<{ id: number; name: string; kind: string; claim_from_id: number; time_limit_seconds: number | null; active: boolean }[]>(
    `select id, name, kind, claim_from_id, time_limit_seconds, active from task`,
  );
  const tasks = rows.flatMap((row) => {
    const runner = runners.find(({ taskName }) => taskName === row.name);
    if (runner === undefined || !row.active) return [];
    return [{
      id: row.id, name: row.name, kind: row.kind, runner, timeLimitSeconds: row.time_limit_seconds,
      claimFromId: row.claim_from_id, claimFrom: statuses.find(({ id }) => id === row.claim_from_id)!.message,
    }];
  });
  return {
    machine,
    statusIds: new Map(statuses.map(({ id, message }) => [message, id])),
    tasks,
    runners: pipeline.periodicRunners.filter(({ taskName }) => rows.some(({ name, active }) => name === taskName && active)),
    timeLimits: new Map(rows.map((row) => [row.name, row.time_limit_seconds])),
    order: taskGraph({ tasks: fixtures.tasks, runners: pipeline.periodicRunners }).tasks.filter(({ kind }) => kind === 'transient').map(({ name }) => name),
  };
}
