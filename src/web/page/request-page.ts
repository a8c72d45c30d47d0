import { html } from 'hono/html';
import type { AttemptReport, RequestEvent, RequestTaskReport, WholeRequest } from '../../requests/report.ts';
import { identifierForm, nameForm, requestForms, taskForms } from './request-forms.ts';
import { actor, amount, day, moment, requestLayout, taskMark, timeLeft, type RequestView } from './request-words.ts';
import { counted, span, type Html } from './words.ts';

/** What the page of one request shows. */
export interface OneRequest {
  request: WholeRequest;
  /** By task. */
  runs: ReadonlyMap<string, readonly AttemptReport[]>;
  /** Files that were made for it. */
  files: readonly string[];
  /** What came of the last act, where there is something to say. */
  notice?: string | undefined;
  /** Changes with all that the page shows. */
  seen: string;
}

/** One request: what it says, its list of tasks, what happened, and what can be done about it. */
export function requestPage(view: RequestView, { request, runs, files, notice, seen }: OneRequest): Promise<string> {
  const { links, name } = view;
  const here = links.requests.one(request.request);
  const item = (task: RequestTaskReport): Html => taskItem(view, request, task, runs.get(task.task) ?? []);
  const [listed, omitted] = [request.tasks.filter(({ state }) => state !== 'omitted'), request.tasks.filter(({ state }) => state === 'omitted')];
  return requestLayout(view, { title: request.request }, html`<div id="pulse" hx-get="${here}/pulse?seen=${seen}" hx-trigger="every 3s" hx-swap="outerHTML"></div>
${notice === undefined ? '' : html`<p class="notice" role="status">${notice}</p>`}
<h2 class="summary">${summaryOf(request)}</h2>
<p class="lead"><span class="tag">${request.type}</span> <span>${request.email}</span> ${request.state === 'success' || request.state === 'closed' ? '' : html`<span>Deadline ${timeLeft(request)}</span>`}</p>
${name === undefined ? nameForm(links.requests, here) : requestForms(links.requests, request)}
<section aria-labelledby="list-title">
  <h2 id="list-title">Tasks <span class="quiet">${amount(request.cost)} spent</span></h2>
  ${listed.length === 0 ? html`<p class="quiet">None.</p>` : html`<ol class="tasks">${listed.map(item)}</ol>`}
  ${omitted.length === 0 ? '' : html`<details class="omitted-tasks"${listed.length === 0 ? html` open` : ''}><summary>${counted(omitted.length, 'task is', 'tasks are')} omitted</summary><ol class="tasks">${omitted.map(item)}</ol></details>`}
</section>
<section aria-labelledby="facts-title">
  <h2 id="facts-title">The request</h2>
  ${facts(view, request, files)}
  ${name === undefined ? '' : identifierForm(links.requests, request)}
</section>
<section aria-labelledby="story-title">
  <h2 id="story-title">What happened</h2>
  <ol class="story">${request.events.map(eventItem)}</ol>
  ${name === undefined ? '' : html`<form class="fields comment" method="post" action="${links.requests.act(request.request, 'comments')}"><label><span>Comment</span><textarea name="text" rows="2" required maxlength="5000"></textarea></label><button>Keep it</button></form>`}
</section>`);
}

/** What takes the place of the question whether something has changed, once it has. */
export const changedNotice = (here: string): Html => html`<p id="pulse" class="notice" role="status">This request has changed since the page was loaded. <a href="${here}">Show it as it is now</a></p>`;

function summaryOf({ request, state, tasks, approvedBy, completedAt, closedBy, closeReason }: WholeRequest): string {
  const listed = tasks.filter((task) => task.state !== 'omitted');
  const failed = tasks.filter((task) => task.state === 'fail').map(({ task }) => `"${task}"`);
  const done = tasks.filter((task) => task.state === 'success').length;
  if (listed.length === 0 && state !== 'closed') return `${request} has no task that applies: add one, or close it.`;
  switch (state) {
    case 'closed':
      return `${request} was closed by ${actor(closedBy)}: ${closeReason}`;
    case 'success':
      return `${request} was completed on ${completedAt!.slice(0, 10)}.`;
    case 'inactive':
      return `${request} waits for approval; then ${counted(listed.length, 'task runs', 'tasks run')}.`;
    case 'fail':
      return `${request} needs a look: ${failed.join(' and ')} failed.`;
    case 'running':
    case 'active':
      return `${request} was approved by ${actor(approvedBy)}; ${done} of ${counted(listed.length, 'task is', 'tasks are')} done.`;
  }
}

