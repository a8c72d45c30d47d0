import { html } from 'hono/html';
import { describeUnqualified, describeUnserved, type DaemonReport } from '../../db/daemons.ts';
import type { Overview } from './overview.ts';
import { count, counted, icon, instant, type Html } from './words.ts';

/** The daemons and workers that are alive, how busy they are, what troubles them, and the tasks that none of them can run. */
export function daemonTable({ daemons, unserved }: Overview, now: Date): Html {
  const places = daemons.reduce((sum, { concurrency }) => sum + concurrency, 0);
  const words = daemons.length === 0 ? 'No daemon is alive.' : `${inWords(daemons)}, ${counted(places, 'attempt')} at once.`;
  const worries = [...daemons.flatMap(({ id, role, troubles }) => troubles.map((trouble) => `${role} ${id}: ${trouble}`)), ...unserved.map(describeUnserved)];
  const waits = daemons.flatMap(({ id, role, unqualified }) => unqualified.map((one) => `${role} ${id}: ${describeUnqualified(one)}`));
  return html`<div id="daemons" hx-swap-oob="true">
  <p class="quiet">${words}</p>
  ${worries.length === 0 ? '' : html`<ul class="statuses">${worries.map((sentence) => html`<li class="warning">${icon('warning')} ${sentence}</li>`)}</ul>`}
  ${waits.length === 0 ? '' : html`<ul class="statuses">${waits.map((sentence) => html`<li>${sentence}</li>`)}</ul>`}
  ${daemons.length === 0 ? '' : table(daemons, now)}
</div>`;
}

/** `2 daemons and 1 worker`. */
function inWords(daemons: readonly DaemonReport[]): string {
  const of = (role: DaemonReport['role']) => daemons.filter((daemon) => daemon.role === role).length;
  const parts = (['daemon', 'worker'] as const).flatMap((role) => (of(role) === 0 ? [] : [counted(of(role), role)]));
  return parts.join(' and ');
}

// Load and memory are rounded, so that the page is not drawn anew for every little.
const table = (daemons: readonly DaemonReport[], now: Date): Html => html`<table id="alive">
  <thead><tr><th scope="col">Where</th><th scope="col">Role</th><th scope="col">Labels</th><th scope="col">Version</th><th scope="col">Since</th><th scope="col" class="number">Running</th><th scope="col" class="number">CPU</th><th scope="col" class="number">Memory</th></tr></thead>
  <tbody>
  ${daemons.map(({ host, pid, role, labels, version, startedAt, running, concurrency, cpuLoad, rssBytes }) => html`<tr>
    <th scope="row">${host}:${pid}</th>
    <td>${role}</td>
    <td>${labels.length === 0 ? html`<span class="quiet">none</span>` : labels.map((label) => html`<span class="tag">${label}</span> `)}</td>
    <td>${version}</td>
    <td>${instant(startedAt, now)}</td>
    <td class="number">${count(running)} of ${count(concurrency)}</td>
    <td class="number">${cpuLoad === null ? '' : `${Math.round(cpuLoad * 20) * 5} %`}</td>
    <td class="number">${rssBytes === null ? '' : `${count(Math.round(rssBytes / 2 ** 20 / 10) * 10)} MiB`}</td>
  </tr>`)}
  </tbody>
</table>`;
