import { html } from 'hono/html';
import { LISTED, type Listing, type RequestReport } from '../../requests/report.ts';
import { amount, day, requestMark, requestLayout, SIGN, timeLeft, WARN_DAYS, type RequestView } from './request-words.ts';
import { counted, icon, type Html } from './words.ts';

/** The page of the open requests, or of those that are done. */
export function requestListPage(view: RequestView, requests: readonly RequestReport[], listing: Listing): Promise<string> {
  const { links } = view;
  const isOpen = listing === 'open';
  return requestLayout(view, { title: isOpen ? 'Open requests' : 'Done requests', here: listing }, html`<h2 class="summary">${isOpen ? openSummary(requests) : doneSummary(requests)}</h2>
${requests.length === 0 ? '' : html`<div class="scroll" role="region" aria-label="Requests" tabindex="0">
<table class="list">
  <thead><tr><th scope="col">Request</th><th scope="col">Person</th><th scope="col">State</th><th scope="col">Tasks</th><th scope="col">${isOpen ? 'Deadline' : 'Completed'}</th><th scope="col" class="number">Cost</th></tr></thead>
  <tbody>
  ${requests.map((request) => html`<tr>
    <th scope="row"><a href="${links.requests.one(request.request)}">${request.request}</a> <span class="tag">${request.type}</span></th>
    <td class="person">${request.email}</td>
    <td class="state">${requestMark(request)}</td>
    <td>${dots(request)}</td>
    <td class="when">${isOpen ? timeLeft(request) : day(request.completedAt ?? request.closedAt ?? request.deadline)}</td>
    <td class="number">${amount(request.cost)}</td>
  </tr>`)}
  </tbody>
</table>
</div>`}
${requests.length < LISTED ? '' : html`<p class="quiet">The first ${LISTED} are listed.</p>`}`);
}

/** One drawing for each task of the list, omitted ones left out; what it says stands in words, too. */
function dots({ tasks }: RequestReport): Html {
  const listed = tasks.filter(({ state }) => state !== 'omitted');
  if (listed.length === 0) return html`<span class="quiet">none applies</span>`;
  return html`<ul class="dots">${listed.map(({ task, state }) => html`<li class="${SIGN[state]}" title="${task}: ${state}">${icon(SIGN[state])}<span class="unseen">${task}: ${state}</span></li>`)}</ul>`;
}

function openSummary(requests: readonly RequestReport[]): string {
  if (requests.length === 0) return 'No request is open.';
  const count = (is: (request: RequestReport) => boolean) => requests.filter(is).length;
  const parts = [
    [count(({ state }) => state === 'inactive'), 'waits for approval', 'wait for approval'], [count(({ state }) => state === 'running'), 'is running', 'are running'],
    [count(({ state }) => state === 'fail'), 'has a failed task', 'have failed tasks'], [count(({ overdue }) => overdue), 'is overdue', 'are overdue'],
    [count(({ overdue, daysLeft }) => !overdue && daysLeft < WARN_DAYS), 'is due within a week', 'are due within a week'],
  ] as const;
  const said = parts.filter(([n]) => n > 0).map(([n, one, many]) => `${n} ${n === 1 ? one : many}`);
  return `${counted(requests.length, 'request is', 'requests are')} open${said.length === 0 ? '' : `: ${said.join(', ')}`}.`;
}

const doneSummary = (requests: readonly RequestReport[]): string => (requests.length === 0 ? 'No request is done yet.' : `${counted(requests.length, 'request is', 'requests are')} done.`);
