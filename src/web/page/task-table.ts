import { html } from 'hono/html';
import type { Links } from '../links.ts';
import { familyOf, type Family } from '../../db/report.ts';
import { INITIAL, PROCESSING, type StatusType } from '../../status/status.ts';
import { bar } from './bar.ts';
import type { Overview } from './overview.ts';
import { count, icon, type Html } from './words.ts';

/** Success first, then what is on its way, what did not work, and nothing yet. */
const ORDER: readonly StatusType[] = ['success', 'warning', 'error', 'blank'];

/** How the families are called; jobs and requests have words of their own for the two statuses of the machinery. */
const FAMILIES: readonly { family: Family; title: string; words?: Readonly<Record<string, string>>; href?: (links: Links) => string }[] = [
  { family: 'transients', title: 'Tasks of transients' },
  { family: 'requests', title: 'Tasks of requests' },
  { family: 'jobs', title: 'Jobs', words: { [INITIAL]: 'pending', [PROCESSING]: 'running' } },
  { family: 'runs', title: 'Scripts of runs', href: (links) => links.runs({}) },
];

/** The tasks in the order of the graph, with their counts by status; where there are several families, each under its title. Of the others than transients, those that have been used. */
export function taskTable({ tasks, types }: Overview, links: Links): Html {
  const groups = FAMILIES.map((family) => ({ ...family, tasks: tasks.filter(({ kind, counts }) => familyOf(kind) === family.family && (family.family === 'transients' || Object.keys(counts).length > 0)) })).filter((group) => group.tasks.length > 0);
  return html`<table id="tasks" hx-swap-oob="true">
  <thead><tr><th scope="col">Task</th><th scope="col" class="wide">Entries</th><th scope="col">By status</th><th scope="col" class="number">Ready</th><th scope="col" class="number">Waiting</th></tr></thead>
  ${groups.length === 0 ? html`<tbody><tr><td colspan="5" class="quiet">The fixtures name no tasks yet.</td></tr></tbody>` : ''}
  ${groups.map((group) => html`<tbody>
  ${groups.length === 1 && group.href === undefined ? '' : html`<tr class="family"><th colspan="5" scope="rowgroup">${group.href === undefined ? group.title : html`<a href="${group.href(links)}">${group.title}</a>`}</th></tr>`}
  ${group.tasks.map((task) => taskRow(task, types, links, group.words))}
  </tbody>`)}
</table>`;
}

function taskRow(task: Overview['tasks'][number], types: Overview['types'], links: Links, words: Readonly<Record<string, string>> = {}): Html {
  const statuses = Object.entries(task.counts)
    .map(([message, n]) => ({ message: words[message] ?? message, n, type: types.get(message) ?? 'blank' }))
    .toSorted((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type) || b.n - a.n);
  const { machinery } = task.failures;
  const byType = ORDER.map((type) => ({ name: type, n: statuses.filter((status) => status.type === type).reduce((sum, { n }) => sum + n, 0) }))
    .flatMap((part) => (part.name === 'error' ? [{ ...part, n: part.n - machinery }, { name: 'machinery', n: machinery }] : [part]));
  return html`<tr>
    <th scope="row"><a id="${`task-${encodeURIComponent(task.name)}`}" href="${links.queue(task.name)}" title="${task.description}">${task.name}</a>${task.active ? '' : html` <span class="tag">inactive</span>`}${task.paused ? html` <span class="tag">paused</span>` : ''}</th>
    <td class="wide">${bar(byType, `${task.name} by type of status`)}</td>
    <td><ul class="statuses">${statuses.map(({ message, n, type }) => html`<li class="${type}">${icon(type)} ${message} <b>${count(n)}</b></li>`)}${asides(task)}</ul></td>
    <td class="number">${task.ready === 0 ? html`<span class="quiet">0</span>` : count(task.ready)}</td>
    <td class="number">${task.waiting === 0 ? html`<span class="quiet">0</span>` : count(task.waiting)}</td>
  </tr>`;
}

/** Of these counts, what a person should know: what the machinery failed, what is tried again, what is held. */
function asides({ failures, postponed, held }: Overview['tasks'][number]): Html[] {
  return [
    ...(failures.machinery === 0 ? [] : [html`<li class="machinery">${icon('machinery')} of these by the machinery <b>${count(failures.machinery)}</b></li>`]),
    ...(postponed === 0 ? [] : [html`<li class="machinery">${icon('postponed')} to be tried again <b>${count(postponed)}</b></li>`]),
    ...(held === 0 ? [] : [html`<li class="warning">${icon('held')} held <b>${count(held)}</b></li>`]),
  ];
}

/** What the drawings mean. */
export function legend(): Html {
  const words = { success: 'succeeded', warning: 'on its way', error: 'did not work out', machinery: 'failed of the machinery, not of the science', blank: 'nothing yet' } as const;
  const shown: readonly (keyof typeof words)[] = ['success', 'warning', 'error', 'machinery', 'blank'];
  return html`<ul class="statuses legend">${shown.map((type) => html`<li class="${type}">${icon(type)} ${words[type]}</li>`)}</ul>`;
}
