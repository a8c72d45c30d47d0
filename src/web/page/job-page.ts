import { html } from 'hono/html';
import type { Run } from '../../db/hot.ts';
import { UnknownNameError } from '../../errors.ts';
import { readJob } from '../../jobs/read.ts';
import type { JobDetails } from '../../runner/jobs.ts';
import type { Links } from '../links.ts';
import { htmlReply, textReply, type Ask, type Reply } from '../route.ts';
import { readJobAttempts, type JobAttempt } from './job-attempts.ts';
import { stateOf, tookOf } from './jobs-page.ts';
import { layout } from './layout.ts';
import { count, icon, instant, span, type Html } from './words.ts';

/** Everything about one job: what it was enqueued with, why it stands where it stands, what ran when, and what it gave. */
export async function jobPage(run: Run, links: Links, version: string | undefined, { params }: Ask): Promise<Reply> {
  let job: JobDetails;
  try {
    job = await readJob(run, params.id ?? '');
  } catch (error) {
    if (error instanceof UnknownNameError) return textReply(`There is no job ${params.id}.`, 404);
    throw error;
  }
  const attempts = await readJobAttempts(run, job.id);
  return htmlReply(String(await layout({ title: `Job ${job.id} · Afterglow`, links, exports: false, version }, body(job, attempts, links))));
}

function body(job: JobDetails, attempts: readonly JobAttempt[], links: Links): Html {
  const now = new Date();
  const link = (id: string, text = id): Html => html`<a href="${links.job(id)}">${text}</a> `;
  return html`
<section aria-labelledby="job-title" id="main">
  <h2 id="job-title" class="summary">Job ${job.id}: ${job.name}</h2>
  ${stateOf(job)}
  ${job.reason === null ? '' : html`<p class="reason">${job.reason}</p>`}
  ${job.waitsFor.length === 0 ? '' : html`<p>It waits for ${job.waitsFor.slice(0, 20).map(({ id, name, state }) => html`${link(id, `job ${id}`)} “${name}”, which is ${state}; `)}${job.waitsFor.length > 20 ? `and ${count(job.waitsFor.length - 20)} more` : ''}</p>`}
  <table class="facts"><tbody>
    ${fact('Enqueued', html`${instant(job.enqueuedAt, now)} by ${job.enqueuedBy}`)}
    ${job.dueAt === null ? '' : fact('Not before', instant(job.dueAt, now))}
    ${job.startedAt === null ? '' : fact('Last begun', instant(job.startedAt, now))}
    ${job.endedAt === null ? '' : fact('Ended', html`${instant(job.endedAt, now)}${tookOf(job) === '' ? '' : `, after ${tookOf(job)}`}`)}
    ${fact('Attempts', html`${count(job.attempts)}${job.requeues === 0 ? '' : `, requeued ${count(job.requeues)} times`}`)}
    ${job.key === null ? '' : fact('Key', html`${job.key}${job.merged === 0 ? '' : `, ${count(job.merged)} more merged into it`}`)}
    ${job.priority === 0 ? '' : fact('Priority', html`${job.priority}`)}
    ${job.timeoutSeconds === null ? '' : fact('Time limit', html`${span(job.timeoutSeconds)}`)}
    ${job.parents.length === 0 ? '' : fact('Parents', html`${job.parents.slice(0, 100).map((id) => link(id))}`)}
    ${job.children.length === 0 ? '' : fact('Children', html`${job.children.slice(0, 100).map((id) => link(id))}`)}
  </tbody></table>
  ${acts(job, links)}
</section>
<section aria-labelledby="args-title"><h2 id="args-title">Arguments</h2><pre class="json">${pretty(job.args)}</pre></section>
${job.result === null ? '' : html`<section aria-labelledby="result-title"><h2 id="result-title">Result</h2><pre class="json">${pretty(job.result)}</pre></section>`}
<section aria-labelledby="attempts-title">
  <h2 id="attempts-title">Attempts</h2>
  ${attempts.length === 0 ? html`<p class="quiet">It has not been begun.</p>` : attempts.map((attempt) => attemptOf(attempt, now))}
</section>`;
}

function acts({ id, state }: JobDetails, links: Links): Html {
  if (state !== 'pending' && state !== 'running') return html`<form class="job-acts" method="post" action="${links.job(id)}/requeue"><button>Requeue</button></form>`;
  return html`<form class="job-acts" method="post" action="${links.job(id)}/cancel"><label>Why <input name="reason" required maxlength="1000" autocomplete="off"></label> <button>Cancel the job</button></form>`;
}

const fact = (what: string, value: Html): Html => html`<tr><th scope="row">${what}</th><td>${value}</td></tr>`;

function attemptOf({ attempt, startedAt, outcome, wallSeconds, where, error, log }: JobAttempt, now: Date): Html {
  const sign = outcome === 'finished' ? 'success' : outcome === 'running' ? 'warning' : 'error';
  return html`<div class="attempt">
  <h3>Attempt ${attempt}</h3>
  <p class="quiet">${icon(sign)} ${outcome}, begun ${instant(startedAt, now)}${wallSeconds === null ? '' : `, took ${span(wallSeconds)}`}${where === null ? '' : ` on ${where}`}</p>
  ${error === null ? '' : html`<pre class="json">${error.stack ?? error.message ?? 'no message'}</pre>`}
  ${log === null || log.length === 0 ? '' : html`<pre class="json">${log.map(({ at, level, message }) => `${at?.slice(11, 19) ?? ''} ${level === 'warn' ? 'warning: ' : ''}${message}\n`).join('')}</pre>`}
</div>`;
}

const pretty = (value: unknown): string => JSON.stringify(value, null, 2);
