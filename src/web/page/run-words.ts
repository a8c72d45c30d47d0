import { html } from 'hono/html';
import type { RunReport, ScriptReport } from '../../runs/list-runs.ts';
import { STATE_WORDS } from '../../runs/words.ts';
import { icon, span, type Html, type Sign } from './words.ts';

/** What the state of a run is drawn as. */
const RUN_SIGNS: Readonly<Record<RunReport['state'], Sign>> = {
  started: 'warning', running: 'warning', finished: 'success', failed: 'error', halted: 'error', aborted: 'held', crashed: 'machinery',
};

/** What the state of a script is drawn as, in the order in which counts are told. */
const SCRIPT_SIGNS: Readonly<Record<ScriptReport['state'], Sign>> = {
  success: 'success', unchanged: 'success', running: 'warning', failed: 'error', skipped: 'held', waiting: 'blank',
};

/** A run's state as a word with its drawing, in a pill. */
export const runPill = ({ state }: Pick<RunReport, 'state'>): Html => html`<span class="pill ${RUN_SIGNS[state]}">${icon(RUN_SIGNS[state])} ${state}</span>`;

/** A script's state in a word, with its drawing. */
export const scriptMark = (state: ScriptReport['state']): Html =>
  html`<ul class="statuses"><li class="${SCRIPT_SIGNS[state]}">${icon(SCRIPT_SIGNS[state])} ${STATE_WORDS[state]}</li></ul>`;

/** Whether a process works on it. */
export const isUnderWay = ({ state }: Pick<RunReport, 'state'>): boolean => state === 'started' || state === 'running';

/** How many scripts came to what, with the part of the bar that each is; what has not ended is the rest. */
export function scriptCounts({ counts: { tasks, succeeded, unchanged, failed, skipped } }: Pick<RunReport, 'counts'>): { word: string; sign: Sign; n: number }[] {
  const left = tasks - succeeded - unchanged - failed - skipped;
  const all: { word: string; sign: Sign; n: number }[] = [
    { word: 'succeeded', sign: SCRIPT_SIGNS.success, n: succeeded }, { word: 'unchanged', sign: SCRIPT_SIGNS.unchanged, n: unchanged },
    { word: 'failed', sign: SCRIPT_SIGNS.failed, n: failed }, { word: 'skipped', sign: SCRIPT_SIGNS.skipped, n: skipped }, { word: 'not ended', sign: 'blank', n: left },
  ];
  return all.filter(({ n }) => n > 0);
}

/** How long a run took, or takes by now. */
export const tookOf = ({ seconds }: Pick<RunReport, 'seconds'>): string => span(Math.max(0, seconds));
