import type { RunCounts, RunEndState } from './close-run.ts';
import type { TaskState } from './statuses.ts';

/** `0.3 s`, `41 s`, `3:07`, `2:03:07`. */
export function span(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

const two = (number: number): string => String(number).padStart(2, '0');

/** `5 scripts: 3 succeeded, 1 failed, 1 skipped`. What there is none of is left out. */
export function describeCounts({ tasks, succeeded, unchanged, failed, skipped }: RunCounts): string {
  const parts = Object.entries({ succeeded, unchanged, failed, skipped }).filter(([, count]) => count > 0).map(([word, count]) => `${count} ${word}`);
  const all = tasks === 1 ? '1 script' : `${tasks} scripts`;
  return parts.length === 0 ? all : `${all}: ${parts.join(', ')}`;
}

/** How a run ended, for the end of a sentence. */
export const END_WORDS: Readonly<Record<RunEndState, string>> = {
  finished: 'is finished', failed: 'has failed', aborted: 'was aborted', halted: 'was halted at the first failure', crashed: 'crashed',
};

/** Where a script stands, for lists. */
export const STATE_WORDS: Readonly<Record<TaskState, string>> = {
  waiting: 'waiting', running: 'running', success: 'succeeded', unchanged: 'unchanged', failed: 'failed', skipped: 'skipped',
};
