import { Command, Option } from 'commander';
import { readConfig, type Config } from '../config.ts';
import { createLog, type Logger } from '../log.ts';
import type { Home } from '../prepare.ts';

/** A command with the options that say where the data, the runners and the fixtures are. */
export function command(name: string, summary: string, description: string): Command {
  return new Command(name)
    .summary(summary)
    .description(description)
    .addOption(new Option('--data <folder>', 'the data folder: embedded database, products, inbox').env('AFTERGLOW_DATA').default('./data'))
    .addOption(new Option('--log <format>', 'log lines on standard error').choices(['plain', 'json', 'silent']).env('AFTERGLOW_LOG').default('plain'))
    .showHelpAfterError('(add --help for what the command takes)');
}

/** A command that only holds others. It has no options of its own: it would take those of the others away from them, wherever they stand. */
export const group = (name: string, summary: string, description: string): Command =>
  new Command(name).summary(summary).description(description).showHelpAfterError('(add --help for what the command takes)');

/** Adds the option of commands that read the runners. */
export const withRunners = (of: Command): Command => of.option('--runners <file>', 'the module that exports periodicRunners (AFTERGLOW_RUNNERS; the shipped pipeline)');

/** Adds the options of commands that read the runners and the fixtures. */
export function withGraph(of: Command): Command {
  return withRunners(of)
    .option('--fixtures <path...>', 'files and folders of fixtures (AFTERGLOW_FIXTURES; the shipped ones with the example)');
}

/** The options that {@link command} and {@link withGraph} add. */
export interface CommonOptions {
  data?: string;
  log?: Config['log'];
  runners?: string;
  fixtures?: string[];
}

/** The settings of a command: its options over the environment over the defaults. */
export function configOf(options: CommonOptions, more: Partial<Config> = {}): Config {
  return readConfig({ dataFolder: options.data, log: options.log, runnersFile: options.runners, fixtures: options.fixtures, ...more });
}

/** Opens the database for one act and closes it whatever happens. Log lines of less than a warning are left out. */
export async function withHome<T>(options: CommonOptions, act: (home: Home) => Promise<T>): Promise<T> {
  const config = configOf(options);
  const log: Logger = createLog(config.log, 'warn');
  // Not loaded by commands that need no database.
  const { openHome } = await import('../prepare.ts');
  const home = await openHome(config, log, 4);
  try {
    return await act(home);
  } finally {
    await home.close();
  }
}

/** Who a person is, for the log of transitions: `person <login>`. */
export const person = (): string => `person ${login()}`;

/** The name that they are logged in by. */
export const login = (): string => process.env.USER ?? process.env.LOGNAME ?? 'unknown';