function taskItem(view: RequestView, request: WholeRequest, task: RequestTaskReport, runs: readonly AttemptReport[]): Html {
  const said = textOf(task, request.waits[task.task] ?? []);
  const tags = [task.batch === null ? '' : `${task.batch} batch`, task.place === 'last' ? 'runs last' : task.place === 'closing' ? 'closes' : ''].filter((word) => word !== '');
  return html`<li class="task ${task.state}">
  <div class="what"><h3>${task.task}</h3> ${taskMark(task)} ${tags.map((word) => html`<span class="tag">${word}</span> `)}
    <p class="quiet">${task.description}</p>
    ${said.map((sentence) => html`<p class="said">${sentence}</p>`)}
    ${task.warning === null ? '' : html`<p class="said near">${task.warning}</p>`}
    ${runs.length === 0 ? '' : runTable(runs)}
  </div>
  <p class="figures-of">${task.attempts === 0 ? '' : html`<span><b>${amount(task.cost)}</b> cost</span> <span><b>${task.seconds === null ? '–' : span(task.seconds)}</b> last run</span>`}</p>
  ${view.name === undefined ? '' : taskForms(view.links.requests, request, task)}
</li>`;
}

/** Why it waits, what it came to, why it is not done. */
function textOf({ state, reason, message }: RequestTaskReport, waits: readonly string[]): readonly string[] {
  if (state === 'omitted') return [reason ?? 'No reason is kept.'];
  if (state === 'active' || state === 'running') return waits;
  if (state === 'inactive') return [];
  return message === null ? (reason === null ? [] : [reason]) : [message];
}

const runTable = (runs: readonly AttemptReport[]): Html => html`<details><summary>${counted(runs.length, 'run')}</summary>
<div class="scroll" role="region" aria-label="Runs" tabindex="0"><table>
  <thead><tr><th scope="col" class="number">No.</th><th scope="col">Began</th><th scope="col">Came to</th><th scope="col" class="number">Time</th><th scope="col" class="number">Cost</th><th scope="col">Message</th></tr></thead>
  <tbody>${runs.map(({ attempt, startedAt, status, outcome, seconds, cost, message }) => html`<tr><td class="number">${attempt}</td><td>${moment(startedAt)}</td><td>${status ?? outcome}</td><td class="number">${seconds === null ? '–' : span(seconds)}</td><td class="number">${cost === null ? '–' : amount(cost)}</td><td class="message">${message ?? ''}</td></tr>`)}</tbody>
</table></div></details>`;

function facts({ links }: RequestView, request: WholeRequest, files: readonly string[]): Html {
  const rows: [string, Html | string][] = [
    ['Person', request.email],
    ['Made on', day(request.requestedAt)],
    ['Deadline', timeLeft(request)],
    ['Received', html`${moment(request.createdAt)} from ${actor(request.createdBy)}`],
    ['Approved', request.approvedAt === null ? 'not yet' : html`${moment(request.approvedAt)} by ${actor(request.approvedBy)}`],
    ...(request.completedAt === null ? [] : [['Completed', moment(request.completedAt)] as [string, Html]]),
    ...Object.entries(request.identifiers).map(([name, value]): [string, string] => [`Identifier ${name}`, value]),
    ...Object.entries(request.details as Record<string, unknown>).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    ...(request.notes === '' ? [] : [['Notes', request.notes] as [string, string]]),
    ...(files.length === 0 ? [] : [['Files', html`${files.map((file) => html`<a href="${links.requests.file(request.request, file)}">${file}</a> `)}`] as [string, Html]]),
  ];
  return html`<table class="facts"><tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>`;
}

const WORDS: Readonly<Record<string, string>> = {
  received: 'took it in', omitted: 'omitted', added: 'added', approved: 'approved it', 'approval withdrawn': 'withdrew the approval', run: 'had run', comment: 'said', closed: 'closed it',
  deadline: 'warned', changed: 'changed it',
};

const eventItem = ({ at, by, kind, task, text }: RequestEvent): Html => html`<li class="${kind === 'comment' ? 'said' : ''}"><span class="quiet">${moment(at)}</span> <b>${actor(by)}</b> ${WORDS[kind] ?? kind}${task === null ? '' : html` “${task}”`}${text === '' ? '.' : html`: ${text}`}</li>`;
