import type { ScaleContinuousNumeric } from 'd3-scale';
import { decimal, element, figure, INK, label } from './svg.ts';

/** From a value to a place in the picture. */
export type Scale = ScaleContinuousNumeric<number, number>;

/** A rectangle of the picture in which values are drawn. */
export interface Panel {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The frame of a panel with ticks, grid lines and a title on the left. */
export function valueAxis(scale: Scale, { left, right, top, bottom }: Panel, title: string, count: number): string {
  const ticks = scale.ticks(count);
  const decimals = Math.max(0, ...ticks.map((tick) => (String(Number(tick.toFixed(6))).split('.')[1] ?? '').length));
  return element(
    'g',
    {},
    ...ticks.map((tick) => {
      const at = scale(tick);
      const grid = element('path', { d: `M${left},${decimal(at)}H${right}`, stroke: INK.grid });
      return grid + label(figure(tick, decimals), left - 10, at, { 'text-anchor': 'end', 'dominant-baseline': 'central', fill: INK.quiet });
    }),
    element('rect', { x: left, y: top, width: right - left, height: bottom - top, fill: 'none', stroke: INK.axis }),
    label(title, 0, 0, { transform: `translate(34,${decimal((top + bottom) / 2)}) rotate(-90)`, 'text-anchor': 'middle' }),
  );
}

/** A logarithmic axis below the last of several panels that share it, with grid lines through all of them. */
export function logarithmicAxis(scale: Scale, panels: readonly Panel[], title: string): string {
  const { left, right, bottom } = panels.at(-1)!;
  const [low, high] = scale.domain() as [number, number];
  // over more than two decades only the decades are named, or the names would run into each other
  const isNamed = (digit: number) => digit === 1 || (high / low < 150 && [2, 3, 5].includes(digit));
  return element(
    'g',
    {},
    ...ticksBetween(low, high).map(({ digit, value }) => {
      const at = decimal(scale(value));
      const tick = element('path', { d: `M${at},${bottom}v${isNamed(digit) ? 8 : 5}`, stroke: INK.axis });
      if (!isNamed(digit)) return tick;
      const grid = element('path', { d: panels.map((panel) => `M${at},${panel.top}V${panel.bottom}`).join(''), stroke: INK.grid });
      return grid + tick + label(String(Number(value.toPrecision(1))), scale(value), bottom + 32, { 'text-anchor': 'middle', fill: INK.quiet });
    }),
    label(title, (left + right) / 2, bottom + 64, { 'text-anchor': 'middle' }),
  );
}

/** All values of one digit and a power of ten. */
function ticksBetween(low: number, high: number): { digit: number; value: number }[] {
  const ticks: { digit: number; value: number }[] = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.log10(high); exponent += 1) {
    for (let digit = 1; digit <= 9; digit += 1) ticks.push({ digit, value: digit * 10 ** exponent });
  }
  return ticks.filter(({ value }) => value >= low && value <= high);
}

/** Least and greatest of at least one value; `Math.min(...values)` gives up at some ten thousand. */
export function extent(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
