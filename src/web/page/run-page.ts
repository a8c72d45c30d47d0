import { html } from 'hono/html';
import type { Database } from '../../db/database.ts';
import { listRuns, listScripts, type RunReport, type ScriptReport } from '../../runs/list-runs.ts';
import { depthsOf } from '../../runs/depths.ts';
import type { Links } from '../links.ts';
import { htmlReply, textReply, type Ask, type Reply } from '../route.ts';
import { layout } from './layout.ts';
import { isUnderWay, runPill, scriptCounts, scriptMark, tookOf } from './run-words.ts';
import { count, counted, icon, instant, span, type Html } from './words.ts';

/** Everything about one run: what it was asked to do, and each script with where it stands, by job and by what waits for what. */
export async function runPage(database: Database, links: Links, version: string | undefined, { params }: Ask): Promise<Reply> {
  const asked = params.run ?? '';
  const em = database.em();
  const [run] = asked.includes('\0') ? [] : await listRuns(em, { subject: asked, most: 1 });
  if (run === undefined) return textReply(`There is no run ${asked}.`, 404);
  return htmlReply(String(await layout({ title: `Run ${run.name} ${run.number} · Afterglow`, links, exports: false, version }, body(run, await listScripts(em, run), links))));
}

function body(run: RunReport, scripts: readonly ScriptReport[], links: Links): Html {
  const { name, number, state, message, file, startedAt, endedAt, resumed, options, jobs } = run;
  const now = new Date();
  // While it is under way the page asks for itself again; the answer that has its end asks no more.
  const again = isUnderWay(run) ? html` hx-get="${links.run(run.subject)}" hx-trigger="every 2s" hx-select="#run" hx-swap="outerHTML"` : '';
  return html`
<div id="run"${again}>
<section aria-labelledby="run-title">
  <h2 id="run-title" class="summary">Run ${number} of <a href="${links.runs({ name })}">${name}</a></h2>
  <div class="run-state">${runPill(run)} <ul class="statuses">${scriptCounts(run).map(({ word, sign, n }) => html`<li class="${sign}">${icon(sign)} ${word} <b>${count(n)}</b></li>`)}</ul></div>
  ${message === null ? '' : html`<p class="reason">${message}</p>`}
  ${state === 'crashed' ? html`<p class="reason">The same command takes it up where it was.</p>` : ''}
  <table class="facts"><tbody>
    ${fact('Scripts', `${count(run.counts.tasks)}, of ${counted(jobs, 'job')}`)}
    ${fact('Started', instant(startedAt, now))}
    ${endedAt === null ? fact('Under way', isUnderWay(run) ? `for ${tookOf(run)}` : 'no more: its process is gone') : fact('Ended', html`${instant(endedAt, now)}, after ${tookOf(run)}`)}
    ${fact('File', file)}
    ${options.only.length === 0 ? '' : fact('Only', options.only.join(', '))}
    ${options.forced ? fact('Forced', 'unchanged scripts too, and failures stop nothing') : ''}
    ${resumed === 0 ? '' : fact('Taken up again', resumed === 1 ? 'once' : `${count(resumed)} times`)}
  </tbody></table>
</section>
<section aria-labelledby="scripts-title">
  <h2 id="scripts-title">Scripts</h2>
  <div class="scroll" role="region" aria-labelledby="scripts-title" tabindex="0" id="main">${tree(run, scripts, links, now)}</div>
</section>
</div>`;
}

const fact = (what: string, value: Html | string): Html => html`<tr><th scope="row">${what}</th><td>${value}</td></tr>`;

/** Each script under the first job that names it, further in than what it waits for there. */
function tree(run: RunReport, scripts: readonly ScriptReport[], links: Links, now: Date): Html {
  const depths = depthsOf(scripts);
  const jobs = [...Map.groupBy(scripts, ({ jobs: [first] }) => first ?? '')];
  return html`<table id="scripts">
  <thead><tr><th scope="col">Script</th><th scope="col">State</th><th scope="col" class="number">Attempt</th><th scope="col" class="number">Took</th></tr></thead>
  ${jobs.map(([job, own]) => html`<tbody>
  <tr class="family"><th colspan="4" scope="rowgroup">${job}</th></tr>
  ${own.toSorted((a, b) => depths.get(a.script)! - depths.get(b.script)!).map((one) => row(run, one, depths.get(one.script)!, links, now, scripts))}
  </tbody>`)}
</table>`;
}

function row(run: RunReport, one: ScriptReport, depth: number, links: Links, now: Date, all: readonly ScriptReport[]): Html {
  const { script, task, jobs, state, attempts } = one;
  const others = jobs.slice(1);
  const said = why(one, all);
  return html`<tr>
    <th scope="row" class="script">${twigs(depth)}<a href="${links.entry(task, run.subject)}">${script}</a>${others.length === 0 ? '' : html` <span class="tag">also of ${others.join(', ')}</span>`}</th>
    <td>${scriptMark(state)}${said === '' ? '' : html`<span class="said">${said}</span>`}</td>
    <td class="number">${attempts === 0 ? html`<span class="quiet">0</span>` : count(attempts)}</td>
    <td class="number">${tookOfScript(one, now)}</td>
  </tr>`;
}

/** What stands before a script so far in: room, and a corner. Further in than that, lines would run out of a narrow window. */
const twigs = (depth: number): Html[] => Array.from({ length: Math.min(depth, 8) }, (_, at) => html`<span class="${at + 1 === Math.min(depth, 8) ? 'twig' : 'room'}"></span>`);

function tookOfScript({ state, startedAt, seconds }: ScriptReport, now: Date): string {
  if (state === 'running' && startedAt !== null) return span(Math.max(0, (now.getTime() - startedAt.getTime()) / 1000));
  return seconds === null || state === 'waiting' || state === 'skipped' ? '' : span(seconds);
}

function why({ state, reason, warning, parents }: ScriptReport, all: readonly ScriptReport[]): string {
  if (reason !== null || warning !== null) return shortened(reason ?? warning!);
  if (state !== 'waiting') return '';
  const open = parents.filter((parent) => all.some((one) => one.script === parent && (one.state === 'waiting' || one.state === 'running')));
  return open.length === 0 ? 'ready' : shortened(`waits for ${open.join(', ')}`);
}

/** The board has the whole of it. */
const shortened = (text: string): string => (text.length > 300 ? `${text.slice(0, 300).trimEnd()} …` : text);
