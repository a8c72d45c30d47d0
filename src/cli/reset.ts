import type { EntityManager } from '@mikro-orm/postgresql';
import { Argument, type Command } from 'commander';
import { resetEntries, retryEntries, type EntryFilter, type ResetEntry } from '../engine/reset.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { isValueName, valueNames } from '../runner/values.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';
import { parseUntil } from './until.ts';

type Options = CommonOptions & {
  transient?: string[]; task?: string[]; status?: string[]; kind?: string[]; nameLike?: string; since?: Date | number; whereMissing?: string;
  overridden?: true; dryRun?: true; json?: true; withDependents?: true; all?: true;
};

/** Sends entries back, or only says which. */
type SendBack = (em: EntityManager, filter: EntryFilter, dryRun: boolean) => Promise<ResetEntry[]>;

const EXAMPLES = (verb: string) => `
Examples:
  afterglow ${verb} 2010ag --dry-run                   what would be done again of one object
  afterglow ${verb} --task "Host match" --since 2d      what came to its status in the last two days
  afterglow ${verb} --name-like "2010*" --task Distance of all objects whose names begin like this
  afterglow ${verb} --where-missing redshift            of all objects without a redshift

Names are exact: 2010a is not 2010ag. Filters are joined by "and". Jobs, runs and requests are left alone unless --kind or --task names them.
`;

const withFilter = (of: Command): Command =>
  queueable(of)
    .addArgument(new Argument('[object...]', 'only these objects, by their exact names'))
    .option('--transient <name...>', 'the same as naming objects')
    .option('--task <name...>', 'only these tasks')
    .option('--status <message...>', 'only entries with these statuses')
    .option('--kind <kind...>', 'only objects of these kinds')
    .option('--name-like <pattern>', 'only objects whose names are like this; * stands for any characters, ? for one')
    .option('--since <when>', 'only entries whose status is from then or later: a span such as 90m or 2d, or a time', parseUntil)
    .option('--where-missing <figure>', 'only objects that have no such figure: redshift, position, data.<key>, …')
    .option('--overridden', 'also entries whose result a person gave with "afterglow edit"; what the person said is given up')
    .option('--dry-run', 'only say which entries')
    .option('--json', 'the entries as JSON: [{"subject", "task", "status"}], with the status they had');

/** `afterglow retry`, also called `retrigger`: what failed or stalled. */
export const retryCommand = () =>
  withFilter(
    command(
      'retry',
      'have done again what failed or stalled',
      'Sends entries back to "not processed" that have a status of type error, that wait for another attempt, or whose daemon died and nobody took them back. Without a filter: all of them. Also called retrigger.',
    ),
  )
    .alias('retrigger')
    .addHelpText('after', EXAMPLES('retry'))
    .action(async (objects: string[], options: Options) => {
      await sendBack(filterOf(objects, options), options, (em, filter, dryRun) => retryEntries(em, filter, person(), dryRun));
    });

/** `afterglow reset`, also called `reprocess`: entries afresh, whatever they are. */
export const resetCommand = () =>
  withFilter(
    command(
      'reset',
      'do objects, or tasks of them, afresh',
      'Sends entries back to "not processed", whatever their status. What runs is stopped and writes nothing. Name objects or at least one filter, or --all. Also called reprocess.',
    ),
  )
    .option('--with-dependents', 'also the tasks that wait, directly or not, for the tasks named')
    .option('--all', 'every entry of every object')
    .alias('reprocess')
    .addHelpText('after', EXAMPLES('reset'))
    .action(async (objects: string[], options: Options) => {
      const filter = filterOf(objects, options);
      const { objectsOnly: _, overridden: __, ...narrowing } = filter;
      if (Object.values(narrowing).every((part) => part === undefined) && options.all !== true) {
        throw new RefusedError('This would reset every entry of every object. Name objects, --task, --status or another filter, or say --all.');
      }
      await sendBack(filter, options, (em, of, dryRun) => resetEntries(em, of, person(), { dryRun, withDependents: options.withDependents }));
    });

function filterOf(objects: readonly string[], { transient, task, status, kind, nameLike, since, whereMissing, overridden }: Options): EntryFilter {
  const subjects = [...objects, ...(transient ?? [])];
  if (whereMissing !== undefined && !(kind ?? ['transient']).some((one) => isValueName(one, whereMissing))) {
    const known = [...new Set((kind ?? ['transient']).flatMap(valueNames))];
    throw new UnknownNameError('figure', whereMissing, [...known, 'data.<key>'], nearest(whereMissing, known));
  }
  return {
    subjects: subjects.length === 0 ? undefined : subjects, tasks: task, statuses: status, kinds: kind, nameLike, whereMissing, overridden,
    since: typeof since === 'number' ? new Date(Date.now() - since * 1000) : since,
    objectsOnly: kind === undefined && task === undefined,
  };
}

async function sendBack(filter: EntryFilter, options: Options, act: SendBack): Promise<void> {
  await withHome(options, async ({ database }) => {
    const em = database.em();
    const kept = options.overridden === true ? [] : await act(em, { ...filter, overridden: 'only' }, true);
    const entries = await act(em, filter, options.dryRun ?? false);
    if (options.json) return printJson(entries);
    report(entries, kept.length, options.dryRun === true);
  });
}

/** Names that are written out for each task. */
const FIRST = 5;

function report(entries: readonly ResetEntry[], overridden: number, dryRun: boolean): void {
  for (const [task, of] of Map.groupBy(entries, (entry) => entry.task)) {
    const statuses = [...Map.groupBy(of, ({ status }) => status)].map(([status, all]) => `${all.length} ${status}`).join(', ');
    const names = of.slice(0, FIRST).map(({ subject }) => subject).join(', ');
    print(`${task}: ${plural(of.length, 'entry')} (${statuses}): ${names}${of.length > FIRST ? ` and ${of.length - FIRST} more` : ''}`);
  }
  const objects = new Set(entries.map(({ subject }) => subject)).size;
  const of = entries.length > 1 ? ` They belong to ${plural(objects, 'object')}.` : '';
  print(`${plural(entries.length, 'entry')} ${dryRun ? 'would be ' : ''}sent back.${of}`);
  if (overridden > 0) print(`${plural(overridden, 'entry')} ${overridden === 1 ? 'has a result' : 'have results'} that a person gave, and ${overridden === 1 ? 'stays' : 'stay'}; --overridden ${dryRun ? 'would take' : 'takes'} them too.`);
}
