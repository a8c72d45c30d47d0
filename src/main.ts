import { Command, CommanderError } from 'commander';
import { AfterglowError } from './errors.ts';
import { checkCommand } from './cli/check.ts';
import { exportCommand } from './cli/export.ts';
import { graphCommand } from './cli/graph.ts';
import { ingestCommand } from './cli/ingest.ts';
import { resetCommand, retryCommand } from './cli/reset.ts';
import { runCommand } from './cli/run.ts';
import { startCommand } from './cli/start.ts';
import { statusCommand } from './cli/status.ts';
import { VERSION } from './version.ts';

const program = new Command('afterglow')
  .description('Takes every transient of a survey through its tasks, one status at a time.')
  .version(VERSION)
  .showHelpAfterError('(add --help for what there is)')
  .exitOverride()
  .addHelpText('after', '\nExit codes: 0 done, 1 the input has mistakes or an act was refused, 2 the command was called wrongly, 3 something outside is missing, 70 a defect of ours.');
program.addCommand(startCommand(), { isDefault: true });
for (const command of [statusCommand(), checkCommand(), runCommand(), retryCommand(), resetCommand(), ingestCommand(), exportCommand(), graphCommand()]) program.addCommand(command);
for (const command of program.commands) command.exitOverride();

try {
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
