import { systemClock } from '../../src/clock.ts';
import type { DaemonOptions } from '../../src/daemon/daemon.ts';
import type { SystemTaskRunner } from '../../src/runner/runner.ts';
import { listeningLog, type LogLine, type World } from '../engine/world.ts';

/** What a daemon on a world's tasks needs, in a hurry unless told otherwise: it takes care ten times a second. */
export function optionsFor<Name extends string>(
  world: World<Name>,
  { config, system = [], ...given }: Partial<Omit<DaemonOptions, 'config' | 'runners'>> & { config?: Partial<DaemonOptions['config']>; system?: readonly SystemTaskRunner[] },
): { options: DaemonOptions; lines: LogLine[] } {
  const { log, lines } = listeningLog();
  return {
    lines,
    options: {
      database: world.database, folders: { data: '/nowhere', products: '/nowhere/products' }, tasks: world.tasks, machine: world.machine,
      statusIds: world.statusIds, timeLimits: new Map(), clock: systemClock, log, version: '0.0.0', careSeconds: 0.1, ...given,
      runners: [...world.runners, ...system], config: { concurrency: 4, leaseSeconds: 60, graceSeconds: 0.1, log: 'silent', ...config },
    },
  };
}
