import { html } from 'hono/html';
import type { Links } from '../links.ts';
import type { Html } from './words.ts';

// No eval, no script or style inside the page: what the content security policy of our pages says, too.
const HTMX = JSON.stringify({ allowEval: false, allowScriptTags: false, includeIndicatorStyles: false, selfRequestsOnly: true, historyEnabled: false, timeout: 10_000 });

/** A whole page. */
export function layout({ title, links, exports, version }: { title: string; links: Links; exports: boolean; version: string | undefined }, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="htmx-config" content="${HTMX}">
<title>${title}</title>
<link rel="icon" type="image/svg+xml" href="${links.asset('icon.svg')}">
<link rel="stylesheet" href="${links.asset('afterglow.css')}">
<script defer src="${links.asset('htmx.js')}"></script>
<script defer src="${links.asset('page.js')}"></script>
<noscript><meta http-equiv="refresh" content="30"></noscript>
</head>
<body>
<a class="skip" href="#main">Skip to the tasks</a>
<header>
  <h1><img src="${links.asset('icon.svg')}" alt="" width="28" height="28"> Afterglow</h1>
  <nav aria-label="Pages">
    <a href="${links.home}">Overview</a>
    <a href="${links.jobs({})}">Jobs</a>
    <a href="${links.runs({})}">Runs</a>
    ${links.requests === undefined ? '' : html`<a href="${links.requests.open}">Requests</a>`}
    <a href="${links.board}">Board</a>
    ${exports ? html`<a href="${links.export('csv')}">Export CSV</a> <a href="${links.export('json')}">Export JSON</a>` : ''}
    <a href="${links.health}">Health</a>
  </nav>
</header>
<p id="lost" class="lost" role="status" hidden>The daemon does not answer; these figures are old.</p>
<main>
${body}
</main>
<footer>
  <p>Afterglow${version === undefined ? '' : ` ${version}`}. All times are UTC.</p>
</footer>
</body>
</html>`;
}
