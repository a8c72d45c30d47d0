import path from 'node:path';
import { Argument, InvalidArgumentError, Option } from 'commander';
import { ConfigError } from '../errors.ts';
import { createLog } from '../log.ts';
import { openHome } from '../prepare.ts';
import type { RunEndState } from '../runs/close-run.ts';
import { executeRun, type ExecutedRun } from '../runs/execute-run.ts';
import type { JobFile } from '../runs/job-file.ts';
import { loadHooks } from '../runs/load-hooks.ts';
import { readJobs } from '../runs/read-jobs.ts';
import type { RunView, TaskView } from '../runs/run-view.ts';
import { describeCounts, END_WORDS } from '../runs/words.ts';
import { command, configOf, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';
import { showLines, showTree, type RunShow } from './show-run.ts';
import { onSignals } from './signals.ts';
import { endProcess, wholeNumber } from './work.ts';

type Options = CommonOptions & {
  maxTasks: number;
  onlyRun?: string[];
  forced?: true;
  new?: true;
  debug?: true;
  name?: string;
  hooks?: string;
  pass?: string[];
  json?: true;
};

/** What the command exits with, by how the run ended. 130 is what a shell makes of Ctrl-C. */
const EXIT_CODES: Readonly<Record<RunEndState, number>> = { finished: 0, failed: 1, halted: 4, crashed: 70, aborted: 130 };

/** `afterglow run-jobs`: the scripts of a file of jobs, each when those that it waits for have ended. */
export const runJobsCommand = () =>
  queueable(command(
    'run-jobs',
    'run the scripts of a file of jobs',
    'Reads a list of jobs, each a list of steps, checks all of it, and runs the scripts, each as soon as those of the step before it have ended well. What has not changed since its last success is not run again. A run whose process was killed is taken up where it was by the same command. Exits with 0 if the run is finished, 1 if scripts failed or the file has mistakes, 4 if it was halted, 130 if it was aborted by Ctrl-C.',
  ))
    .addArgument(new Argument('<file>', 'the list of jobs, JSON or YAML'))
    .addOption(new Option('--max-tasks <n>', 'scripts that run at once').argParser(wholeNumber(1, 1000)).default(8))
    .option('--only-run <script...>', 'only these scripts, and all that they wait for')
    .option('--forced', 'run what has not changed too, and go on after failures')
    .option('--debug', 'show the command, the output and the errors of every script, and halt at the first failure')
    .addOption(new Option('--name <name>', 'name of the run; runs of one name are compared with each other (the folder of the file)').argParser(runName))
    .option('--new', 'begin another run where the last one did not come to its end')
    .option('--hooks <file>', 'a module with onTaskReady, onTaskComplete and onTaskFail')
    .option('--pass <variable...>', 'variables of the environment that the scripts get beside PATH, HOME and the like')
    .option('--json', 'the run as JSON when it has ended')
    .action(async (file: string, options: Options) => {
      process.exitCode = await runJobs(file, options);
      endProcess();
    });

async function runJobs(given: string, options: Options): Promise<number> {
  const file = await readJobs(given);
  const hooks = options.hooks === undefined ? {} : await loadHooks(options.hooks);
  const stream = options.json ? process.stderr : process.stdout;
  const isLive = stream.isTTY === true && options.log === 'plain' && !options.debug;
  const show = isLive ? showTree(stream) : showLines((text) => void stream.write(text));
  const config = configOf(options, isLive ? { log: 'silent' } : {});
  // That a script failed is shown anyway.
  const log = show.log ?? createLog(config.log, 'error');
  const abort = new AbortController();
  let signal = 'SIGINT';
  const note = (name: string): void => void (signal = name);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, note);
  const signals = onSignals({ first: () => abort.abort(), second: () => {} });
  // What a hook let go of must not take the run down.
  const onRejection = (reason: unknown): void => log.error({ err: reason }, 'a promise that nobody waits for was rejected, probably by a hook');
  process.on('unhandledRejection', onRejection);
  const home = await openHome(config, log, options.maxTasks + 8);
  try {
    const ended = await executeRun(home, {
      hooks, most: options.maxTasks, haltOnFailure: options.debug === true, pass: options.pass ?? [], signal: abort.signal,
      order: { file, name: options.name ?? nameOf(file), only: options.onlyRun ?? [], forced: options.forced === true, anew: options.new === true },
      onOpen: (view) => open(view, show, options),
    });
    show.end();
    if (options.json) printJson(ended);
    else print(describe(ended));
    return ended.state === 'aborted' && signal === 'SIGTERM' ? 143 : EXIT_CODES[ended.state];
  } finally {
    signals.dispose();
    process.off('unhandledRejection', onRejection);
    await home.close();
  }
}

function open(view: RunView, show: RunShow, { debug, maxTasks }: Options): void {
  const { run } = view;
  for (const note of run.notes) show.say(note);
  if (run.isResumed) show.say(`Run ${run.number} of "${run.name}" did not come to its end; it goes on where it was.`);
  for (const { job, reason } of run.plan.left) show.say(`Job "${job.name}" is left out: ${reason}.`);
  if (run.plan.tasks.length === 0) show.say('There is nothing to do in this run.');
  show.follow(view);
  if (!debug) return;
  show.say(`${plural(maxTasks, 'script')} at once at most`);
  view.onChange((one, before) => {
    if (before === 'running' && one.state !== 'running') show.say(debugText(one));
  });
}

function debugText({ task, command: line, stdout, stderr, result }: TaskView): string {
  const part = (title: string, text: string | undefined): string => (text === undefined || text.trim() === '' ? '' : `--- ${title} of ${task.script}\n${text.trimEnd()}\n`);
  return `${part('command', line)}${part('standard output', stdout)}${part('standard error', stderr)}${part('result', result && JSON.stringify(result, null, 2))}---`;
}

function describe({ name, number, state, counts, message }: ExecutedRun): string {
  return `Run ${number} of "${name}" ${END_WORDS[state]}. ${describeCounts(counts)}.${message === undefined ? '' : `\n${message}`}`;
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,39}$/u;

function runName(text: string): string {
  if (!NAME.test(text)) throw new InvalidArgumentError('Expected 1 to 40 letters, digits and . _ - , a letter or digit first.');
  return text;
}

/** The folder's name where the file is called `jobs`, else the file's. */
function nameOf({ file, folder }: JobFile): string {
  const stem = path.basename(file).replace(/\.(?:json|ya?ml)$/i, '');
  const name = (stem === 'jobs' ? path.basename(folder) : stem).replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[._-]+/, '').slice(0, 40);
  if (!NAME.test(name)) throw new ConfigError(`No name for the run can be made of ${file}; give it one with --name.`);
  return name;
}
