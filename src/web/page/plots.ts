import { stat } from 'node:fs/promises';
import path from 'node:path';
import { html } from 'hono/html';
import type { Links } from '../links.ts';
import type { Html } from './words.ts';

const PLOTS = [
  { file: 'hubble-diagram.svg', title: 'Hubble diagram', alt: 'Hubble diagram: distance modulus against redshift, one mark per transient' },
  { file: 'sky-map.svg', title: 'sky map', alt: 'All-sky map with the plane of the Milky Way, one mark per transient, coloured by its state' },
] as const;

/** When each plot was drawn last, milliseconds; undefined where it was not drawn yet. In the order of the page. */
export async function plotTimes(folder: string): Promise<(number | undefined)[]> {
  return Promise.all(PLOTS.map(({ file }) => stat(path.join(folder, file)).then(({ mtimeMs }) => Math.round(mtimeMs), () => undefined)));
}

/** The plots, looking every ten seconds whether they were drawn anew. */
export function plots(times: readonly (number | undefined)[], links: Links): Html {
  const seen = times.map((time) => time ?? '').join('-');
  return html`<section id="plots" class="plots" aria-label="Plots" hx-get="${links.plots}?seen=${seen}" hx-trigger="every 10s" hx-swap="outerHTML">
  ${PLOTS.map(({ file, title, alt }, at) => times[at] === undefined
    ? html`<p class="quiet">The ${title} appears here when it has been drawn.</p>`
    : html`<figure><a id="${`plot-${at}`}" href="${links.product(file)}"><img src="${links.product(file)}?drawn=${String(times[at])}" alt="${alt}"></a></figure>`)}
</section>`;
}
