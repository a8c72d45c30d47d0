import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { Daemon } from '../daemon/daemon.ts';
import { createLog } from '../log.ts';
import { openHome, prepareWork } from '../prepare.ts';
import { VERSION } from '../version.ts';
import { command, configOf, withRunners, type CommonOptions } from './common.ts';
import { endProcess, poolSizeOf, withWork, work, workConfig, type WorkOptions } from './work.ts';

/** `afterglow worker`: a daemon that only claims and runs. */
export const workerCommand = () =>
  withWork(
    withRunners(
      command(
        'worker',
        'run tasks beside a daemon, on this machine or another',
        'Claims entries and runs them, like a daemon, but has no pages, loads no fixtures, and leaves schedules and system runners to the daemon. Any number of workers may share one database: DATABASE_URL, or the data folder of a daemon on this machine. What there is to do is read from there, so a daemon must have prepared it. Stops gracefully like a daemon.',
      ),
    ),
  ).action(async (options: CommonOptions & WorkOptions) => {
    await start(configOf(options, workConfig(options)), options);
    endProcess();
  });

async function start(config: Config, options: WorkOptions): Promise<void> {
  const log = createLog(config.log);
  const home = await openHome(config, log, poolSizeOf(config), { mustExist: true });
  const { database, folders } = home;
  try {
    log.info(`database: ${home.databasePlace}`);
    const prepared = await prepareWork(home);
    const daemon = await Daemon.create({ ...prepared, role: 'worker', database, config, folders, clock: systemClock, log, version: VERSION });
    await work(home, daemon, options);
  } finally {
    await home.close();
  }
}
