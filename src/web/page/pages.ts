import { createHash } from 'node:crypto';
import { html } from 'hono/html';
import type { Database } from '../../db/database.ts';
import { readStateCounts } from '../../db/state-counts.ts';
import { keep } from '../keep.ts';
import type { Links } from '../links.ts';
import { htmlReply, type Ask, type Reply, type Route } from '../route.ts';
import { daemonTable } from './daemon-table.ts';
import { figures } from './figures.ts';
import { historyPlots, POINTS, REACH_MS, seenOf } from './history-plot.ts';
import { layout } from './layout.ts';
import { readOverview } from './overview.ts';
import { plots, plotTimes } from './plots.ts';
import { resourceTable } from './resource-table.ts';
import { systemTable } from './system-table.ts';
import { legend, taskTable } from './task-table.ts';
import { isIdle, type Html } from './words.ts';

/** Writes the table of results as text. */
export type ExportTable = (format: 'csv' | 'json') => Promise<string>;

/** Seconds between two looks at the figures, while there is work and while there is none. */
const BUSY_SECONDS = 2;
const IDLE_SECONDS = 15;

/** The first page, and the parts of it that are fetched anew. */
export function createPages(
  { database, folders, order, version, exportTable }: { database: Database; folders: { products: string }; order: readonly string[]; version?: string; exportTable?: ExportTable },
  links: Links,
): { first(): Promise<Reply>; live(ask: Ask): Promise<Reply>; plots(ask: Ask): Promise<Reply>; history(ask: Ask): Promise<Reply>; exports: readonly Route[] } {
  const overview = keep(() => readOverview(database.em(), order), 1000);
  const counts = keep(() => readStateCounts(database.em(), { since: new Date(Date.now() - REACH_MS), points: POINTS }), 5000);

  const parts = async (): Promise<{ shown: string; body: Parts }> => {
    const now = await overview();
    const today = new Date();
    const body = { figures: figures(now), tasks: taskTable(now, links), system: systemTable(now, links, today), resources: resourceTable(now, today), daemons: daemonTable(now, today) };
    const shown = createHash('sha1').update(Object.values(body).map(String).join('')).digest('base64url');
    return { shown, body: { ...body, poll: poll(links, shown, isIdle(now.report) ? IDLE_SECONDS : BUSY_SECONDS) } };
  };

  return {
    async first() {
      const { body } = await parts();
      const page = layout({ title: 'Afterglow', links, exports: exportTable !== undefined, version }, await firstPage(body, historyPlots(await counts(), links), plots(await plotTimes(folders.products), links)));
      return htmlReply(String(await page));
    },
    async live({ query }) {
      const { shown, body } = await parts();
      // Nothing has changed: nothing on the page is touched.
      if (query.seen === shown) return { status: 204, body: null };
      return htmlReply(String(await html`${body.poll}${body.figures}${body.tasks}${body.system}${body.resources}${body.daemons}`));
    },
    async plots({ query }) {
      const times = await plotTimes(folders.products);
      if (query.seen === times.map((time) => time ?? '').join('-')) return { status: 204, body: null };
      return htmlReply(String(await plots(times, links)));
    },
    async history({ query }) {
      const kept = await counts();
      if (query.seen === seenOf(kept)) return { status: 204, body: null };
      return htmlReply(String(await historyPlots(kept, links)));
    },
    exports: exportTable === undefined ? [] : (['csv', 'json'] as const).map((format) => ({ method: 'get', path: `/export.${format}`, handler: () => exported(exportTable, format) })),
  };
}

type Parts = Record<'poll' | 'figures' | 'tasks' | 'system' | 'resources' | 'daemons', Html>;

function firstPage(parts: Parts, history: Html, drawn: Html): Html {
  return html`${parts.poll}
${parts.figures}
${history}
<section aria-labelledby="tasks-title">
  <h2 id="tasks-title">Tasks</h2>
  <div class="scroll" role="region" aria-labelledby="tasks-title" tabindex="0" id="main">${parts.tasks}</div>
  ${legend()}
</section>
${drawn}
<section aria-labelledby="system-title">
  <h2 id="system-title">System runners</h2>
  <div class="scroll" role="region" aria-labelledby="system-title" tabindex="0">${parts.system}</div>
</section>
${parts.resources}
<section aria-labelledby="daemons-title">
  <h2 id="daemons-title">Daemons</h2>
  <div class="scroll" role="region" aria-labelledby="daemons-title" tabindex="0">${parts.daemons}</div>
</section>`;
}

/** Asks for the parts again and again; it is replaced with each answer, so the server says when the next question comes. */
const poll = (links: Links, shown: string, seconds: number): Html =>
  html`<div id="live" hx-get="${links.live}?seen=${shown}" hx-trigger="every ${seconds}s" hx-swap="outerHTML"></div>`;

async function exported(table: ExportTable, format: 'csv' | 'json'): Promise<Reply> {
  return {
    status: 200,
    body: await table(format),
    headers: {
      'content-type': format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json',
      'content-disposition': `attachment; filename="afterglow.${format}"`,
      'cache-control': 'no-store',
    },
  };
}
