import { html } from 'hono/html';
import type { MonthOfCosts } from '../../requests/costs.ts';
import { amount, requestLayout, type RequestView } from './request-words.ts';
import { count, counted, span } from './words.ts';

/** What requests have cost, month by month. */
export function requestCostsPage(view: RequestView, months: readonly MonthOfCosts[]): Promise<string> {
  const total = months.reduce((sum, { cost }) => sum + cost, 0);
  const most = Math.max(...months.flatMap(({ tasks }) => tasks.map(({ cost }) => cost)), 0);
  const summary = months.length === 0 ? 'Nothing has been run yet, so nothing was spent.' : `${amount(total)} spent in ${counted(months.length, 'month')}.`;
  return requestLayout(view, { title: 'Costs of requests', here: 'costs' }, html`<h2 class="summary">${summary}</h2>
${months.map(({ month, cost, attempts, requests, tasks }) => html`<section aria-labelledby="m${month}">
  <h2 id="m${month}">${month} <span class="quiet">${amount(cost)} for ${counted(requests, 'request')}, ${counted(attempts, 'run')}</span></h2>
  <div class="scroll" role="region" aria-labelledby="m${month}" tabindex="0">
  <table class="costs">
    <thead><tr><th scope="col">Task</th><th scope="col" class="wide">Share</th><th scope="col" class="number">Cost</th><th scope="col" class="number">Runs</th><th scope="col" class="number">Time</th></tr></thead>
    <tbody>${tasks.map((task) => html`<tr><th scope="row">${task.task}</th><td class="wide"><svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="success" width="${most === 0 ? 0 : (100 * task.cost) / most}" height="10"/></svg></td>
      <td class="number">${amount(task.cost)}</td><td class="number">${count(task.attempts)}</td><td class="number">${span(task.seconds)}</td></tr>`)}</tbody>
  </table>
  </div>
</section>`)}
<p class="quiet note">Costs are what runners say of each run, in the unit of your accounts. Runs are kept for a year.</p>`);
}
