import { InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { Daemon } from '../daemon/daemon.ts';
import { createLog } from '../log.ts';
import { openHome, prepare, type Home, type Prepared } from '../prepare.ts';
import { syncSchedules } from '../schedule/sync-schedules.ts';
import { VERSION } from '../version.ts';
import { createWeb, serveWeb, type WebServer } from '../web/web.ts';
import { command, configOf, withGraph, type CommonOptions } from './common.ts';
import { plural, print } from './output.ts';
import { showProgress } from './progress.ts';
import { onSignals } from './signals.ts';
import { describeReport } from './status.ts';
import { exportText } from '../db/export-rows.ts';
import { statusReport } from '../db/report.ts';

type Options = CommonOptions & { untilIdle?: true; web: boolean; host?: string; port?: number; concurrency?: number };

/** `afterglow start`: the daemon. */
export const startCommand = () =>
  withGraph(
    command(
      'start',
      'start the daemon (the default command)',
      'Loads the fixtures, checks the graph, and takes every transient through its tasks: when a prerequisite is done at once, and at every tick. Ctrl-C stops it gracefully, a second one at least a second later at once.',
    ),
  )
    .option('--until-idle', 'end when there is nothing left to do')
    .option('--no-web', 'without the pages')
    .addOption(new Option('--host <address>', 'where the pages listen (AFTERGLOW_HOST; 127.0.0.1, this machine only)'))
    .addOption(new Option('--port <number>', 'port of the pages (AFTERGLOW_PORT; 4000; 0 takes a free one)').argParser(wholeNumber(0, 65535)))
    .addOption(new Option('--concurrency <n>', 'attempts that run at once (AFTERGLOW_CONCURRENCY; 16)').argParser(wholeNumber(1, 1000)))
    .action(async (options: Options) => {
      await start(configOf(options, { host: options.host, port: options.port, concurrency: options.concurrency }), options);
      // A runner that was handed back may hold timers and sockets that would keep the process for as long as it likes.
      process.stdout.write('', () => process.exit()); // oxlint-disable-line unicorn/no-process-exit
    });

async function start(config: Config, options: Options): Promise<void> {
  const log = createLog(config.log);
  // Every attempt that writes holds a connection until its end; the rest is for our own statements.
  const home = await openHome(config, log, config.concurrency + 8);
  const { database, folders } = home;
  try {
    log.info(`database: ${home.databasePlace}`);
    const prepared = await prepare(home);
    const schedules = await syncSchedules(database.em(), prepared.runners, systemClock);
    if (schedules.added.length > 0) log.info(`${plural(schedules.added.length, 'schedule')} added`);
    for (const sentence of schedules.sentences) log[schedules.added.some((runner) => sentence.startsWith(`The schedule of "${runner}" is new`)) ? 'debug' : 'info'](sentence);
    const daemon = await Daemon.create({ ...prepared, database, config, folders, clock: systemClock, log, version: VERSION });
    const signals = onSignals({ first: () => log.info(`stopping; what runs has ${config.graceSeconds} s to finish`), second: () => daemon.hurry() });
    const progress = showProgress(database, config.log);
    // A promise that a runner let go of must not take the daemon and all its other attempts down.
    const onRejection = (reason: unknown): void => log.error({ err: reason }, 'a promise that nobody waits for was rejected, probably by a runner');
    process.on('unhandledRejection', onRejection);
    let web: WebServer | undefined;
    try {
      if (options.web) web = await pages(home, prepared, daemon);
      await Promise.race([daemon.begin().then(() => (options.untilIdle ? daemon.untilIdle() : signals.stopped)), signals.stopped]);
    } finally {
      await daemon.stop();
      await progress.stop();
      await web?.close();
      signals.dispose();
      process.off('unhandledRejection', onRejection);
    }
    if (options.untilIdle && !signals.received) {
      print(daemon.ended === 0 ? 'There was nothing to do.' : `${plural(daemon.ended, 'attempt')} made.`);
      print(describeReport(await statusReport(database.em())));
    }
  } finally {
    await home.close();
  }
}

async function pages({ config, database, folders, log, pipeline }: Home, { order }: Prepared, daemon: Daemon): Promise<WebServer> {
  const { exportQuery } = pipeline;
  const app = createWeb({
    database, folders, log, order, version: VERSION, host: config.host,
    health: async () => {
      const reasons = await daemon.troubles();
      return { ok: reasons.length === 0, reasons };
    },
    exportTable: exportQuery === undefined ? undefined : (format) => exportText(database.em(), exportQuery, order, format),
  });
  const web = await serveWeb(app, config);
  log.info(`pages: ${web.url}  board: ${web.url}board/`);
  return web;
}

const wholeNumber = (least: number, most: number) => (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  return value;
};
