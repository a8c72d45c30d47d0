import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { Argument } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { exportRows } from '../db/export-rows.ts';
import { saveTransients } from '../db/save-transients.ts';
import { FileProblemsError } from '../errors.ts';
import { readTransientsCsv } from '../fixtures/read-csv.ts';
import { watchObjects, type BatchObject, type BatchProgress } from '../objects/watch-objects.ts';
import { readGraph } from '../read-graph.ts';
import { taskGraph } from '../runner/graph.ts';
import { isSubjectRunner } from '../runner/runner.ts';
import { configOf, command, withGraph, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';
import { parseUntil } from './until.ts';

type Options = CommonOptions & { output: string; wait?: true | Date | number; json?: true };

/** Where nobody looks at a terminal, a line every so many milliseconds. */
const LINE_MS = 10_000;

/** `afterglow batch`: a CSV file in, a CSV file of results out. */
export const batchCommand = () =>
  queueable(withGraph(
    command(
      'batch',
      'take in a CSV file and write a CSV file of results',
      'Takes in the transients of a CSV file (as "afterglow ingest" does) and writes one row of results for each, in the order of the file: the columns of "afterglow export", then state (completed, stuck, open) and stuck_because. With --wait, that is when every one of them is completed or stuck: failed for good, held, or kept by what will not pass by itself, such as no daemon. It never waits for what will not come. The same command again takes up what is there: nothing is taken in or done twice.\n\nExit codes: 0 all are completed (or, without --wait, the results as they are now were written); 1 some are stuck, or the file has mistakes; 3 some were still open when the time was over. The results are written in any case, unless the file has mistakes.',
    ),
  ))
    .addArgument(new Argument('<file>', 'the CSV file: name, ra, dec, and if you like redshift, class, public_timestamp'))
    .requiredOption('-o, --output <file>', 'the CSV file of results; it is replaced as a whole')
    .option('--wait [span]', 'until all are completed or stuck, or until a span such as 2h or a time is over', parseUntil)
    .option('--json', 'JSON: {"file", "added", "completed", "stuck", "open", "objects": [{"name", "state", "because"}]}')
    .addHelpText('after', `
A daemon does the work: start one with the same database ("afterglow start").

Examples:
  afterglow batch new.csv -o results.csv --wait
  afterglow batch new.csv -o results.csv --wait 2h     the same again: goes on where it was
`)
    .action(async (file: string, options: Options) => {
      const { transients, problems } = await readTransientsCsv(file);
      if (problems.length > 0) throw new FileProblemsError(problems);
      const names = transients.map(({ name }) => name);
      await withHome(options, async ({ database, pipeline, config }) => {
        const saved = await saveTransients(database.em(), transients, 'kept');
        const mostSeconds = options.wait instanceof Date ? (options.wait.getTime() - Date.now()) / 1000 : typeof options.wait === 'number' ? options.wait : undefined;
        const progress = showProgress(config.log === 'plain' && options.wait !== undefined);
        const objects = await watchObjects(database, names, {
          runners: new Map(pipeline.periodicRunners.filter(isSubjectRunner).map((runner) => [runner.taskName, runner])),
          wait: options.wait !== undefined, mostSeconds, onProgress: progress.tell,
        }).finally(progress.stop);
        const { fixtures } = await readGraph(configOf(options), pipeline);
        const tasks = taskGraph({ tasks: fixtures.tasks, runners: pipeline.periodicRunners }).tasks.filter(({ kind }) => kind === 'transient').map((task) => task.name);
        const rows = await exportRows(database.em(), pipeline.exportQuery ?? `select name from subject where kind = 'transient'`, tasks, names);
        await write(options.output, rows, objects);
        report(options, saved.added.length, objects);
      });
    });

async function write(file: string, rows: readonly Record<string, unknown>[], objects: readonly BatchObject[]): Promise<void> {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const full = objects.map(({ name, state, because }) => ({ ...(byName.get(name) ?? { name }), state, stuck_because: because }));
  const columns = [...new Set(full.flatMap((row) => Object.keys(row)))].filter((column) => column !== 'state' && column !== 'stuck_because');
  const target = path.resolve(file);
  await writeFile(`${target}.new`, stringify(full, { header: true, columns: [...columns, 'state', 'stuck_because'] }));
  await rename(`${target}.new`, target);
}

/** Stuck objects that are named on the terminal; all of them are in the file. */
const NAMED = 10;

function report({ output, wait, json }: Options, added: number, objects: readonly BatchObject[]): void {
  const of = (state: BatchObject['state']) => objects.filter((object) => object.state === state);
  const [completed, stuck, open] = [of('completed'), of('stuck'), of('open')];
  if (wait !== undefined) process.exitCode = open.length > 0 ? 3 : stuck.length > 0 ? 1 : 0;
  if (json) return printJson({ file: output, added, completed: completed.length, stuck: stuck.length, open: open.length, objects });
  for (const { name, because } of stuck.slice(0, NAMED)) print(`${name} is stuck. ${because}`);
  if (stuck.length > NAMED) print(`… and ${stuck.length - NAMED} more are stuck; ${output} says why.`);
  const counts = `${completed.length} completed, ${stuck.length} stuck, ${open.length} open`;
  print(`${plural(objects.length, 'transient')}, ${added} of them new: ${counts}. The results are in ${output}.`);
  if (open.length > 0) print(wait === undefined ? 'The same command with --wait writes them again when all are done.' : 'The time is over; the same command goes on where this one was.');
}

/** A bar on a terminal, elsewhere a line now and then, on standard error. */
function showProgress(isWanted: boolean): { tell(progress: BatchProgress): void; stop(): void } {
  if (!isWanted) return { tell: () => {}, stop: () => {} };
  if (process.stderr.isTTY !== true) {
    let said = -Infinity;
    let last = '';
    return {
      tell({ completed, stuck, open, done, entries }) {
        const line = `${done} of ${entries} entries done; ${completed} transients completed, ${stuck} stuck, ${open} open\n`;
        if (performance.now() - said < LINE_MS || line === last) return;
        said = performance.now();
        last = line;
        process.stderr.write(line);
      },
      stop: () => {},
    };
  }
  const bar = new SingleBar(
    { format: '{bar} {value}/{total} entries done; {completed} transients completed, {stuck} stuck, {open} open', stream: process.stderr, hideCursor: true, barsize: 30, forceRedraw: true }, Presets.rect);
  let began = false;
  return {
    tell({ entries, done, ...counts }) {
      if (!began) bar.start(entries, done, counts);
      began = true;
      bar.setTotal(entries);
      bar.update(done, counts);
    },
    stop: () => {
      if (began) bar.stop();
    },
  };
}
