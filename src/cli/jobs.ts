import { Argument, InvalidArgumentError, Option } from 'commander';
import type { Run } from '../db/hot.ts';
import { readFailedOutput } from '../flows/failed-output.ts';
import { readHookCalls } from '../hooks/read-calls.ts';
import { jobsOf, type OpenJobs } from '../jobs/open.ts';
import { jobRunners } from '../runner/job-tasks.ts';
import type { JobDetails, JobFilter, JobOptions, JobState } from '../runner/jobs.ts';
import { command, group, person, withHome, withRunners, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';
import { queueable } from './queue-option.ts';
import { parseUntil } from './until.ts';

const STATES: readonly JobState[] = ['pending', 'running', 'completed', 'failed', 'cancelled', 'skipped'];
/** How long an end is waited for unless the options say otherwise, seconds. */
const WAIT_SECONDS = 600;

type Options = CommonOptions & { json?: true };

/** `afterglow jobs`: enqueues jobs and looks after them. */
export const jobsCommand = () =>
  group('jobs', 'enqueue jobs, list them, wait for them, cancel and requeue them', 'Jobs are work that has arguments in place of an object; their types are classes of your runners that extend JobRunner. They are run by daemons and workers, like all other work.')
    .addHelpText('after', `
Examples:
  afterglow jobs names                                       which types of jobs there are
  afterglow jobs enqueue Shout '{"text": "hello"}' --wait    enqueue one, and print what it gave
  afterglow jobs enqueue Mail '{}' --parent 812 --delay 1h   one that waits for another, and an hour
  afterglow jobs list --state failed                         what failed
  afterglow jobs show 812                                    everything about one
  afterglow explain 812                                      why it waits
  afterglow jobs cancel 812 --reason "wrong field"           stop it, and what follows from it
  afterglow jobs requeue 812 --with-children                 have it done again, with what its failure cancelled`)
    .addCommand(listCommand().exitOverride(), { isDefault: true })
    .addCommand(showCommand().exitOverride())
    .addCommand(namesCommand().exitOverride())
    .addCommand(enqueueCommand().exitOverride())
    .addCommand(waitCommand().exitOverride())
    .addCommand(cancelCommand().exitOverride())
    .addCommand(requeueCommand().exitOverride());

const listCommand = () =>
  command('list', 'the newest jobs', 'Lists jobs, the newest first.')
    .option('--name <name...>', 'only of these types')
    .addOption(new Option('--state <state...>', 'only in these states').choices(STATES))
    .option('--key <key>', 'only those of this key')
    .option('--parent <id>', 'only those that wait, or waited, for this job')
    .option('--limit <n>', 'so many at most', whole, 50)
    .option('--json', 'JSON: a list of what "show --json" prints')
    .action(async ({ name, state, key, parent, limit, ...options }: Options & { name?: string[]; state?: JobState[]; key?: string; parent?: string; limit: number }) => {
      const filter: JobFilter = { names: name, states: state, key, parent, limit };
      const [found, reasons] = await withJobs(options, async (jobs) => [await jobs.list(filter), state?.includes('skipped') && !options.json ? await jobs.skipReasons({ names: name }) : []] as const);
      if (options.json) return printJson(found);
      if (found.length === 0) return print('There are no such jobs.');
      print(table([['job', 'name', 'state', 'enqueued', 'by', ''], ...found.map((job) => [job.id, job.name, job.state, time(job.enqueuedAt), job.enqueuedBy, remark(job)])]));
      for (const { name: type, reason, count } of reasons) print(`${plural(count, 'job')} "${type}" skipped: ${reason}`);
    });

const showCommand = () =>
  command('show', 'everything about a job', 'Says where a job stands, with its arguments, its parents and children, and what it gave.')
    .addArgument(new Argument('<id>', 'id of the job'))
    .option('--json', 'JSON: {"id", "name", "state", "args", "enqueuedAt", "enqueuedBy", "dueAt", "startedAt", "endedAt", "priority", "timeoutSeconds", "key", "merged", "attempts", "requeues", "parents", "children", "waitsFor", "reason", "progress", "result", "hooks": [{"hook", "event", "attempt", "at", "wallSeconds", "result", "error"}], and "output" of a command that failed}')
    .action(async (id: string, options: Options) => {
      const { job, hooks, output } = await withJobs(options, async (jobs, run) => {
        const found = await jobs.get(id);
        return { job: found, hooks: await readHookCalls(run, found.id), output: await readFailedOutput(run, found.id) };
      });
      if (options.json) return printJson({ ...job, hooks, ...(output === undefined ? {} : { output }) });
      print(describe(job));
      for (const { hook, event, attempt, result, error } of hooks) print(`  hook          "${hook}" ${event} attempt ${attempt}: ${error === null ? JSON.stringify(result) : `failed: ${error}`}`);
      if (output !== undefined) print(`  exit code     ${output.exitCode ?? 'none'}\n  standard output\n${output.stdout}\n  standard error\n${output.stderr}`);
    });

const namesCommand = () =>
  withRunners(command('names', 'which types of jobs there are', 'Lists the types of jobs of the runners here.'))
    .option('--json', 'JSON: [{"name", "description", "owner", "version", "active"}]')
    .action(async (options: Options) => {
      const types = await withHome(options, async ({ pipeline }) => jobRunners(pipeline.periodicRunners));
      const rows = types.map(({ taskName: name, description, owner, version, active }) => ({ name, description, owner, version, active }));
      if (options.json) return printJson(rows);
      if (rows.length === 0) return print('The runners here have no types of jobs.');
      print(table([['name', 'version', 'owner', 'description'], ...rows.map(({ name, version, owner, description, active }) => [name, version, owner, `${active ? '' : '(not active) '}${description}`])]));
    });

type EnqueueOptions = Options & { parent?: string[]; delay?: Date | number; priority?: number; timeout?: number; wait?: number | true };

const enqueueCommand = () =>
  withRunners(command('enqueue', 'enqueue a job', 'Enqueues a job and prints its id; with --wait, what it gave.\n\nExit codes: 0 it is enqueued (with --wait: completed); 1 its arguments are wrong, or it did not complete; 3 it has not ended after the wait.'))
    .addArgument(new Argument('<name>', 'the type of the job'))
    .addArgument(new Argument('[arguments]', 'JSON, an object').argParser(json).default({}, '{}'))
    .option('--parent <id...>', 'wait until these jobs are completed; if one of them fails or is cancelled, so is this one')
    .option('--delay <when>', 'do not begin before: 90m, 2d, 1h30m, or a time', parseUntil)
    .option('--priority <n>', 'higher goes first', whole)
    .option('--timeout <seconds>', 'how long an attempt may take', seconds)
    .option('--wait [seconds]', `wait for its end, ${WAIT_SECONDS} s unless given`, seconds)
    .option('--json', 'JSON: {"id", "name"}; with --wait also "result"')
    .action(async (name: string, args: object, { parent, delay, priority, timeout, wait, ...options }: EnqueueOptions) => {
      const given: JobOptions = {
        parents: parent ?? [], priority, timeoutSeconds: timeout, ...(delay instanceof Date ? { at: delay } : { delaySeconds: delay }),
      };
      await withJobs(options, async (jobs) => {
        const job = await jobs.enqueue(name, args, given);
        if (wait === undefined) return options.json ? printJson({ id: job.id, name }) : print(job.id);
        const result = await jobs.wait(job.id, { timeoutSeconds: wait === true ? WAIT_SECONDS : wait });
        printJson(options.json ? { id: job.id, name, result: result ?? null } : (result ?? null));
      });
    });

const waitCommand = () =>
  withRunners(command('wait', 'wait until jobs have ended', 'Waits until jobs have ended, and prints what they gave, each on a line of its own.\n\nExit codes: 0 all are completed; 1 one failed, was cancelled or skipped; 3 one has not ended after the wait.'))
    .addArgument(new Argument('<id...>', 'ids of jobs'))
    .option('--timeout <seconds>', 'how long to wait', seconds, WAIT_SECONDS)
    .option('--json', 'JSON: [{"id", "result"}]')
    .action(async (ids: string[], { timeout, ...options }: Options & { timeout: number }) => {
      const results = await withJobs(options, (jobs) => Promise.all(ids.map(async (id) => ({ id, result: (await jobs.wait(id, { timeoutSeconds: timeout })) ?? null }))));
      if (options.json) printJson(results);
      else for (const { result } of results) print(JSON.stringify(result));
    });

const cancelCommand = () =>
  queueable(command('cancel', 'cancel a job, and what follows from it', 'Cancels a job that has not begun; one that runs is told to stop, and ends as cancelled whatever it does. Jobs that wait for it are cancelled with it.'))
    .addArgument(new Argument('<id...>', 'ids of jobs'))
    .requiredOption('--reason <text>', 'why; whoever waits for it is told')
    .option('--json', 'JSON: [{"id", "answer"}]; "answer" is cancelled, stopping or ended')
    .action(async (ids: string[], { reason, ...options }: Options & { reason: string }) => {
      const answers = await withJobs(options, async (jobs) => {
        const all: { id: string; answer: Awaited<ReturnType<OpenJobs['cancel']>> }[] = [];
        for (const id of ids) all.push({ id, answer: await jobs.cancel(id, reason) });
        return all;
      });
      if (options.json) printJson(answers);
      else for (const { id, answer } of answers) print(`Job ${id} ${ANSWERS[answer]}`);
    });

const ANSWERS = { cancelled: 'is cancelled.', stopping: 'runs; it has been told to stop.', ended: 'had ended before.' } as const;

const requeueCommand = () =>
  queueable(command('requeue', 'have jobs done again', 'Has jobs that ended done again, with everything that they were enqueued with, before all that was not requeued.'))
    .addArgument(new Argument('<id...>', 'ids of jobs'))
    .option('--with-children', 'also what was cancelled because of them')
    .option('--json', 'JSON: a list of ids')
    .action(async (ids: string[], { withChildren, ...options }: Options & { withChildren?: true }) => {
      const requeued = await withJobs(options, async (jobs) => {
        const all: string[] = [];
        for (const id of ids) all.push(...(await jobs.requeue(id, { withChildren: withChildren === true })));
        return all;
      });
      if (options.json) printJson(requeued);
      else print(`Requeued ${plural(requeued.length, 'job')}: ${requeued.join(', ')}.`);
    });

async function withJobs<T>(options: CommonOptions, act: (jobs: OpenJobs, run: Run) => Promise<T>): Promise<T> {
  return withHome(options, async ({ database, pipeline }) => {
    await using jobs = jobsOf(database.address, { types: jobRunners(pipeline.periodicRunners), by: person() });
    return await act(jobs, database.hot.run);
  });
}

function describe(job: JobDetails): string {
  const { id, name, state, reason, args, parents, children, waitsFor, attempts, requeues, progress, result } = job;
  const lines: [string, string | null][] = [
    ['arguments', JSON.stringify(args)],
    ['enqueued', `${time(job.enqueuedAt)} by ${job.enqueuedBy}${requeues === 0 ? '' : `, requeued ${plural(requeues, 'time')}`}`],
    ['begins after', job.dueAt && time(job.dueAt)],
    ['key', job.key === null ? null : `${job.key}${job.merged === 0 ? '' : `, with ${plural(job.merged, 'other')} merged into it`}`],
    ['waits for', waitsFor.length === 0 ? null : waitsFor.map((parent) => `${parent.id} "${parent.name}" (${parent.state})`).join(', ')],
    ['started', job.startedAt && `${time(job.startedAt)}, attempt ${attempts}${progress === null ? '' : `, ${Math.round(progress * 100)} % done`}`],
    ['ended', job.endedAt && time(job.endedAt)],
    ['priority', job.priority === 0 ? null : String(job.priority)],
    ['timeout', job.timeoutSeconds === null ? null : `${job.timeoutSeconds} s`],
    ['parents', parents.join(', ') || null],
    ['children', children.join(', ') || null],
    ['reason', reason],
    ['result', result === null ? null : JSON.stringify(result)],
  ];
  return [`Job ${id} "${name}" is ${state}.`, ...lines.filter(([, text]) => text !== null).map(([what, text]) => `  ${what.padEnd(12)}  ${text}`)].join('\n');
}

/** What a line of the list says behind the columns. */
function remark({ state, reason, waitsFor, dueAt, progress }: JobDetails): string {
  if (state === 'running') return progress === null ? '' : `${Math.round(progress * 100)} %`;
  if (waitsFor.length > 0 && state === 'pending') return `waits for ${waitsFor.slice(0, 3).map(({ id }) => id).join(', ')}${waitsFor.length > 3 ? ` and ${waitsFor.length - 3} more` : ''}`;
  if (dueAt !== null && state === 'pending') return `not before ${time(dueAt)}`;
  const text = (reason ?? '').replaceAll(/\s+/g, ' ');
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

/** To the second, UTC. */
const time = (at: Date): string => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function json(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected JSON, such as '{"text": "hello"}': ${(error as Error).message}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidArgumentError(`Expected an object, such as '{"text": "hello"}'.`);
  return value;
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError('Expected a number of seconds.');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value)) throw new InvalidArgumentError('Expected a whole number.');
  return value;
}
