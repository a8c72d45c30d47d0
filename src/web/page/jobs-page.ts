import { html } from 'hono/html';
import type { Run } from '../../db/hot.ts';
import { skipReasons } from '../../jobs/keyed-runs.ts';
import { listJobs } from '../../jobs/read.ts';
import type { JobDetails, JobState } from '../../runner/jobs.ts';
import type { Links } from '../links.ts';
import { htmlReply, type Ask, type Reply } from '../route.ts';
import { readJobTypes, type JobTypeCounts } from './jobs-overview.ts';
import { layout } from './layout.ts';
import { count, icon, instant, span, type Html, type Sign } from './words.ts';

/** Jobs that a page lists. */
const LISTED = 50;

/** Reasons of skipped jobs are counted over so many days. */
const REASON_DAYS = 30;

/** Each state of a job, with its drawing and colour. */
const JOB_STATES: Readonly<Record<JobState, Sign>> = { pending: 'blank', running: 'warning', completed: 'success', skipped: 'success', failed: 'error', cancelled: 'error' };
const STATES = Object.keys(JOB_STATES) as readonly JobState[];

/** The jobs by type, and the newest of those that were asked for: `?name=…&state=…&before=<enqueued before this instant>`. */
export async function jobsPage(run: Run, links: Links, version: string | undefined, { query }: Ask): Promise<Reply> {
  const state = STATES.find((one) => one === query.state);
  const name = query.name === undefined || query.name === '' ? undefined : query.name;
  const before = query.before === undefined || Number.isNaN(Date.parse(query.before)) ? undefined : new Date(query.before);
  const types = await readJobTypes(run);
  const jobs = await listJobs(run, { names: name === undefined ? undefined : [name], states: state === undefined ? undefined : [state], enqueuedBefore: before, limit: LISTED + 1 });
  const now = new Date();
  const since = new Date(now.getTime() - REASON_DAYS * 86_400_000);
  const reasons = state === 'skipped' ? await skipReasons(run, name === undefined ? undefined : [name], since) : [];
  const body = html`
<section aria-labelledby="types-title">
  <h2 id="types-title" class="summary">${summary(types)}</h2>
  ${types.length === 0 ? '' : html`<div class="scroll" role="region" aria-labelledby="types-title" tabindex="0" id="main">${typesTable(types, links, now)}</div>`}
</section>
${types.length === 0 ? '' : html`<section aria-labelledby="list-title">
  <h2 id="list-title">${[state ?? 'All', 'jobs', ...(name === undefined ? [] : [`of “${name}”`])].join(' ').replace(/^./, (letter) => letter.toUpperCase())}, the newest first</h2>
  ${filters(types, links, { name, state })}
  ${reasons.length === 0 ? '' : html`<p id="reasons">Within ${REASON_DAYS} days: ${reasons.slice(0, 20).map(({ name: type, reason, count: n }) => html`${count(n)} ${type} (${reason}); `)}</p>`}
  <div class="scroll" role="region" aria-labelledby="list-title" tabindex="0">${list(jobs.slice(0, LISTED), links, now)}</div>
  ${jobs.length > LISTED ? html`<p><a href="${links.jobs({ name, state, before: jobs[LISTED - 1]!.enqueuedAt.toISOString() })}">Older ones</a></p>` : ''}
</section>`}`;
  return htmlReply(String(await layout({ title: 'Jobs · Afterglow', links, exports: false, version }, body)));
}

function summary(types: readonly JobTypeCounts[]): string {
  if (types.length === 0) return 'There are no jobs: the runners name none.';
  const sum = (of: 'pending' | 'running' | 'failed') => types.reduce((total, type) => total + type[of], 0);
  const [pending, running, failed] = [sum('pending'), sum('running'), sum('failed')];
  const now = pending + running === 0 ? 'No job waits or runs.' : `${count(pending)} pending, ${count(running)} running.`;
  return failed === 0 ? now : `${now} ${count(failed)} failed.`;
}

function typesTable(types: readonly JobTypeCounts[], links: Links, now: Date): Html {
  const cell = (name: string, state: JobState, n: number): Html => (n === 0 ? html`<span class="quiet">0</span>` : html`<a href="${links.jobs({ name, state })}">${count(n)}</a>`);
  return html`<table id="types">
  <thead><tr><th scope="col">Job</th>${STATES.map((state) => html`<th scope="col" class="number">${state}</th>`)}<th scope="col">Oldest waits since</th><th scope="col">Last completed</th></tr></thead>
  <tbody>
  ${types.map((type) => html`<tr>
    <th scope="row"><a href="${links.jobs({ name: type.name })}" title="${type.description}">${type.name}</a>${type.active ? '' : html` <span class="tag">inactive</span>`}</th>
    ${STATES.map((state) => html`<td class="number">${cell(type.name, state, type[state])}</td>`)}
    <td>${type.pendingSince === null ? '' : instant(type.pendingSince, now)}</td>
    <td>${type.lastCompletedAt === null ? '' : instant(type.lastCompletedAt, now)}</td>
  </tr>`)}
  </tbody>
</table>`;
}

function filters(types: readonly JobTypeCounts[], links: Links, chosen: { name: string | undefined; state: JobState | undefined }): Html {
  const option = (value: string, text: string, isChosen: boolean): Html => html`<option value="${value}"${isChosen ? html` selected` : ''}>${text}</option>`;
  return html`<form class="filters" method="get" action="${links.jobs({})}">
  <label>Job <select name="name">${option('', 'all', chosen.name === undefined)}${types.map(({ name }) => option(name, name, name === chosen.name))}</select></label>
  <label>State <select name="state">${option('', 'all', chosen.state === undefined)}${STATES.map((state) => option(state, state, state === chosen.state))}</select></label>
  <button>Show</button>
</form>`;
}

function list(jobs: readonly JobDetails[], links: Links, now: Date): Html {
  return html`<table id="jobs">
  <thead><tr><th scope="col">Job</th><th scope="col">State</th><th scope="col">Enqueued</th><th scope="col">By</th><th scope="col" class="number">Took</th><th scope="col">Why, or with what</th></tr></thead>
  <tbody>
  ${jobs.length === 0 ? html`<tr><td colspan="6" class="quiet">There are none.</td></tr>` : ''}
  ${jobs.map((job) => html`<tr>
    <th scope="row"><a href="${links.job(job.id)}">${job.id}</a> ${job.name}</th>
    <td>${stateOf(job)}</td>
    <td>${instant(job.enqueuedAt, now)}</td>
    <td>${job.enqueuedBy}</td>
    <td class="number">${tookOf(job)}</td>
    <td class="why">${shortened(job.reason ?? JSON.stringify(job.args))}</td>
  </tr>`)}
  </tbody>
</table>`;
}

/** The state as a word with its drawing. */
export const stateOf = ({ state, progress }: Pick<JobDetails, 'state' | 'progress'>): Html =>
  html`<ul class="statuses"><li class="${JOB_STATES[state]}">${icon(JOB_STATES[state])} ${state}${state === 'running' && progress !== null ? ` ${Math.round(progress * 100)} %` : ''}</li></ul>`;

/** How long its last attempt took. */
export const tookOf = ({ startedAt, endedAt }: Pick<JobDetails, 'startedAt' | 'endedAt'>): string =>
  startedAt === null || endedAt === null || endedAt < startedAt ? '' : span((endedAt.getTime() - startedAt.getTime()) / 1000);

const shortened = (text: string): string => (text.length > 120 ? `${text.slice(0, 120).trimEnd()} …` : text);
