import { Command, CommanderError } from 'commander';
import { keepCompiled } from './compile-cache.ts';
import { AfterglowError, ConfigError } from './errors.ts';
import { nearest } from './nearest.ts';
import { VERSION } from './version.ts';

// Before any command is loaded.
keepCompiled();

const program = new Command('afterglow')
  .description('Takes every transient of a survey through its tasks, one status at a time.')
  .version(VERSION)
  .showHelpAfterError('(add --help for what there is)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  afterglow --until-idle                        walk the example to its end, then stop
  afterglow worker --label gpu                  run tasks beside it, on any machine with its DATABASE_URL
  afterglow status                              count the entries by status
  afterglow run "Host match" 2002de             one runner on one transient, to try it
  afterglow retry --task "Host match" --dry-run which failed entries would be done again
  afterglow explain 2002de                      why it does not go on
  afterglow jobs enqueue Greet '{"name": "Ada"}' --wait   one job of a type of your own, and what it gives
  afterglow export > results.csv                what was found out

Exit codes:
  0 done, 1 the input has mistakes, an attempt failed or an act was refused, 2 the command was called wrongly,
  3 something outside is missing (a database, Node 24), 70 a defect of Afterglow
`,
  );

/** A command is loaded when it is asked for: some bring the database and the pages along. */
const COMMANDS = {
  start: async () => (await import('./cli/start.ts')).startCommand(),
  worker: async () => (await import('./cli/worker.ts')).workerCommand(),
  workers: async () => (await import('./cli/workers.ts')).workersCommand(),
  status: async () => (await import('./cli/status.ts')).statusCommand(),
  check: async () => (await import('./cli/check.ts')).checkCommand(),
  run: async () => (await import('./cli/run.ts')).runCommand(),
  retry: async () => (await import('./cli/reset.ts')).retryCommand(),
  reset: async () => (await import('./cli/reset.ts')).resetCommand(),
  edit: async () => (await import('./cli/edit.ts')).editCommand(),
  archive: async () => (await import('./cli/archive.ts')).archiveCommand(),
  restore: async () => (await import('./cli/archive.ts')).restoreCommand(),
  delete: async () => (await import('./cli/delete.ts')).deleteCommand(),
  history: async () => (await import('./cli/history.ts')).historyCommand(),
  batch: async () => (await import('./cli/batch.ts')).batchCommand(),
  flag: async () => (await import('./cli/flag.ts')).flagCommand(),
  explain: async () => (await import('./cli/explain.ts')).explainCommand(),
  hold: async () => (await import('./cli/hold.ts')).holdCommand(),
  unhold: async () => (await import('./cli/hold.ts')).unholdCommand(),
  cancel: async () => (await import('./cli/cancel.ts')).cancelCommand(),
  jobs: async () => (await import('./cli/jobs.ts')).jobsCommand(),
  ingest: async () => (await import('./cli/ingest.ts')).ingestCommand(),
  requests: async () => (await import('./cli/requests.ts')).requestsCommand(),
  export: async () => (await import('./cli/export.ts')).exportCommand(),
  flow: async () => (await import('./cli/flow.ts')).flowCommand(),
  prune: async () => (await import('./cli/prune.ts')).pruneCommand(),
  settings: async () => (await import('./cli/settings.ts')).settingsCommand(),
  doctor: async () => (await import('./cli/doctor.ts')).doctorCommand(),
  'run-jobs': async () => (await import('./cli/run-jobs.ts')).runJobsCommand(),
  runs: async () => (await import('./cli/runs.ts')).runsCommand(),
  graph: async () => (await import('./cli/graph.ts')).graphCommand(),
};

/** Other names of commands. */
const ALIASES: Readonly<Record<string, CommandName>> = { retrigger: 'retry', reprocess: 'reset' };

try {
  for (const name of wanted(process.argv[2])) program.addCommand((await COMMANDS[name]()).exitOverride(), { isDefault: name === 'start' });
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof AfterglowError) {
    process.stderr.write(`${error.name}: ${error.message}\n`);
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`This is a defect of Afterglow, please report it.\n${(error as Error).stack ?? String(error)}\n`);
    process.exitCode = 70;
  }
}

type CommandName = keyof typeof COMMANDS;

/** The commands that the first word needs: itself, all of them for help, `start` where it is an option of the default command. */
function wanted(word: string | undefined): CommandName[] {
  const known = Object.keys(COMMANDS) as CommandName[];
  if (word === '--help' || word === '-h' || word === 'help') return known;
  if (word === undefined || word.startsWith('-')) return ['start'];
  const name = known.find((one) => one === (ALIASES[word] ?? word));
  if (name !== undefined) return [name];
  // Without this, a mistyped command would be an argument of the default command.
  const meant = nearest(word, known);
  throw new ConfigError(`There is no command "${word}"${meant === undefined ? '.' : `; did you mean "${meant}"?`} Commands: ${known.join(', ')}, help.`);
}
