import { Presets, SingleBar } from 'cli-progress';
import { InvalidArgumentError, Option } from 'commander';
import type { EntityManager } from '@mikro-orm/postgresql';
import { countHistory, countPrunableJobs, ENDED_STATES, HISTORY, pruneHistory, pruneJobs, type PrunableJobs, type PruneFilter } from '../db/prune.ts';
import { foldTally } from '../db/tally.ts';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { JOB_KIND } from '../status/status.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';
import { queueable } from './queue-option.ts';
import { parseUntil } from './until.ts';

interface Options extends CommonOptions {
  age: number;
  state: (typeof ENDED_STATES)[number][];
  exclude?: string[];
  jobs: boolean;
  history: boolean;
  commit?: true;
  json?: true;
}

/** What went, or would go. */
interface Pruned {
  jobs: readonly PrunableJobs[];
  history: Readonly<Record<string, number>>;
  committed: boolean;
}

/** `afterglow prune`: ended jobs and old history. */
export const pruneCommand = () =>
  queueable(command(
    'prune',
    'delete ended jobs and old history',
    'Says which jobs that ended long ago, and which old attempts, transitions, ticks, calls of hooks, checkpoints and notices would go; with --commit they go, in batches. A job that others still wait for stays, and so does the last attempt of every entry. Nothing can be brought back.',
  ))
    .addOption(new Option('--age <span>', 'only what is older than this: 90m, 2d, 30d').argParser(age).default(30 * 86_400, '30d'))
    .addOption(new Option('--state <state...>', 'only jobs that ended so').choices(ENDED_STATES).default([...ENDED_STATES], 'all four'))
    .option('--exclude <job...>', 'names of jobs that stay')
    .option('--no-jobs', 'leave all jobs')
    .option('--no-history', 'leave attempts, transitions, ticks and the like')
    .option('--commit', 'delete; without it, nothing is changed')
    .option('--json', 'JSON: {"jobs": [{"name", "state", "count"}], "history": {"<table>": n}, "committed"}')
    .action(async (options: Options) => {
      const pruned = await withHome(options, ({ database }) => prune(database.em(), options));
      if (options.json) printJson(pruned);
      else report(pruned);
    });

async function prune(em: EntityManager, { age: olderThanSeconds, state: states, exclude = [], jobs: withJobs, history: withHistory, commit }: Options): Promise<Pruned> {
  await assertJobs(em, exclude);
  const filter: PruneFilter = { olderThanSeconds, states, exclude };
  const jobs = withJobs ? await countPrunableJobs(em, filter) : [];
  const history: Record<string, number> = {};
  for (const name of withHistory ? HISTORY : []) history[name] = await countHistory(em, name, olderThanSeconds);
  if (commit !== true) return { jobs, history, committed: false };

  const total = [...jobs.map(({ count }) => count), ...Object.values(history)].reduce((sum, count) => sum + count, 0);
  const bar = progressBar(total);
  // What is counted before it is deleted need not be counted while it is.
  await foldTally(em);
  if (withJobs) for (let gone; (gone = await pruneJobs(em, filter)) > 0; ) bar.increment(gone);
  for (const name of withHistory ? HISTORY : []) {
    history[name] = 0;
    for (let gone; (gone = await pruneHistory(em, name, olderThanSeconds)) > 0; ) {
      history[name] += gone;
      bar.increment(gone);
    }
  }
  bar.stop();
  return { jobs, history, committed: true };
}

/** Who mistypes a name would lose what was to stay. */
async function assertJobs(em: EntityManager, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const known = (await em.execute<{ name: string }[]>(`select name from task where kind like '${JOB_KIND}%' order by name`)).map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UnknownNameError('type of jobs', unknown, known, nearest(unknown, known));
}

function progressBar(total: number): Pick<SingleBar, 'increment' | 'stop'> {
  if (process.stderr.isTTY !== true) return { increment: () => {}, stop: () => {} };
  const bar = new SingleBar({ format: '{bar} {value}/{total} rows deleted', stream: process.stderr, hideCursor: true, barsize: 30 }, Presets.rect);
  bar.start(total, 0);
  return bar;
}

function report({ jobs, history, committed }: Pruned): void {
  const count = jobs.reduce((sum, one) => sum + one.count, 0);
  if (jobs.length > 0) print(table([['JOB', 'STATE', 'COUNT'], ...jobs.map(({ name, state, count: of }) => [name, state, of])]));
  const rows = Object.entries(history).filter(([, of]) => of > 0).map(([name, of]) => plural(of, name.replace('_', ' ')));
  const what = [plural(count, 'job'), ...rows].join(', ');
  print(committed ? `Deleted: ${what}.` : `Would be deleted: ${what}. Nothing is changed without --commit.`);
}

function age(text: string): number {
  const span = parseUntil(text);
  if (typeof span !== 'number') throw new InvalidArgumentError('Expected a span such as 90m, 2d or 30d.');
  return span;
}
