import { html } from 'hono/html';
import type { ResourceReport } from '../../db/resources.ts';
import type { Overview } from './overview.ts';
import { count, icon, instant, type Html } from './words.ts';

/** What tasks share: how much of it is used, and whether it answers. Nothing where there are no resources. */
export function resourceTable({ resources }: Overview, now: Date): Html {
  if (resources.length === 0) return html`<div id="resources" hx-swap-oob="true"></div>`;
  return html`<div id="resources" hx-swap-oob="true"><section aria-labelledby="resources-title">
  <h2 id="resources-title">Resources</h2>
  <div class="scroll" role="region" aria-labelledby="resources-title" tabindex="0"><table id="shared">
  <thead><tr><th scope="col">Resource</th><th scope="col">State</th><th scope="col" class="number">In use</th><th scope="col" class="number">Last minute</th><th scope="col" class="number">Waiting</th></tr></thead>
  <tbody>
  ${resources.map((resource) => html`<tr>
    <th scope="row"><span title="${resource.description}">${resource.name}</span></th>
    <td>${state(resource, now)}</td>
    <td class="number">${share(resource.used, resource.concurrency)}</td>
    <td class="number">${share(resource.lastMinute, resource.perMinute)}</td>
    <td class="number">${resource.waiting === 0 ? html`<span class="quiet">0</span>` : count(resource.waiting)}</td>
  </tr>`)}
  </tbody>
</table></div>
</section></div>`;
}

const share = (part: number, most: number | null): string => (most === null ? count(part) : `${count(part)} of ${count(most)}`);

function state({ state: is, failures, openUntil, lastError }: ResourceReport, now: Date): Html {
  if (is === 'closed' && failures === 0) return html`<ul class="statuses"><li class="success">${icon('success')} answers</li></ul>`;
  if (is === 'closed') return html`<ul class="statuses"><li class="warning">${icon('warning')} failed ${count(failures)} in a row</li></ul>${said(lastError)}`;
  const when = openUntil === null || openUntil <= now ? html`one attempt at a time tries it` : html`left alone until ${instant(openUntil, now)}`;
  return html`<ul class="statuses"><li class="machinery">${icon('machinery')} does not answer; ${when}</li></ul>${said(lastError)}`;
}

const said = (error: string | null): Html | '' => (error === null ? '' : html`<span class="error-message">${error}</span>`);
