import type { Job } from './job-file.ts';
import type { RunView, TaskView } from './run-view.ts';
import type { TaskState } from './statuses.ts';
import { span } from './words.ts';

/** How a piece of text looks. */
export type Style = 'plain' | 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** A line of the tree; pieces are put side by side. */
export interface TreeLine {
  pieces: readonly { text: string; style: Style }[];
  /** What is left out last where the screen is too small: 0 the head, 1 what runs and what failed, 2 the rest. */
  rank: 0 | 1 | 2;
}

const SIGNS: Readonly<Record<TaskState, { sign: string; style: Style }>> = {
  waiting: { sign: '·', style: 'dim' },
  running: { sign: '▶', style: 'cyan' },
  success: { sign: '✔', style: 'green' },
  unchanged: { sign: '=', style: 'green' },
  failed: { sign: '✖', style: 'red' },
  skipped: { sign: '-', style: 'yellow' },
};
/** Of standard error, so many lines are shown of each script that failed. */
const ERROR_LINES = 3;

/** A run as a tree: its jobs, under each its scripts by their steps, every script once however many jobs name it. */
export function tree(view: RunView, now: Date): TreeLine[] {
  const { run, counts } = view;
  const done = counts.success + counts.unchanged + counts.failed + counts.skipped;
  const parts = [`${done} of ${view.tasks.length} done`, ...(['running', 'unchanged', 'failed', 'skipped'] as const).filter((state) => counts[state] > 0).map((state) => `${counts[state]} ${state}`)];
  const head: TreeLine = {
    rank: 0,
    pieces: [
      { text: `${run.name} ${run.number}`, style: 'bold' },
      { text: `  ${span((now.getTime() - view.startedAt.getTime()) / 1000)}  ${parts.join(', ')}`, style: 'plain' },
    ],
  };
  return [head, ...run.plan.jobs.flatMap((job) => jobLines(view, job, now))];
}

function jobLines(view: RunView, job: Job, now: Date): TreeLine[] {
  const lines = job.steps.flatMap((step, depth) =>
    step.map(({ script }) => view.tasks.find(({ task }) => task.script === script)).filter((one) => one?.task.jobs[0] === job).flatMap((one) => taskLines(one!, depth, now)));
  const elsewhere = job.steps.flat().filter(({ script }) => view.tasks.some(({ task }) => task.script === script && task.jobs[0] !== job));
  const shared = elsewhere.length === 0 ? '' : `  with ${elsewhere.length === 1 ? '1 script' : `${elsewhere.length} scripts`} from above`;
  return [{ rank: 2, pieces: [{ text: job.name, style: 'bold' }, { text: shared, style: 'dim' }] }, ...lines];
}

function taskLines(one: TaskView, depth: number, now: Date): TreeLine[] {
  const { sign, style } = one.warning === undefined ? SIGNS[one.state] : { ...SIGNS[one.state], style: 'yellow' as const };
  const rank = one.state === 'running' || one.state === 'failed' ? 1 : 2;
  const indent = '  '.repeat(depth + 1);
  const others = one.task.jobs.length > 1 ? `  (also of ${one.task.jobs.slice(1).map(({ name }) => name).join(', ')})` : '';
  const first: TreeLine = {
    rank,
    pieces: [
      { text: indent, style: 'plain' },
      { text: `${sign} `, style },
      { text: one.task.script, style: one.state === 'waiting' ? 'dim' : 'plain' },
      { text: `${timeOf(one, now)}${one.reason === undefined || one.state === 'unchanged' ? '' : `  ${oneLine(one.reason)}`}`, style: one.state === 'failed' ? 'red' : 'dim' },
      { text: one.warning === undefined ? '' : `  ${oneLine(one.warning)}`, style: 'yellow' },
      { text: others, style: 'dim' },
    ],
  };
  return [first, ...errorLines(one).map((text): TreeLine => ({ rank, pieces: [{ text: `${indent}    ${text}`, style: 'red' }] }))];
}

function timeOf({ state, startedAt, seconds, progress }: TaskView, now: Date): string {
  if (state === 'running' && startedAt !== undefined) return `  ${span((now.getTime() - startedAt.getTime()) / 1000)}${progress === undefined ? '' : `  ${Math.round(progress * 100)} %`}`;
  return seconds === undefined || state === 'waiting' || state === 'skipped' ? '' : `  ${span(seconds)}`;
}

const errorLines = ({ state, stderr }: TaskView): string[] =>
  state === 'failed' ? stderr.split('\n').map((line) => oneLine(line)).filter((line) => line !== '').slice(-ERROR_LINES) : [];

/** What a script wrote may hold anything; a terminal must not obey it. */
export const oneLine = (text: string): string => (text.split('\n', 1)[0] ?? '').replaceAll('\t', ' ').replaceAll(/\p{C}/gu, '').trimEnd();

/** At most so many lines: what is done and what waits goes first, then what runs, from the end; the last line says how many are missing. */
export function fitted(lines: readonly TreeLine[], most: number): TreeLine[] {
  if (lines.length <= most) return [...lines];
  const kept = new Set(lines.map((line, place) => ({ line, place })).toSorted((a, b) => a.line.rank - b.line.rank || a.place - b.place).slice(0, Math.max(0, most - 1)).map(({ place }) => place));
  const missing: TreeLine = { rank: 0, pieces: [{ text: `… and ${lines.length - kept.size} more lines`, style: 'dim' }] };
  return [...lines.filter((_, place) => kept.has(place)), missing];
}
