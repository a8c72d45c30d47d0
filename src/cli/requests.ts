import path from 'node:path';
import { Argument, Command } from 'commander';
import { systemClock } from '../clock.ts';
import { FileProblemsError, RequestProblemsError, type FileProblem } from '../errors.ts';
import { displayName } from '../fixtures/find-files.ts';
import { ProblemList } from '../fixtures/problem-list.ts';
import { readText } from '../fixtures/read-text.ts';
import { approve, close, withdrawApproval } from '../requests/approve.ts';
import { comment } from '../requests/comment.ts';
import { readCosts } from '../requests/costs.ts';
import type { Desk } from '../requests/desk.ts';
import { addTask, omitTask } from '../requests/edit-list.ts';
import { identify } from '../requests/identify.ts';
import { readRequestsCsv } from '../requests/read-csv.ts';
import { readRequest, readRequests, type RequestReport, type WholeRequest } from '../requests/report.ts';
import { runNow } from '../requests/run-now.ts';
import { takeIn, type TakenRequest } from '../requests/take-in.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

type Options = CommonOptions & { json?: true };

const act = (name: string, summary: string, description = `${summary[0]!.toUpperCase()}${summary.slice(1)}.`): Command => command(name, summary, description).exitOverride();
/** A command that changes something, so that it may be put into the queue. */
const change = (...given: Parameters<typeof act>): Command => queueable(act(...given));
const theRequest = new Argument('<request>', 'name of the request, such as R-17');
const theTask = new Argument('<task>', 'name of the task');
const atDesk = <T>(options: CommonOptions, does: (desk: Desk) => Promise<T>): Promise<T> => withHome(options, ({ database }) => does({ database, clock: systemClock }));

/** `afterglow requests …`: what people ask for, from the command line. */
export const requestsCommand = () =>
  new Command('requests')
    .summary('take in, approve and look at requests')
    .description('Requests that people approve: taken in, edited, approved, run, and what they cost. The pages and the interface over HTTP do the same.')
    .addCommand(ingest())
    .addCommand(list())
    .addCommand(show())
    .addCommand(
      change('approve', 'approve a request with its list of tasks: it starts').addArgument(theRequest).action(async (request: string, options: Options) => {
        await atDesk(options, (desk) => approve(desk, { request, by: person() }));
        print(`${request} is approved; its tasks run as soon as they may.`);
      }),
    )
    .addCommand(
      change('withdraw', 'take the approval of a request back, before anything has run').addArgument(theRequest).action(async (request: string, options: Options) => {
        await atDesk(options, (desk) => withdrawApproval(desk, { request, by: person() }));
        print(`${request} waits for approval again.`);
      }),
    )
    .addCommand(
      change('omit', 'take a task off the list of a request').addArgument(theRequest).addArgument(theTask).requiredOption('--reason <text>', 'why it does not apply')
        .action(async (request: string, task: string, options: Options & { reason: string }) => {
          await atDesk(options, (desk) => omitTask(desk, { request, task, by: person() }, options.reason));
          print(`"${task}" of ${request} is omitted.`);
        }),
    )
    .addCommand(
      change('add', 'put an omitted task back on the list of a request').addArgument(theRequest).addArgument(theTask).action(async (request: string, task: string, options: Options) => {
        await atDesk(options, (desk) => addTask(desk, { request, task, by: person() }));
        print(`"${task}" is on the list of ${request}.`);
      }),
    )
    .addCommand(
      change('run', 'have one task of an approved request run now', 'Has one task of an approved request run as soon as a daemon has room: one that failed is done again, one that waits for its batch is let go. Does not wait for it.')
        .addArgument(theRequest).addArgument(theTask).option('--again', 'also where it is done already')
        .action(async (request: string, task: string, options: Options & { again?: true }) => {
          const { message } = await atDesk(options, (desk) => runNow(desk, { request, task, by: person() }, { again: options.again }));
          print(message);
        }),
    )
    .addCommand(
      change('identify', 'write down an identifier of the person', 'Writes an identifier into a request that was found out later. Of a request that is not approved, tasks that were omitted for want of it come onto the list.')
        .addArgument(theRequest).addArgument(new Argument('<name>', 'name of the identifier')).addArgument(new Argument('<value>', 'what the person is known by'))
        .action(async (request: string, name: string, value: string, options: Options) => {
          const added = await atDesk(options, (desk) => identify(desk, { request, by: person() }, name, value));
          print(`The identifier is kept.${added.length === 0 ? '' : ` On the list now: ${added.join(', ')}.`}`);
        }),
    )
    .addCommand(
      change('comment', 'keep a remark with a request').addArgument(theRequest).addArgument(new Argument('<text>', 'what you have to say')).action(async (request: string, text: string, options: Options) => {
        await atDesk(options, (desk) => comment(desk, { request, by: person(), text }));
        print('The comment is kept.');
      }),
    )
    .addCommand(
      change('close', 'close a request of which nothing more will be done').addArgument(theRequest).requiredOption('--reason <text>', 'why; the person may make a new one then')
        .action(async (request: string, options: Options & { reason: string }) => {
          await atDesk(options, (desk) => close(desk, { request, by: person(), reason: options.reason }));
          print(`${request} is closed.`);
        }),
    )
    .addCommand(costs());

