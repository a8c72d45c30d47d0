import { InvalidArgumentError, type Command } from 'commander';
import { COMMAND_JOB } from '../flows/afterglow-command.ts';
import { DatabaseJobs } from '../jobs/jobs.ts';
import { login, person, withHome, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';

/** The options that {@link queueable} adds. */
interface QueueOptions extends CommonOptions {
  queue?: true;
  timeout?: number;
  json?: true;
}

/**
 * Gives a command that changes something the options `--queue` and `--timeout`: then a daemon runs it as a job, and here it does
 * nothing but enqueue that. It is run in the folder in which it was given, so that the daemon must find files there that it names. To be called before `action`.
 */
export function queueable(of: Command): Command {
  const withAction = of.action.bind(of);
  of
    .option('-Q, --queue', 'have a daemon run it as a job; "afterglow jobs show" has what it printed')
    .option('--timeout <seconds>', 'with --queue: how long the job may take', seconds);
  of.action = (act) =>
    withAction(async (...given: unknown[]) => {
      const command = given.at(-1) as Command;
      await (command.opts<QueueOptions>().queue === true ? enqueue(command) : act.apply(command, given));
    });
  return of;
}

async function enqueue(command: Command): Promise<void> {
  const options = command.opts<QueueOptions>();
  const words = queuedWords(wordsBehind(command), command);
  const job = await withHome(options, ({ database }) =>
    new DatabaseJobs({ run: database.hot.run, by: person() }).enqueue(COMMAND_JOB, { command: nameOf(command), args: words, user: login(), folder: process.cwd() }, { timeoutSeconds: options.timeout }));
  if (options.json) printJson({ job: job.id, name: COMMAND_JOB });
  else print(`Job ${job.id} runs "afterglow ${nameOf(command)}". "afterglow jobs show ${job.id}" says what came of it.`);
}

/** The words behind the name of a command, which may be one of several words. */
function wordsBehind(command: Command): string[] {
  const depth = nameOf(command).split(' ').length;
  return process.argv.slice(2 + depth);
}

function nameOf(command: Command): string {
  // The program itself is nobody's command.
  return command.parent?.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

/** The words of a command without what is about here and now alone: `--queue`, `--timeout`, `--data`, `--log` and `--runners`. */
export function queuedWords(words: readonly string[], command: Pick<Command, 'options'>): string[] {
  const kept: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    if (word === '--') return [...kept, ...words.slice(at)];
    const option = command.options.find(({ short, long }) => word === short || word === long || word.startsWith(`${long}=`));
    // What follows a value option is its value, whatever it looks like.
    const hasValue = option?.required === true && !word.includes('=') && at + 1 < words.length;
    if (option === undefined || !HERE.has(option.long ?? '')) kept.push(word, ...(hasValue ? [words[at + 1]!] : []));
    if (hasValue) at += 1;
  }
  return kept;
}

const HERE = new Set(['--queue', '--timeout', '--data', '--log', '--runners']);

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0)) throw new InvalidArgumentError('Expected a number of seconds above 0.');
  return value;
}
