import { html } from 'hono/html';
import { allEntries, type StatusReport, type TransientState } from '../../db/report.ts';
import type { StatusType } from '../../status/status.ts';
import type { Overview } from './overview.ts';

/** HTML that is made, its values escaped. */
export type Html = ReturnType<typeof html>;

/** A count for people, e.g. `1,638`. */
export const count = (n: number): string => n.toLocaleString('en-US');

/** `1 transient`, `273 transients`. */
export const counted = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** A share for people; what is there is never 0 %, and what is not all is never 100 %. */
export function percent(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %';
  const rounded = Math.round((100 * part) / whole);
  if (rounded === 0) return '< 1 %';
  return part < whole && rounded === 100 ? '> 99 %' : `${rounded} %`;
}

/** A span for people. */
export function span(seconds: number): string {
  if (seconds < 0.01) return '< 0.01 s';
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** An instant, UTC; the day is left out where it is today. */
export function instant(at: Date, now: Date): Html {
  const iso = at.toISOString();
  const day = iso.slice(0, 10) === now.toISOString().slice(0, 10) ? '' : `${iso.slice(0, 10)} `;
  return html`<time datetime="${iso}">${day}${iso.slice(11, 19)}</time>`;
}

/** What each state of a transient means, in the order of the bar. */
export const STATES: readonly { state: TransientState; meaning: string }[] = [
  { state: 'completed', meaning: 'every task succeeded' },
  { state: 'processing', meaning: 'something runs or can run' },
  { state: 'waiting', meaning: 'nothing of it has run yet' },
  { state: 'blocked', meaning: 'nothing more can run' },
];

/** What is the case, in a sentence or two. */
export function summary({ report, daemons }: Overview): string {
  const { transients, states, tasks } = report;
  if (tasks.length === 0) return 'The fixtures name no tasks yet.';
  if (transients === 0 && Object.keys(report.others).length === 0) return 'There are no transients yet: put them into the fixtures, or drop a CSV file into the inbox.';
  if (isIdle(report)) {
    if (transients === 0) return 'All work is done.';
    const all = states.blocked === 0 ? `All ${counted(transients, 'transient')} are completed.` : `${counted(states.completed, 'transient is', 'transients are')} completed, ${count(states.blocked)} blocked.`;
    return `All work is done. ${all}`;
  }
  const { total, done, processing } = allEntries(report);
  const running = processing === 0 ? 'Nothing is running at the moment' : `${counted(processing, 'entry is', 'entries are')} running`;
  const nobody = daemons.length === 0 ? ' No daemon is alive.' : '';
  return `${count(done)} of ${counted(total, 'entry', 'entries')} are done. ${running}.${nobody}`;
}

/** Whether nothing runs and nothing can run. */
export const isIdle = ({ states, others }: Pick<StatusReport, 'states' | 'others'>): boolean =>
  [states, ...Object.values(others).map((family) => family.states)].every(({ waiting, processing }) => waiting + processing === 0);

/** What the pages draw: the types of statuses, and what stands beside them. */
export type Sign = StatusType | 'machinery' | 'postponed' | 'held';

const PATHS: Record<Sign, Html> = {
  success: html`<path d="M2.5 6.5 5 9l4.5-6"/>`,
  warning: html`<circle cx="6" cy="6" r="4"/><path class="fill" d="M6 2a4 4 0 0 1 0 8z"/>`,
  error: html`<path d="m3 3 6 6M9 3 3 9"/>`,
  blank: html`<circle cx="6" cy="6" r="4"/>`,
  // A wrench, a clock that goes round again, and two bars.
  machinery: html`<path d="M9.5 2.2 7.4 4.3l.3 1.4 1.4.3 2.1-2.1a3 3 0 0 1-4 3.6L3.4 11 1.6 9.2l3.5-3.8a3 3 0 0 1 4.4-3.2z"/>`,
  postponed: html`<path d="M9.6 4.2A4 4 0 1 0 10 6.4M9.8 1.8v2.6H7.2M6 4v2.3l1.5 1"/>`,
  held: html`<path d="M4 2.5v7M8 2.5v7"/>`,
};

/** A small drawing of a type of status, so that colour is not all there is. */
export const icon = (type: Sign): Html => html`<svg class="icon" viewBox="0 0 12 12" aria-hidden="true">${PATHS[type]}</svg>`;
