import { onTestFinished } from 'vitest';
import { Daemon, type DaemonOptions } from '../../src/daemon/daemon.ts';
import type { SystemTaskRunner } from '../../src/runner/runner.ts';
import type { World } from '../engine/world.ts';
import { optionsFor } from './daemon-options.ts';
import type { LogLine } from '../engine/world.ts';

/** A daemon in this process, on a world's tasks; not begun. It is stopped when the test is over. */
export async function createDaemon<Name extends string>(
  world: World<Name>,
  given: Partial<Omit<DaemonOptions, 'config' | 'runners'>> & { config?: Partial<DaemonOptions['config']>; system?: readonly SystemTaskRunner[] } = {},
): Promise<{ daemon: Daemon; lines: LogLine[] }> {
  const { options, lines } = optionsFor(world, given);
  const daemon = await Daemon.create(options);
  onTestFinished(async () => {
    daemon.hurry();
    await daemon.stop();
  });
  return { daemon, lines };
}

/** The same, begun. */
export async function startDaemon<Name extends string>(...args: Parameters<typeof createDaemon<Name>>): Promise<{ daemon: Daemon; lines: LogLine[] }> {
  const created = await createDaemon(...args);
  await created.daemon.begin();
  return created;
}
