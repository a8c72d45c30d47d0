import { html } from 'hono/html';
import type { RequestProblem } from '../../errors.ts';
import { requestLayout, type RequestView } from './request-words.ts';
import { nameForm } from './request-forms.ts';
import type { Html } from './words.ts';

/** What the form for a new request shows. */
export interface IntakeForm {
  /** Types of request that a task is for. */
  types: readonly string[];
  /** Identifiers that some task needs. */
  identifiers: readonly string[];
  /** What was filled in before. */
  given: Readonly<Record<string, string>>;
  /** Why it was not taken. */
  refused?: { message: string; problems: readonly RequestProblem[] };
}

/** The form for one new request, and the one for a file with many. */
export function requestIntakePage(view: RequestView, form: IntakeForm): Promise<string> {
  const { links, name, now } = view;
  const { types, identifiers, given, refused } = form;
  const field = (key: string, label: string, more: Html, hint = ''): Html => html`<label><span>${label}${hint === '' ? '' : html` <small>${hint}</small>`}</span>${more}</label>`;
  const input = (key: string, type: string, more: Html = html``): Html => html`<input name="${key}" type="${type}" value="${given[key] ?? ''}"${more}>`;
  const forms = html`<form class="fields" method="post" action="${links.requests.intake}">
  ${field('email', 'E-mail address', input('email', 'email', html` required maxlength="254" autocomplete="off"`))}
  ${field('request_type', 'Type', html`<select name="request_type" required>${types.map((type) => html`<option${given.request_type === type ? html` selected` : ''}>${type}</option>`)}</select>`)}
  ${field('request_date', 'Made on', html`<input name="request_date" type="date" required value="${given.request_date ?? now.toISOString().slice(0, 10)}">`)}
  ${field('request_due_date', 'Deadline', input('request_due_date', 'date'), 'empty: in 30 days')}
  ${identifiers.map((one) => field(`identifiers.${one}`, `Identifier ${one}`, input(`identifiers.${one}`, 'text', html` maxlength="500" autocomplete="off"`), 'where it is known'))}
  ${field('notes', 'Notes', html`<textarea name="notes" rows="3" maxlength="5000">${given.notes ?? ''}</textarea>`)}
  <button class="primary">Take it in</button>
</form>
<section aria-labelledby="file-title">
  <h2 id="file-title">Many at once</h2>
  <form class="fields" method="post" action="${links.requests.intake}" enctype="multipart/form-data">
    ${field('file', 'A file', html`<input name="file" type="file" required accept=".csv,.json,text/csv,application/json">`, 'CSV or JSON; all of it is taken in or nothing')}
    <button>Take them in</button>
  </form>
</section>`;
  return requestLayout(view, { title: 'New request', here: 'intake' }, html`<h2 class="summary">A new request waits until a person approves its list of tasks.</h2>
${refused === undefined ? '' : html`<div class="notice" role="alert"><p>${refused.problems.length === 0 ? refused.message : 'Nothing was taken in:'}</p>${refused.problems.length === 0 ? '' : html`<ul>${refused.problems.slice(0, 50).map(problem)}</ul>`}</div>`}
${name === undefined ? nameForm(links.requests, links.requests.intake) : forms}`);
}

const problem = ({ row, field, expected, found, nearest }: RequestProblem): Html =>
  html`<li>${row === undefined ? '' : `${row}: `}<b>${field}</b> should be ${expected}; found ${found}${nearest === undefined ? '' : ` (did you mean "${nearest}"?)`}.</li>`;
