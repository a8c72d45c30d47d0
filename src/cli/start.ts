import { Option } from 'commander';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { Daemon } from '../daemon/daemon.ts';
import type { Database } from '../db/database.ts';
import { createLog } from '../log.ts';
import { failureFinder } from '../notices/failure-finder.ts';
import { openHome, prepare, type Home, type Prepared } from '../prepare.ts';
import { isRequestRunner } from '../runner/request.ts';
import { syncSchedules } from '../schedule/sync-schedules.ts';
import { VERSION } from '../version.ts';
import type { BullQueues } from '../web/board/bull-queues.ts';
import { createWeb, serveWeb, type WebServer } from '../web/web.ts';
import { command, configOf, withGraph, type CommonOptions } from './common.ts';
import { plural } from './output.ts';
import { endProcess, poolSizeOf, wholeNumber, withWork, work, workConfig, type WorkOptions } from './work.ts';
import { exportText } from '../db/export-rows.ts';

type Options = CommonOptions & WorkOptions & { web: boolean; host?: string; port?: number; acceptOlderRunners?: true };

/** `afterglow start`: the daemon. */
export const startCommand = () =>
  withWork(
    withGraph(
      command(
        'start',
        'start the daemon (the default command)',
        'Loads the fixtures, checks the graph, and takes every transient through its tasks: when a prerequisite is done at once, and at every tick. Ctrl-C stops it gracefully, a second one at least a second later at once.',
      ),
    ),
  )
    .option('--no-web', 'without the pages')
    .option('--accept-older-runners', 'go back to runners that are older than those that worked on the database before; else nothing of their tasks is done or changed')
    .addOption(new Option('--host <address>', 'where the pages listen (AFTERGLOW_HOST; 127.0.0.1, this machine only)'))
    .addOption(new Option('--port <number>', 'port of the pages (AFTERGLOW_PORT; 4000; 0 takes a free one)').argParser(wholeNumber(0, 65535)))
    .action(async (options: Options) => {
      const { host, port } = options;
      await start(configOf(options, { ...workConfig(options), host, port }), options);
      endProcess();
    });

async function start(config: Config, options: Options): Promise<void> {
  const log = createLog(config.log);
  const home = await openHome(config, log, poolSizeOf(config));
  const { database, folders } = home;
  try {
    log.info(`database: ${home.databasePlace}`);
    const prepared = await prepare(home, options);
    const schedules = await syncSchedules(database.em(), prepared.runners, systemClock, prepared.outdated.map(({ task }) => task));
    if (schedules.added.length > 0) log.info(`${plural(schedules.added.length, 'schedule')} added`);
    for (const sentence of schedules.sentences) log[schedules.added.some((runner) => sentence.startsWith(`The schedule of "${runner}" is new`)) ? 'debug' : 'info'](sentence);
    const failures = failureFinder(prepared.runners, config);
    for (const warning of failures.warnings) log.warn(warning);
    const daemon = await Daemon.create({ ...prepared, findFailures: failures.look, database, config, folders, clock: systemClock, log, version: VERSION });
    await work(home, daemon, options, options.web ? () => pages(home, prepared, daemon) : undefined);
  } finally {
    await home.close();
  }
}

async function pages({ config, database, folders, log, pipeline }: Home, { order }: Prepared, daemon: Daemon): Promise<WebServer> {
  const { exportQuery } = pipeline;
  const carriers = config.engine === 'bullmq' ? await carriersOf(config.redisUrl!, database) : undefined;
  const app = createWeb({
    database, folders, log, order, carriers, version: VERSION, host: config.host, apiToken: config.apiToken,
    requests: pipeline.periodicRunners.some(isRequestRunner),
    health: async () => {
      const reasons = await daemon.troubles();
      return { ok: reasons.length === 0, reasons };
    },
    exportTable: exportQuery === undefined ? undefined : (format) => exportText(database.em(), exportQuery, order, format),
  });
  const web = await serveWeb(app, config);
  log.info(`pages: ${web.url}  board: ${web.url}board/`);
  return {
    ...web,
    async close() {
      await web.close();
      await carriers?.close();
    },
  };
}

/** BullMQ is loaded by those alone who use it. */
async function carriersOf(redisUrl: string, database: Database): Promise<BullQueues> {
  const [{ bullQueues }, { queuePrefix }] = await Promise.all([import('../web/board/bull-queues.ts'), import('../bullmq/queues.ts')]);
  return bullQueues({ redisUrl, prefix: await queuePrefix(database.hot.run) });
}