const ingest = () =>
  change(
    'ingest',
    'take in requests from a CSV file',
    'Takes in requests, all or none: columns email, request_type and request_date, and if you like request_due_date, notes, identifiers.<name> and details.<name>; empty or n/a where unknown. If a line is bad, all bad lines are listed.',
  )
    .addArgument(new Argument('<file>', 'the CSV file, with a header line'))
    .option('--dry-run', 'only check the file, and say which tasks each request would get')
    .option('--json', 'what was taken in, as JSON: [{"request", "deadline", "tasks", "omitted"}]')
    .action(async (file: string, options: Options & { dryRun?: true }) => {
      const { values, lines } = await readFile(file);
      const taken = await atDesk(options, (desk) => takeIn(desk, values, person(), { rows: lines, dryRun: options.dryRun })).catch((error: unknown) => {
        throw error instanceof RequestProblemsError ? new FileProblemsError(error.problems.map((problem) => inFile(displayName(file), problem))) : error;
      });
      if (options.json) return printJson(taken.map(({ name, ...rest }) => ({ request: name, ...rest })));
      for (const one of taken) print(describeTaken(one));
      print(`${plural(taken.length, 'request')} ${options.dryRun ? 'would be taken in' : 'taken in'}.`);
    });

async function readFile(file: string) {
  const problems = new ProblemList(displayName(file));
  const text = await readText(path.resolve(file), problems);
  const read = text === undefined ? { values: [], lines: [], problems: problems.all() } : readRequestsCsv(text, displayName(file));
  if (read.problems.length > 0) throw new FileProblemsError(read.problems);
  return read;
}

const inFile = (file: string, { row = 0, field, expected, found, nearest }: RequestProblemsError['problems'][number]): FileProblem =>
  ({ file, line: row, expected: `${field} to be ${expected}`, found, ...(nearest !== undefined && { nearest }) });

const describeTaken = ({ name, tasks, omitted }: TakenRequest): string =>
  [`${name === '' ? 'A request' : name}: ${tasks.length === 0 ? 'no task applies' : tasks.join(', ')}`, ...omitted.map(({ task, reason }) => `  omitted: ${task}. ${reason}`)].join('\n');

const list = () =>
  act('list', 'list the open requests, those first whose deadline is nearest')
    .option('--done', 'those that are completed or closed, the last ones first')
    .option('--json', 'the requests as JSON')
    .action(async (options: Options & { done?: true }) => {
      const requests = await atDesk(options, ({ database }) => readRequests(database.hot.run, options.done ? 'done' : 'open'));
      if (options.json) return printJson(requests);
      for (const request of requests) print(describeRequest(request));
      print(`${plural(requests.length, 'request')}.`);
    });

const show = () =>
  act('show', 'show one request: its tasks, why they wait, what happened')
    .addArgument(theRequest)
    .option('--json', 'all of it as JSON')
    .action(async (request: string, options: Options) => {
      const whole = await atDesk(options, ({ database }) => readRequest(database.hot.run, request));
      if (options.json) return printJson(whole);
      print([describeRequest(whole), ...whole.tasks.map((task) => describeTask(task, whole)), ...whole.events.map(({ at, by, kind, task, text }) => `${at.slice(0, 16).replace('T', ' ')} ${by}: ${kind}${task === null ? '' : ` "${task}"`}${text === '' ? '' : `: ${text}`}`)].join('\n'));
    });

const describeRequest = ({ request, state, email, type, deadline, overdue, cost }: RequestReport): string =>
  `${request}  ${type}  ${email}  ${state}${overdue ? ', overdue' : ''}, until ${deadline.slice(0, 10)}${cost === 0 ? '' : `, cost ${cost}`}`;

function describeTask({ task, state, reason, message, attempts, seconds, cost }: WholeRequest['tasks'][number], { waits }: WholeRequest): string {
  const why = state === 'omitted' ? [reason ?? ''] : (waits[task] ?? (message === null ? [] : [message]));
  const runs = attempts === 0 ? '' : ` (${plural(attempts, 'run')}, ${(seconds ?? 0).toFixed(1)} s, cost ${cost})`;
  return [`  "${task}": ${state}${runs}`, ...why.map((sentence) => `    ${sentence}`)].join('\n');
}

const costs = () =>
  act('costs', 'say what requests have cost, by month and task')
    .option('--json', 'JSON: [{"month", "cost", "attempts", "requests", "tasks"}]')
    .action(async (options: Options) => {
      const months = await atDesk(options, ({ database }) => readCosts(database.hot.run));
      if (options.json) return printJson(months);
      for (const { month, cost, requests, attempts, tasks } of months) {
        print([`${month}  ${cost}  (${plural(requests, 'request')}, ${plural(attempts, 'run')})`, ...tasks.map((one) => `  ${one.task}  ${one.cost}  (${plural(one.attempts, 'run')}, ${one.seconds.toFixed(1)} s)`)].join('\n'));
      }
      if (months.length === 0) print('Nothing has been run yet.');
    });
