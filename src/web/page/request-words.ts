import { html } from 'hono/html';
import type { RequestReport, RequestState, RequestTaskReport, TaskState } from '../../requests/report.ts';
import type { Links, RequestLinks } from '../links.ts';
import { layout } from './layout.ts';
import { counted, icon, type Html, type Sign } from './words.ts';

/** What the pages of requests share. */
export interface RequestView {
  links: Links & { requests: RequestLinks };
  version: string | undefined;
  /** Who looks, where that is known. */
  name: string | undefined;
  now: Date;
}

/** What a state is drawn as. */
export const SIGN: Record<TaskState | RequestState, Sign> = {
  inactive: 'held', active: 'blank', running: 'warning', success: 'success', fail: 'error', omitted: 'blank', closed: 'blank',
};

const TASK_WORDS: Record<TaskState, string> = { inactive: 'not approved', active: 'waits', running: 'running', success: 'done', fail: 'failed', omitted: 'omitted' };
const REQUEST_WORDS: Record<RequestState, string> = { inactive: 'waits for approval', active: 'approved', running: 'running', success: 'completed', fail: 'failed', closed: 'closed' };

/** A task's state in a word, with its drawing. */
export const taskMark = ({ state }: Pick<RequestTaskReport, 'state'>): Html => html`<span class="mark ${SIGN[state]} ${state}">${icon(SIGN[state])} ${TASK_WORDS[state]}</span>`;

/** A request's state in a word or two, with its drawing. */
export const requestMark = ({ state }: Pick<RequestReport, 'state'>): Html => html`<span class="mark ${SIGN[state]} ${state}">${icon(SIGN[state])} ${REQUEST_WORDS[state]}</span>`;

/** An amount in the unit of the accounts; nothing where nothing was said. */
export const amount = (cost: number): string => (cost === 0 ? '0' : cost.toLocaleString('en-US', { maximumFractionDigits: 2 }));

/** Who did something, as people are called. */
export const actor = (by: string | null): string => (by ?? 'somebody').replace(/^person /, '');

/** A day, `2026-12-21`. */
export const day = (iso: string): Html => html`<time datetime="${iso}">${iso.slice(0, 10)}</time>`;

/** A moment, `2026-12-21 12:05`. */
export const moment = (iso: string): Html => html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 16)}</time>`;

/** How long there is until the deadline; a warning where that is a week or less. */
export function timeLeft({ overdue, daysLeft, state, deadline }: RequestReport): Html {
  if (state === 'success' || state === 'closed') return day(deadline);
  const words = overdue ? `${counted(Math.max(1, -daysLeft - 1), 'day')} overdue` : daysLeft === 0 ? 'less than a day left' : `${counted(daysLeft, 'day')} left`;
  const weight = overdue ? 'overdue' : daysLeft < WARN_DAYS ? 'near' : 'quiet';
  return html`${day(deadline)} <span class="${weight}">${words}</span>`;
}

/** Days before the deadline from which on people are warned. */
export const WARN_DAYS = 7;

/** A whole page about requests, with the ways between them. */
export async function requestLayout({ links, version, name }: RequestView, { title, here }: { title: string; here?: keyof RequestLinks }, body: Html): Promise<string> {
  const ways = [['open', 'Open'], ['done', 'Done'], ['costs', 'Costs'], ['intake', 'New request']] as const;
  const page = layout({ title: `${title} · Afterglow`, links, exports: false, version }, await html`<link rel="stylesheet" href="${links.asset('requests.css')}">
<div class="requests" id="main">
<nav class="ways" aria-label="Requests">
  ${ways.map(([way, word]) => html`<a href="${links.requests[way]}"${way === here ? html` aria-current="page"` : ''}>${word}</a>`)}
  ${name === undefined ? '' : html`<span class="quiet who">You are ${name}.</span>`}
</nav>
${body}
</div>`);
  return String(await page);
}
