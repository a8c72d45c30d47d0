import { html } from 'hono/html';
import { familyOf } from '../../db/report.ts';
import type { StateCount } from '../../db/state-counts.ts';
import type { Links } from '../links.ts';
import { count, STATES, type Html } from './words.ts';

/** Of the plot, in user units; it is stretched to the room that it has, and its words stand beside it. */
const WIDTH = 1000;
const HEIGHT = 100;
/** How far back it goes, milliseconds: thirty days. */
export const REACH_MS = 30 * 86_400_000;
/** Moments that are drawn of each kind at most. */
export const POINTS = 240;

/** From below to above. */
const STACK = STATES.map(({ state }) => state);

/** How many objects were in each state over time, stacked, one plot for each kind; looks every half minute whether there is more. */
export function historyPlots(counts: readonly StateCount[], links: Links): Html {
  const kinds = [...Map.groupBy(counts, ({ kind }) => kind)].filter(([kind, of]) => familyOf(kind) === 'transients' && of.some(({ total }) => total > 0));
  return html`<section id="history" class="history" aria-labelledby="history-title" hx-get="${links.history}?seen=${seenOf(counts)}" hx-trigger="every 30s" hx-swap="outerHTML">
  <h2 id="history-title">Over time</h2>
  ${kinds.length === 0 ? html`<p class="quiet">The counts are kept every minute; here they are drawn.</p>` : ''}
  ${kinds.map(([kind, of]) => plot(kind, of, kinds.length > 1))}
</section>`;
}

/** The same for counts that are the same. */
export const seenOf = (counts: readonly StateCount[]): string => `${counts.length}-${counts.reduce((last, { at }) => Math.max(last, at.getTime()), 0)}`;

function plot(kind: string, counts: readonly StateCount[], isNamed: boolean): Html {
  const [first, last] = [counts[0]!, counts.at(-1)!];
  const from = first.at.getTime();
  const reach = Math.max(1, last.at.getTime() - from);
  const highest = niceAbove(Math.max(...counts.map(({ total }) => total)));
  const x = (at: Date) => (((at.getTime() - from) / reach) * WIDTH).toFixed(1);
  const y = (n: number) => (HEIGHT - (n / highest) * HEIGHT).toFixed(2);
  // One moment alone is drawn as a stretch that is all the same.
  const drawn = counts.length > 1 ? counts : [first, { ...first, at: new Date(from + 1) }];
  const areas = STACK.map((state, place) => {
    const below = (one: StateCount) => STACK.slice(0, place).reduce((sum, other) => sum + one[other], 0);
    const upper = drawn.map((one) => `${x(one.at)},${y(below(one) + one[state])}`);
    const lower = drawn.toReversed().map((one) => `${x(one.at)},${y(below(one))}`);
    return drawn.every((one) => one[state] === 0) ? '' : html`<path class="${state}" d="M${upper.join('L')}L${lower.join('L')}Z"/>`;
  });
  const words = (one: StateCount) => STACK.filter((state) => one[state] > 0).map((state) => `${count(one[state])} ${state}`).join(', ') || 'none';
  const said = `${kind}s by state from ${stamp(first.at, last.at)} to ${stamp(last.at, first.at)} UTC. First: ${words(first)}. Last: ${words(last)}.`;
  return html`<figure class="over-time">
  ${isNamed ? html`<figcaption>${kind}</figcaption>` : ''}
  <div class="frame">
    <p class="scale" aria-hidden="true"><span>${count(highest)}</span><span>${highest % 2 === 0 ? count(highest / 2) : ''}</span><span>0</span></p>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${said}">
      ${areas}
      <path class="grid" d="M0,0H${WIDTH}M0,${HEIGHT / 2}H${WIDTH}"/>
    </svg>
    <p class="span" aria-hidden="true"><time datetime="${first.at.toISOString()}">${stamp(first.at, last.at)}</time><time datetime="${last.at.toISOString()}">${stamp(last.at, first.at)}</time></p>
  </div>
  <ul class="key">${STACK.toReversed().map((state) => html`<li class="${state}"><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="${state}" width="10" height="10" rx="2"/></svg>${state} <b>${count(last[state])}</b></li>`)}</ul>
</figure>`;
}

/** A round number, even where that can be, that is not less. */
function niceAbove(n: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, n))) - 1) * 2;
  return Math.max(2, Math.ceil(n / step) * step);
}

/** An instant as short as it can be beside another. */
function stamp(at: Date, other: Date): string {
  const [iso, another] = [at.toISOString(), other.toISOString()];
  if (iso.slice(0, 16) === another.slice(0, 16)) return iso.slice(11, 19);
  return iso.slice(0, 10) === another.slice(0, 10) ? iso.slice(11, 16) : `${iso.slice(5, 10)} ${iso.slice(11, 16)}`;
}
