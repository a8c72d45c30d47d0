import { html } from 'hono/html';
import type { Database } from '../../db/database.ts';
import { listRuns, type RunReport } from '../../runs/list-runs.ts';
import type { Links } from '../links.ts';
import { htmlReply, type Ask, type Reply } from '../route.ts';
import { bar } from './bar.ts';
import { layout } from './layout.ts';
import { isUnderWay, runPill, scriptCounts, tookOf } from './run-words.ts';
import { count, counted, icon, instant, type Html } from './words.ts';

/** Runs that a page lists. */
const LISTED = 50;

/** The newest runs of scripts, or those that were asked for: `?name=…&before=<started before this instant>`. */
export async function runsPage(database: Database, links: Links, version: string | undefined, { query }: Ask): Promise<Reply> {
  const name = query.name === undefined || query.name === '' || query.name.includes('\0') ? undefined : query.name;
  const startedBefore = query.before === undefined || Number.isNaN(Date.parse(query.before)) ? undefined : new Date(query.before);
  const runs = await listRuns(database.em(), { name: name ?? null, startedBefore, most: LISTED + 1 });
  return htmlReply(String(await layout({ title: 'Runs · Afterglow', links, exports: false, version }, body(runs, { name, startedBefore }, links))));
}

function body(runs: readonly RunReport[], { name, startedBefore }: { name: string | undefined; startedBefore: Date | undefined }, links: Links): Html {
  const now = new Date();
  const shown = runs.slice(0, LISTED);
  // While one is under way the page asks for itself again; the answer in which none is asks no more.
  const again = shown.some(isUnderWay) ? html` hx-get="${links.runs({ name, before: startedBefore?.toISOString() })}" hx-trigger="every 2s" hx-select="#runs-list" hx-swap="outerHTML"` : '';
  return html`
<section aria-labelledby="runs-title" id="runs-list"${again}>
  <h2 id="runs-title" class="summary">${summary(shown, name, startedBefore)}</h2>
  ${name === undefined ? '' : html`<p class="ways"><a href="${links.runs({})}">Runs of all names</a></p>`}
  ${shown.length === 0 ? html`<p class="quiet">“afterglow run-jobs jobs.json” begins one.</p>` : html`<div class="scroll" role="region" aria-labelledby="runs-title" tabindex="0" id="main">${table(shown, links, now)}</div>`}
  ${runs.length > LISTED ? html`<p><a href="${links.runs({ name, before: shown.at(-1)!.startedAt.toISOString() })}">Older ones</a></p>` : ''}
</section>`;
}

function summary(runs: readonly RunReport[], name: string | undefined, before: Date | undefined): string {
  const which = name === undefined ? '' : ` of “${name}”`;
  const last = runs[0];
  if (last === undefined) return before === undefined ? `There have been no runs${which === '' ? ' of scripts' : which}.` : `There are no older runs${which}.`;
  if (before !== undefined) return `Older runs${which}.`;
  const underWay = runs.filter(isUnderWay).length;
  if (underWay > 0) return `${counted(underWay, 'run')}${which} ${underWay === 1 ? 'is' : 'are'} under way.`;
  return `No run${which} is under way. The last one, ${last.name} ${last.number}, ${ENDED[last.state]}.`;
}

const ENDED: Readonly<Record<RunReport['state'], string>> = {
  started: 'is under way', running: 'is under way', finished: 'is finished', failed: 'has failed', halted: 'was halted', aborted: 'was aborted', crashed: 'crashed',
};

function table(runs: readonly RunReport[], links: Links, now: Date): Html {
  return html`<table id="runs">
  <thead><tr><th scope="col">Run</th><th scope="col">State</th><th scope="col" class="wide">Scripts</th><th scope="col">By state</th><th scope="col">Started</th><th scope="col" class="number">Took</th></tr></thead>
  <tbody>
  ${runs.map((run) => html`<tr>
    <th scope="row"><a href="${links.run(run.subject)}">${run.name} ${run.number}</a></th>
    <td>${runPill(run)}</td>
    <td class="wide">${bar(scriptCounts(run).map(({ sign, n }) => ({ name: sign, n })), `${run.name} ${run.number} by state of scripts`)}</td>
    <td><ul class="statuses">${scriptCounts(run).map(({ word, sign, n }) => html`<li class="${sign}">${icon(sign)} ${word} <b>${count(n)}</b></li>`)}</ul></td>
    <td>${instant(run.startedAt, now)}</td>
    <td class="number">${tookOf(run)}</td>
  </tr>`)}
  </tbody>
</table>`;
}
