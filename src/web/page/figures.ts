import { html } from 'hono/html';
import { count, isIdle, percent, STATES, summary, type Html } from './words.ts';
import { allEntries } from '../../db/report.ts';
import type { Overview } from './overview.ts';
import { bar } from './bar.ts';

/** How many transients are in each state, as figures and as a bar. */
export function figures(overview: Overview): Html {
  const { transients, states, others } = overview.report;
  const entries = allEntries(overview.report);
  const areOthersAlone = transients === 0 && Object.keys(others).length > 0;
  const parts = STATES.map(({ state }) => ({ name: state, n: states[state] }));
  return html`<section id="figures" class="figures" aria-labelledby="figures-title" hx-swap-oob="true">
  <h2 id="figures-title" class="summary">${summary(overview)}</h2>
  ${areOthersAlone ? '' : html`${bar(parts, 'Transients by state')}
  <dl>
    ${STATES.map(({ state, meaning }) => html`<div class="figure ${state}">
      <dt>${state}</dt>
      <dd><strong>${count(states[state])}</strong> <span>${percent(states[state], transients)}</span></dd>
      <dd class="meaning">${meaning}</dd>
    </div>`)}
  </dl>`}
  ${isIdle(overview.report) ? '' : html`<p class="entries"><progress max="${Math.max(1, entries.total)}" value="${entries.done}" aria-label="Entries done"></progress> ${percent(entries.done, entries.total)} of all entries are done</p>`}
</section>`;
}
