import { Command, CommanderError } from 'commander';
import { AfterglowError, ConfigError } from './errors.ts';
import { checkCommand } from './cli/check.ts';
import { exportCommand } from './cli/export.ts';
import { graphCommand } from './cli/graph.ts';
import { ingestCommand } from './cli/ingest.ts';
import { resetCommand, retryCommand } from './cli/reset.ts';
import { runCommand } from './cli/run.ts';
import { startCommand } from './cli/start.ts';
import { statusCommand } from './cli/status.ts';
import { nearest } from './nearest.ts';
import { VERSION } from './version.ts';

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
  afterglow status                              count the entries by status
  afterglow run "Host match" 2002de             one runner on one transient, to try it
  afterglow retry --task "Host match" --dry-run which failed entries would be done again
  afterglow export > results.csv                what was found out

Exit codes:
  0 done, 1 the input has mistakes, an attempt failed or an act was refused, 2 the command was called wrongly,
  3 something outside is missing (a database, Node 24), 70 a defect of Afterglow
`,
  );
program.addCommand(startCommand(), { isDefault: true });
for (const command of [statusCommand(), checkCommand(), runCommand(), retryCommand(), resetCommand(), ingestCommand(), exportCommand(), graphCommand()]) program.addCommand(command);
for (const command of program.commands) command.exitOverride();

try {
  assertKnown(process.argv[2]);
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

// Without this, a mistyped command would be an argument of the default command.
function assertKnown(name: string | undefined): void {
  if (name === undefined || name.startsWith('-')) return;
  const known = [...program.commands.map((command) => command.name()), 'help'];
  if (known.includes(name)) return;
  const meant = nearest(name, known);
  throw new ConfigError(`There is no command "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`} Commands: ${known.join(', ')}.`);
}
