import { html } from 'hono/html';
import type { Html } from './words.ts';

/** Width of a bar in user units; it is stretched to the room that it has. */
const WIDTH = 1000;
/** The narrowest part that is drawn, so that one in a million can be seen. */
const NARROWEST = 6;

/** One part of a bar; its name is its class. */
export interface BarPart {
  name: string;
  n: number;
}

/** A horizontal bar, stacked from its parts. What it says stands beside it in words, too. */
export function bar(parts: readonly BarPart[], label: string): Html {
  const present = parts.filter(({ n }) => n > 0);
  const total = present.reduce((sum, { n }) => sum + n, 0);
  const room = WIDTH - NARROWEST * present.length;
  let x = 0;
  const drawn = present.map(({ name, n }) => {
    const width = NARROWEST + (room * n) / total;
    const rect = html`<rect class="${name}" x="${x.toFixed(1)}" width="${width.toFixed(1)}" height="10"><title>${name}: ${n}</title></rect>`;
    x += width;
    return rect;
  });
  const words = present.map(({ name, n }) => `${n} ${name}`).join(', ') || 'none';
  return html`<svg class="bar" viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" role="img" aria-label="${label}: ${words}">${drawn}</svg>`;
}
