import type { Command } from 'commander';
import { RefusedError } from '../errors.ts';
import { resetEntries, retryEntries, type EntryFilter, type ResetEntry } from '../engine/reset.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';

type Options = CommonOptions & { transient?: string[]; task?: string[]; status?: string[]; dryRun?: true; json?: true; withDependents?: true; all?: true };

const withFilter = (of: Command): Command =>
  of
    .option('--transient <name...>', 'only these transients')
    .option('--task <name...>', 'only these tasks')
    .option('--status <message...>', 'only entries with these statuses')
    .option('--dry-run', 'only say which entries')
    .option('--json', 'the entries as JSON: [{"subject", "task", "status"}], with the status they had');

/** `afterglow retry`: failed entries again. */
export const retryCommand = () =>
  withFilter(command('retry', 'have failed entries done again', 'Sends entries with a status of type error back to "not processed". Without a filter: all of them.')).action(
    async (options: Options) => {
      const entries = await withHome(options, ({ database }) => retryEntries(database.em(), filterOf(options), person(), options.dryRun));
      report(entries, options);
    },
  );

/** `afterglow reset`: entries afresh, whatever they are. */
export const resetCommand = () =>
  withFilter(
    command('reset', 'start entries afresh', 'Sends entries back to "not processed", whatever their status. What runs is stopped and writes nothing. Name at least one filter, or --all.'),
  )
    .option('--with-dependents', 'also the tasks that wait, directly or not, for the tasks named')
    .option('--all', 'every entry of every transient')
    .action(async (options: Options) => {
      const filter = filterOf(options);
      if (Object.values(filter).every((part) => part === undefined) && options.all !== true) {
        throw new RefusedError('This would reset every entry of every transient. Name --transient, --task or --status, or say --all.');
      }
      const entries = await withHome(options, ({ database }) =>
        resetEntries(database.em(), filter, person(), { dryRun: options.dryRun, withDependents: options.withDependents }),
      );
      report(entries, options);
    });

const filterOf = ({ transient, task, status }: Options): EntryFilter => ({ subjects: transient, tasks: task, statuses: status });

function report(entries: readonly ResetEntry[], options: Options): void {
  if (options.json) return printJson(entries);
  for (const { subject, task, status } of entries.slice(0, 50)) print(`${subject}  ${task}  (was "${status}")`);
  if (entries.length > 50) print(`… and ${entries.length - 50} more`);
  print(options.dryRun ? `${plural(entries.length, 'entry')} would be sent back.` : `${plural(entries.length, 'entry')} sent back.`);
}
