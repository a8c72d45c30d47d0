import { Argument, InvalidArgumentError, type Command } from 'commander';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { listRuns, listScripts, type RunReport, type ScriptReport } from '../runs/list-runs.ts';
import { oneLine } from '../runs/tree.ts';
import { describeCounts, span, STATE_WORDS } from '../runs/words.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { print, printJson, table } from './output.ts';
import { wholeNumber } from './work.ts';

/** `afterglow runs`: what runs of scripts there have been, and `runs show` for one of them. */
export function runsCommand(): Command {
  const list = command('runs', 'list the runs of scripts', 'Lists the runs of "afterglow run-jobs", the latest first, with their states and counts. They are all kept.')
    .option('--name <name>', 'only runs of this name')
    .option('--most <n>', 'how many', wholeNumber(1, 1_000_000), 20)
    .option('--json', 'as JSON')
    .action((options: CommonOptions & { name?: string; most: number; json?: true }) =>
      withHome(options, async ({ database }) => {
        const runs = await listRuns(database.em(), options);
        if (options.json) printJson(runs);
        else if (runs.length === 0) print('There have been no runs of scripts.');
        else print(table([['run', 'state', 'started', 'took', 'scripts'], ...runs.map((run) => [`${run.name} ${run.number}`, run.state, localTime(run.startedAt), span(run.seconds), describeCounts(run.counts)])]));
      }));
  const show = command('show', 'show one run with its scripts', 'Shows one run: every script with its state, how long it took, why it failed or was not run, and its result.')
    .addArgument(new Argument('<name>', 'name of the run'))
    .addArgument(new Argument('[number]', 'which of that name; the last one unless given').argParser(runNumber))
    .option('--json', 'as JSON, with the results')
    .action((name: string, number: number | undefined, _options: unknown, of: Command) => {
      // An option that both have is read by the outer command.
      const options = of.optsWithGlobals<CommonOptions & { json?: true }>();
      return withHome(options, async ({ database }) => {
        const em = database.em();
        const [run] = await listRuns(em, { name, number: number ?? null, most: 1 });
        if (run === undefined) throw await unknown(name, number, (most) => listRuns(em, { most }));
        const scripts = await listScripts(em, run);
        if (options.json) printJson({ ...run, scripts });
        else print(describe(run, scripts));
      });
    });
  return list.addCommand(show);
}

async function unknown(name: string, number: number | undefined, list: (most: number) => Promise<RunReport[]>): Promise<UnknownNameError> {
  const known = (await list(1000)).map((run) => (number === undefined ? run.name : `${run.name} ${run.number}`));
  const given = number === undefined ? name : `${name} ${number}`;
  return new UnknownNameError('run', given, [...new Set(known)], nearest(given, known));
}

function describe(run: RunReport, scripts: readonly ScriptReport[]): string {
  const { name, number, state, file, counts, startedAt, seconds, resumed, message, options } = run;
  const notes = [
    options.forced ? 'forced' : '', options.only.length === 0 ? '' : `only ${options.only.join(', ')}`, resumed === 0 ? '' : `taken up again ${resumed === 1 ? 'once' : `${resumed} times`}`,
  ].filter((note) => note !== '');
  return [
    `Run ${number} of "${name}" (${file}${notes.length === 0 ? '' : `, ${notes.join(', ')}`}): ${state}, started ${localTime(startedAt)}, ${span(seconds)}`,
    `${describeCounts(counts)}${message === null ? '' : `\n${message}`}`,
    table([['script', 'state', 'took', 'why'], ...scripts.map((one) => [one.script, STATE_WORDS[one.state], one.seconds === null ? '' : span(one.seconds), oneLine(one.reason ?? one.warning ?? '')])]),
  ].join('\n');
}

const localTime = (at: Date): string => at.toLocaleString('sv-SE', { timeZoneName: 'short' });

function runNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 2 ** 31 - 1) throw new InvalidArgumentError('Expected the number of a run, from 1.');
  return number;
}
