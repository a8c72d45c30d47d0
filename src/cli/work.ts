import { InvalidArgumentError, Option, type Command } from 'commander';
import { isLabel, type Config } from '../config.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { statusReport } from '../db/report.ts';
import type { Home } from '../prepare.ts';
import { plural, print } from './output.ts';
import { showProgress } from './progress.ts';
import { onSignals } from './signals.ts';
import { describeReport } from './status.ts';

/** The options that {@link withWork} adds. */
export interface WorkOptions {
  untilIdle?: true;
  concurrency?: number;
  processes?: number;
  maxTasksPerProcess?: number;
  label?: string[];
}

/** Adds the options of commands that claim entries and run them until they are told to stop. */
export function withWork(of: Command): Command {
  return of
    .option('--until-idle', 'end when there is nothing left to do')
    .addOption(new Option('--concurrency <n>', 'attempts that run at once (AFTERGLOW_CONCURRENCY; 16)').argParser(wholeNumber(1, 1000)))
    .addOption(new Option('--processes <n>', 'isolated attempts that run at once, each in its own process (AFTERGLOW_PROCESSES; the number of processors)').argParser(wholeNumber(1, 1000)))
    .addOption(new Option('--max-tasks-per-process <m>', 'a process makes room for another after so many attempts, 0: never (AFTERGLOW_MAX_TASKS_PER_PROCESS; 1000)').argParser(wholeNumber(0, 1_000_000)))
    .addOption(new Option('--label <label>', 'what this machine has that some runners require, e.g. gpu; may be given again (AFTERGLOW_LABELS, separated by commas)').argParser(labels));
}

/** Of these options, what goes into the settings. */
export const workConfig = ({ concurrency, processes, maxTasksPerProcess, label }: WorkOptions): Partial<Config> => ({ concurrency, processes, maxTasksPerProcess, labels: label });

/** Connections that a process with these settings needs: every attempt that writes holds one until its end; the rest is for our own statements. */
export const poolSizeOf = ({ concurrency }: Pick<Config, 'concurrency'>): number => concurrency + 8;

/**
 * Lets a daemon work until it is told to stop, or, with `untilIdle`, until there is nothing left to do; stops it gracefully.
 *
 * @param beside what is opened before the daemon begins and closed after it has stopped
 */
export async function work({ config, log, database }: Home, daemon: Daemon, { untilIdle }: WorkOptions, beside?: () => Promise<{ close(): Promise<void> }>): Promise<void> {
  const signals = onSignals({ first: () => log.info(`stopping; what runs has ${config.graceSeconds} s to finish`), second: () => daemon.hurry() });
  const progress = showProgress(database, config.log);
  // A promise that a runner let go of must not take the daemon and all its other attempts down.
  const onRejection = (reason: unknown): void => log.error({ err: reason }, 'a promise that nobody waits for was rejected, probably by a runner');
  process.on('unhandledRejection', onRejection);
  let opened: { close(): Promise<void> } | undefined;
  try {
    opened = await beside?.();
    await Promise.race([daemon.begin().then(() => (untilIdle ? daemon.untilIdle() : signals.stopped)), signals.stopped]);
  } finally {
    await daemon.stop();
    await progress.stop();
    await opened?.close();
    signals.dispose();
    process.off('unhandledRejection', onRejection);
  }
  if (untilIdle && !signals.received) {
    print(daemon.ended === 0 ? 'There was nothing to do.' : `${plural(daemon.ended, 'attempt')} made.`);
    print(describeReport(await statusReport(database.em())));
  }
}

/** Ends the process when what it printed is written: a runner that was handed back may hold timers and sockets that would keep it for as long as it likes. */
export function endProcess(): void {
  process.stdout.write('', () => process.exit()); // oxlint-disable-line unicorn/no-process-exit
}

/** Parses an option. */
export const wholeNumber = (least: number, most: number) => (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  return value;
};

function labels(text: string, before: readonly string[] | undefined): string[] {
  if (!isLabel(text)) throw new InvalidArgumentError('Expected letters, digits and . _ : / - , 64 at most.');
  return [...(before ?? []), text];
}
