import { Argument } from 'commander';
import { deleteObjects, type Deleted } from '../objects/delete-objects.ts';
import { findObjects } from '../objects/found-object.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

type Options = CommonOptions & { kind?: string; yes?: true; withFiles?: true; cancel?: true; json?: true };

/** `afterglow delete`: objects with all that belongs to them. */
export const deleteCommand = () =>
  queueable(command(
    'delete',
    'delete objects with all of their rows; says what first',
    'Without --yes, only says what would be deleted: rows by table, files, and what runs. With it, deletes the objects with all of their rows, all of them or none; their files only with --with-files. While something of an object runs, it is refused, unless --cancel stops that first. "afterglow archive" keeps a copy. Transients that the fixtures name come back with the next start of a daemon.',
  ))
    .addArgument(new Argument('<object...>', 'names of objects'))
    .option('--yes', 'do it')
    .option('--with-files', 'also the files in their folders')
    .option('--cancel', 'stop what runs of them first')
    .option('--kind <kind>', 'the kind of the objects, where several have a name')
    .option('--json', 'JSON: [{"kind", "name", "rows": {"<table>": n}, "files": {"count", "bytes"}, "running": ["<task>"]}]')
    .addHelpText('after', `
Examples:
  afterglow delete 2010ag                      what would go
  afterglow delete 2010ag --yes --with-files   it goes
`)
    .action(async (names: string[], options: Options) => {
      await withHome(options, async ({ database, folders }) => {
        const objects = await findObjects(database.em(), names, options.kind);
        const dryRun = options.yes !== true;
        const deleted = await deleteObjects(database, objects, {
          by: person(), productsFolder: folders.products, withFiles: options.withFiles ?? false, cancel: options.cancel ?? false, dryRun,
        });
        if (options.json) return printJson(deleted);
        for (const one of deleted) print(describe(one, options, dryRun));
        if (dryRun) print('Nothing was deleted: say --yes to do it.');
      });
    });

function describe({ name, rows, files, running }: Deleted, { withFiles, cancel }: Options, dryRun: boolean): string {
  const tables = Object.entries(rows).filter(([table]) => table !== 'subject').map(([table, count]) => `${count} of ${table}`).join(', ');
  const gone = `${name} ${dryRun ? 'would be' : 'is'} deleted, with its rows: ${tables || 'no others'}.`;
  const kept = files.count === 0 ? '' : withFiles ? ` ${plural(files.count, 'file')} (${files.bytes} bytes) ${dryRun ? 'would go' : 'went'} with it.` : ` ${plural(files.count, 'file')} of it ${files.count === 1 ? 'stays' : 'stay'}; --with-files takes them too.`;
  const tasks = running.map((task) => `"${task}"`).join(' and ');
  const runs = running.length === 0 ? '' : cancel ? ` ${tasks} would be stopped first.` : ` ${tasks} of it ${running.length === 1 ? 'runs' : 'run'}, so that it would be refused without --cancel.`;
  return gone + kept + runs;
}
