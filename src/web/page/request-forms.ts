import { html } from 'hono/html';
import type { RequestTaskReport, WholeRequest } from '../../requests/report.ts';
import type { RequestLinks } from '../links.ts';
import type { Html } from './words.ts';

/** Asks who a person is, before anything is changed in their name. */
export const nameForm = (links: RequestLinks, back: string): Html => html`<form class="inline who-form" method="post" action="${links.open}/name">
  <input type="hidden" name="back" value="${back}">
  <label><span>Your name</span> <input name="name" required maxlength="100" autocomplete="name"></label>
  <button>Go on</button>
  <p class="quiet">It is kept with everything that you approve and change.</p>
</form>`;

/** What can be done with the request as a whole. */
export function requestForms(links: RequestLinks, request: WholeRequest): Html {
  const { request: name, approvedAt, closedAt, tasks, events, state } = request;
  if (closedAt !== null || state === 'success') return html``;
  const hasTasks = tasks.some((task) => task.state !== 'omitted');
  const hasBegun = tasks.some(({ attempts }) => attempts > 0);
  const seen = events.findLast(({ kind }) => kind !== 'comment')?.id ?? '';
  return html`<div class="acts">
  ${approvedAt === null && hasTasks ? html`<form method="post" action="${links.act(name, 'approve')}"><input type="hidden" name="seen" value="${seen}"><button class="primary">Approve and start</button></form>` : ''}
  ${approvedAt !== null && !hasBegun ? html`<form method="post" action="${links.act(name, 'withdraw-approval')}"><button>Withdraw the approval</button></form>` : ''}
  ${withReason('Close the request', links.act(name, 'close'), 'Why nothing more is done about it', 'Close it')}
</div>`;
}

/** What can be done with one task of it. */
export function taskForms(links: RequestLinks, { request, approvedAt, closedAt }: WholeRequest, { task, state, attempts, unmet }: RequestTaskReport): Html {
  if (closedAt !== null || state === 'running') return html``;
  const run = (word: string, again = false): Html => html`<form method="post" action="${links.taskAct(request, task, 'run')}"><input type="hidden" name="attempt" value="${attempts}">${again ? html`<input type="hidden" name="again" value="yes">` : ''}<button>${word}</button></form>`;
  const add = html`<form method="post" action="${links.taskAct(request, task, 'add')}"><button>Add to the list</button></form>`;
  const omit = withReason('Omit', links.taskAct(request, task, 'omit'), 'Why it does not apply', 'Omit it');
  if (state === 'omitted') return html`<div class="acts">${add}</div>`;
  if (state === 'success') return html`<div class="acts"><details class="reasoned"><summary>Run again</summary>${run('Yes, although it is done', true)}</details></div>`;
  return html`<div class="acts">${approvedAt === null || (state === 'active' && unmet > 0) ? '' : run(state === 'fail' ? 'Run again' : 'Run now')}${omit}</div>`;
}

const withReason = (word: string, action: string, label: string, button: string): Html => html`<details class="reasoned"><summary>${word}</summary>
<form method="post" action="${action}"><label><span>${label}</span> <input name="reason" required maxlength="1000" autocomplete="off"></label><button>${button}</button></form></details>`;

/** Adds an identifier that was found out later. */
export const identifierForm = (links: RequestLinks, { request, closedAt, state }: WholeRequest): Html =>
  closedAt !== null || state === 'success' ? html`` : html`<details class="reasoned identify"><summary>Add an identifier</summary>
<form method="post" action="${links.act(request, 'identifiers')}"><label><span>Name</span> <input name="name" required maxlength="64" autocomplete="off"></label>
<label><span>Value</span> <input name="value" required maxlength="500" autocomplete="off"></label><button>Add it</button></form></details>`;
