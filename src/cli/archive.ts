import path from 'node:path';
import { Argument, InvalidArgumentError, Option } from 'commander';
import { archiveObjects } from '../objects/archive.ts';
import { findObjects } from '../objects/found-object.ts';
import { restoreArchive, type Restored } from '../objects/restore.ts';
import { DEFAULT_LIMITS } from '../objects/unpack.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

/** `afterglow archive`: objects with all that belongs to them, in one file. */
export const archiveCommand = () =>
  queueable(command(
    'archive',
    'put objects with all rows and files into one file',
    'Writes objects with everything that belongs to them into one file (tar.gz): their figures, their entries with all attempts, transitions, edits and holds, the rows of the pipeline’s own tables that refer to them, and the files of their folders. It shows one moment, whatever runs meanwhile; what runs is told as not begun. "afterglow restore" brings it into another database, or back into this one.',
  ))
    .addArgument(new Argument('<object...>', 'names of objects'))
    .requiredOption('-o, --output <file>', 'the archive, such as 2010ag.tar.gz; what is there is replaced when the new one is whole')
    .option('--kind <kind>', 'the kind of the objects, where several have a name')
    .option('--json', 'JSON: {"file", "objects": [{"kind", "name", "rows", "files", "bytes"}]}')
    .addHelpText('after', `
Examples:
  afterglow archive 2010ag -o 2010ag.tar.gz
  afterglow archive 2010ag 2010ai 2010H -o three.tar.gz --json
`)
    .action(async (names: string[], options: CommonOptions & { output: string; kind?: string; json?: true }) => {
      await withHome(options, async ({ database, folders }) => {
        const em = database.em();
        const archived = await archiveObjects(em, await findObjects(em, names, options.kind), folders.products, path.resolve(options.output));
        if (options.json) return printJson(archived);
        for (const { name, rows, files } of archived.objects) print(`${name}: ${plural(rows, 'row')}, ${plural(files, 'file')}`);
        print(`${plural(archived.objects.length, 'object')} written to ${options.output}.`);
      });
    });

/** `afterglow restore`: the objects of an archive, here. */
export const restoreCommand = () =>
  queueable(command(
    'restore',
    'bring the objects of an archive into this database',
    'Brings the objects of an archive into this database with all rows and files, all of them or none. Everything is checked before anything is written: that the archive is whole and has nothing in it but what it says, that its version, tasks, statuses and tables are here, and that what it refers to is. The database must have been prepared by a daemon with the same runners.',
  ))
    .addArgument(new Argument('<file>', 'the archive'))
    .addOption(new Option('--replace', 'put its objects in the place of those of the same names that are here').conflicts('skip'))
    .addOption(new Option('--skip', 'leave objects that are here as they are'))
    .option('--most-gib <number>', 'how much it may unpack to, GiB', gib, DEFAULT_LIMITS.total / 2 ** 30)
    .option('--dry-run', 'only check it, and say what would be done')
    .option('--json', 'JSON: {"madeBy", "madeAt", "objects": [{"kind", "name", "did": "restored" | "replaced" | "skipped", "rows", "files"}]}')
    .addHelpText('after', `
Without --replace or --skip, nothing is restored if one of the objects is here already.

Examples:
  afterglow restore 2010ag.tar.gz --dry-run
  afterglow restore 2010ag.tar.gz --replace
`)
    .action(async (file: string, options: CommonOptions & { replace?: true; skip?: true; mostGib: number; dryRun?: true; json?: true }) => {
      await withHome(options, async ({ database, folders }) => {
        const restored = await restoreArchive(database.em(), path.resolve(file), {
          by: person(), productsFolder: folders.products, known: options.replace ? 'replace' : options.skip ? 'skip' : 'refuse',
          dryRun: options.dryRun ?? false, limits: { ...DEFAULT_LIMITS, total: options.mostGib * 2 ** 30 },
        });
        if (options.json) printJson(restored);
        else print(describe(restored, options.dryRun === true));
      });
    });

function describe({ madeBy, madeAt, objects }: Restored, dryRun: boolean): string {
  const lines = objects.map(({ kind, name, did, rows, files }) =>
    did === 'skipped' ? `${kind} ${name} is here already and ${dryRun ? 'would be' : 'was'} left as it is.` : `${kind} ${name} ${dryRun ? 'would be' : 'was'} ${did}: ${plural(rows, 'row')}, ${plural(files, 'file')}.`);
  return [`The archive was made by Afterglow ${madeBy} at ${madeAt}.`, ...lines].join('\n');
}

function gib(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1024)) throw new InvalidArgumentError('Expected a number of GiB above 0, at most 1024.');
  return value;
}
