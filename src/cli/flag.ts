import { Argument } from 'commander';
import { RefusedError } from '../errors.ts';
import { raiseFlag, readFlags, resolveFlags, type Flag } from '../objects/flags.ts';
import { findObjects } from '../objects/found-object.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

type Options = CommonOptions & { task?: string; reason?: string; resolve?: true; kind?: string; json?: true };

/** `afterglow flag`: a person's doubt. */
export const flagCommand = () =>
  queueable(command(
    'flag',
    'raise, resolve and list doubts about objects and results',
    'A flag is a person’s doubt about an object, or about the result of one task of it. It changes nothing and stops nothing ("afterglow hold" does); it is there until somebody resolves it, and who said what and when is kept. Without --reason, lists the flags of the object, or without an object all that are open.',
  ))
    .addArgument(new Argument('[object]', 'name of the object'))
    .option('--task <name>', 'the task whose result is doubted')
    .option('--reason <text>', 'what is doubted; with --resolve, what came of it')
    .option('--resolve', 'resolve the open flags of the object, or of the task')
    .option('--kind <kind>', 'the kind of the object, where several have the name')
    .option('--json', 'the flags as JSON: [{"subject", "task", "reason", "by", "at", "resolvedBy", "resolvedAt", "resolution"}]')
    .addHelpText('after', `
Examples:
  afterglow flag 2010ag --task "Host match" --reason "two galaxies overlap"
  afterglow flag 2010ag --resolve --reason "it is the larger one"
  afterglow flag
`)
    .action(async (name: string | undefined, { task, reason, resolve, kind, json, ...options }: Options) => {
      const flags = await withHome(options, async ({ database }): Promise<Flag[]> => {
        const em = database.em();
        if (name === undefined && (task !== undefined || reason !== undefined || resolve !== undefined)) throw new RefusedError('Say which object is meant.');
        if (name === undefined) return readFlags(em);
        const [object] = await findObjects(em, [name], kind);
        if (resolve === true && reason === undefined) throw new RefusedError('Say with --reason what came of it.');
        if (resolve === true) return resolveFlags(em, object!, task, { by: person(), reason: reason! });
        return reason === undefined ? readFlags(em, object!) : [await raiseFlag(em, object!, task, { by: person(), reason })];
      });
      if (json) return printJson(flags);
      print(flags.length === 0 ? (name === undefined ? 'No flag is open.' : `${name} has no flags.`) : flags.map(describe).join('\n'));
    });

function describe({ subject, task, reason, by, at, resolvedBy, resolvedAt, resolution }: Flag): string {
  const what = task === null ? subject : `"${task}" of ${subject}`;
  const end = resolvedAt === null ? 'open' : `resolved by ${resolvedBy} at ${resolvedAt}: ${resolution}`;
  return `${what}: ${reason} (${by}, ${at}); ${end}`;
}
