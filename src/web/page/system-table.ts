import { html } from 'hono/html';
import type { Links } from '../links.ts';
import type { StatusType } from '../../status/status.ts';
import type { Overview, SystemRunner } from './overview.ts';
import { icon, instant, span, type Html } from './words.ts';

/** The runners without an object: when each ran last and how that ended, and when it runs next. */
export function systemTable({ systemRunners }: Overview, links: Links, now: Date): Html {
  return html`<table id="system" hx-swap-oob="true">
  <thead><tr><th scope="col">Runner</th><th scope="col">Last run</th><th scope="col">Outcome</th><th scope="col" class="number">Took</th><th scope="col">Next run</th></tr></thead>
  <tbody>
  ${systemRunners.map((runner) => html`<tr>
    <th scope="row"><a id="${`system-${encodeURIComponent(runner.name)}`}" href="${links.queue(runner.name)}" title="${runner.description}">${runner.name}</a></th>
    <td>${runner.last === null ? html`<span class="quiet">not yet</span>` : instant(runner.last.startedAt, now)}</td>
    <td>${outcome(runner)}</td>
    <td class="number">${runner.last?.wallSeconds == null ? '' : span(runner.last.wallSeconds)}</td>
    <td>${next(runner, now)}</td>
  </tr>`)}
  </tbody>
</table>`;
}

function outcome({ last }: SystemRunner): Html | '' {
  if (last === null) return '';
  const type: StatusType = last.outcome === 'finished' ? 'success' : last.outcome === 'running' ? 'warning' : 'error';
  return html`<ul class="statuses"><li class="${type}">${icon(type)} ${last.outcome}</li></ul>${last.message === null ? '' : html`<span class="error-message">${shortened(last.message)}</span>`}`;
}

/** The board has the whole of it. */
const shortened = (message: string): string => (message.length > 240 ? `${message.slice(0, 240).trimEnd()} …` : message);

function next({ enabled, nextAt }: SystemRunner, now: Date): Html {
  if (enabled === false) return html`<span class="tag">paused</span>`;
  return nextAt === null ? html`<span class="quiet">not planned</span>` : instant(nextAt, now);
}
