import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Argument } from 'commander';
import { RefusedError } from '../errors.ts';
import { editValues, type EditReport } from '../objects/edit-values.ts';
import { readEdits, type Edit } from '../objects/read-edits.ts';
import { findObjects } from '../objects/found-object.ts';
import { giveResult } from '../objects/give-result.ts';
import { parseValues } from '../objects/parse-value.ts';
import type { Json } from '../runner/outcome.ts';
import { command, person, withHome, withRunners, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

type Options = CommonOptions & { task?: string; result?: string; status?: string; kind?: string; reason?: string; dryRun?: true; json?: true };

/** `afterglow edit`: a person knows better. */
export const editCommand = () =>
  queueable(withRunners(
    command(
      'edit',
      'change a figure of an object, or the result of a task, and do again what depends on it',
      'Changes figures of an object (name=value), or gives the result of a task in the place of a runner, and has just those tasks done again that depend on it: those that read the figure, and all that follows from them. What a person said stays: fixtures and files leave the figure alone, and the task is not run again by a retry or a reset unless they are told --overridden. Every edit is kept with who, when and why; without a change, they are listed.',
    ),
  ))
    .addArgument(new Argument('<object>', 'name of the object'))
    .addArgument(new Argument('[change...]', 'name=value: redshift, position (ra,dec in degrees or with colons), ra, dec, class, public_timestamp, priority, data.<key>, …; "none" where it is not known'))
    .option('--task <name>', 'the task whose result is given')
    .option('--result <json>', 'its result, as JSON; @file reads a file, - reads standard input')
    .option('--status <message>', 'its status, of type success or error ("processed")')
    .option('--reason <text>', 'why; kept with the edit')
    .option('--kind <kind>', 'the kind of the object, where several have the name')
    .option('--dry-run', 'only say what would change and what would be done again')
    .option('--json', 'JSON: {"subject", "changes": [{"what", "old", "new"}], "again": [{"subject", "task", "status"}], "kept": [{"task", "by"}]}; of the list: [{"at", "by", "what", "old", "new", "reason"}]')
    .addHelpText('after', `
Examples:
  afterglow edit 2010ag redshift=0.03369 --reason "SDSS spectrum" --dry-run
  afterglow edit 2010ag position=255.97346,+31.50172
  afterglow edit 2010ag --task "Host match" --result '{"name": "UGC 10679"}' --reason "seen by eye"
  afterglow edit 2010ag --task "Host match" --status "no host"
  afterglow edit 2010ag                                 what people have changed of it
  afterglow reset 2010ag --task "Host match" --overridden   let the runner do it again
`)
    .action(async (name: string, changes: string[], options: Options) => {
      await withHome(options, async ({ database, pipeline }) => {
        const em = database.em();
        const [object] = await findObjects(em, [name], options.kind);
        if (object === undefined) return;
        const editor = { by: person(), reason: options.reason, dryRun: options.dryRun };
        if (options.task === undefined && (options.result !== undefined || options.status !== undefined)) throw new RefusedError('A result or a status is that of a task: say which with --task.');
        if (options.task !== undefined && changes.length > 0) throw new RefusedError('Figures and the result of a task are two edits; make one after the other.');
        if (options.task === undefined && changes.length === 0) {
          const edits = await readEdits(em, object);
          return options.json ? printJson(edits) : print(edits.map(describeEdit).join('\n') || `Nobody has changed anything of ${name}.`);
        }
        const report = options.task === undefined
          ? await editValues(em, object, parseValues(object.kind, changes), editor)
          : await giveResult(em, object, { task: options.task, result: await resultOf(options), status: options.status }, editor, pipeline.periodicRunners);
        if (options.json) printJson(report);
        else print(describe(report, options.dryRun === true, options.task !== undefined));
      });
    });

async function resultOf({ result: given, status }: Options): Promise<Json> {
  if (given === undefined && status !== undefined) return null;
  if (given === undefined) throw new RefusedError('Say the result with --result, as JSON, or only a status with --status.');
  const json = given === '-' ? await text(process.stdin) : given.startsWith('@') ? await readFile(given.slice(1), 'utf8') : given;
  try {
    return JSON.parse(json) as Json;
  } catch (error) {
    throw new RefusedError(`The result is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

function describe({ subject, changes, again, kept }: EditReport, dryRun: boolean, isResult: boolean): string {
  const would = dryRun ? 'would be' : 'is';
  const lines = changes.map(({ what, old, new: now }) => `${isResult ? `"${what}"` : what} of ${subject} ${would} ${said(now, isResult)}; it was ${said(old, isResult)}.`);
  if (changes.length === 0) lines.push(`${subject} has these values already; they stay now whatever fixtures and files say.`);
  if (again.length > 0) lines.push(`Done again: ${again.map(({ task, status }) => `${task} (was "${status}")`).join(', ')}.`);
  else if (changes.length > 0) lines.push('Nothing that was done depends on it.');
  for (const { task, by } of kept) lines.push(`"${task}" stays as ${by} said.`);
  return lines.join('\n');
}

/** A figure, or a status with its result. */
function said(value: Json, isResult: boolean): string {
  if (!isResult) return shown(value);
  const { status, result } = value as { status: string; result: Json };
  return `"${status}"${result === null ? '' : ` with the result ${shown(result)}`}`;
}

const describeEdit = ({ at, by, what, old, new: now, reason }: Edit): string => `${at}  ${by}  ${what}: ${shown(old)} → ${shown(now)}${reason === null ? '' : `  (${reason})`}`;

const shown = (value: Json): string => {
  const json = value === null ? 'unknown' : JSON.stringify(value);
  return json.length > 200 ? `${json.slice(0, 200)}…` : json;
};
