import type { GeoPermissibleObjects, GeoProjection } from 'd3-geo';
import { geoCircle, geoPath } from 'd3-geo';
import { geoMollweide } from 'd3-geo-projection';
import type { SkyPosition } from '../science/sky.ts';
import { fromGalactic, isSkyPosition } from '../science/sky.ts';
import { byName, decimal, element, escapeXml, figure, INK, label, picture } from './svg.ts';

/** Where a transient stands as a whole. */
export type SkyState = 'waiting' | 'processing' | 'completed' | 'blocked';

/** One transient of the map. */
export interface SkyMark extends SkyPosition {
  name: string;
  state: SkyState;
}

/** What may be set; everything has a default. */
export interface SkyMapOptions {
  title?: string;
  /** Where the positions come from, for the line at the foot. */
  source?: string;
}

const WIDTH = 1000;
const HEIGHT = 676;
const MAP = { left: 56, top: 84, right: WIDTH - 56, bottom: 528 };
const LEGEND_Y = 576;
/** Hours of right ascension are named below this parallel: the equator is where surveys look most. */
const HOURS_AT_DEC_DEG = -30;
const BAND = '#e9edf3';
const PLANE = '#7b8794';

/**
 * Colours of Okabe & Ito 2008 ("Color Universal Design"), which the colour-blind can tell apart; the shapes say the same again.
 * Later ones are drawn on top.
 */
const STATES: Readonly<Record<SkyState, { draw: (x: number, y: number) => string; style: Readonly<Record<string, string | number>> }>> = {
  waiting: { draw: circle, style: { fill: INK.paper, stroke: '#737d88', 'stroke-width': 1.6 } },
  blocked: { draw: cross, style: { fill: 'none', stroke: '#d55e00', 'stroke-width': 2.4, 'stroke-linecap': 'round' } },
  completed: { draw: circle, style: { fill: '#0072b2', stroke: INK.paper, 'stroke-width': 0.9 } },
  processing: { draw: triangle, style: { fill: '#e69f00', stroke: '#6b4a00', 'stroke-width': 1.2, 'stroke-linejoin': 'round' } },
};

/** The order of the legend. */
const LEGEND: readonly SkyState[] = ['waiting', 'processing', 'completed', 'blocked'];

/**
 * The whole sky as an SVG document: Mollweide's equal-area projection of equatorial coordinates with right ascension 12 h in the middle
 * and east to the left, the plane of the Milky Way, and one mark per transient, coloured and shaped by its state. The same marks in any
 * order give the same bytes. Those without a valid position are left out, and the map says how many.
 */
export function skyMap(marks: Iterable<SkyMark>, options: SkyMapOptions = {}): string {
  const { title = 'Transients on the sky', source } = options;
  const given = byName(marks);
  const shown = given.filter((mark) => isSkyPosition(mark));
  const counts = Object.fromEntries(LEGEND.map((state) => [state, shown.filter((mark) => mark.state === state).length])) as Record<SkyState, number>;
  const leftOut = given.length - shown.length;
  const total = `${shown.length} transient${shown.length === 1 ? '' : 's'}`;
  const without = leftOut > 0 ? ` · ${leftOut} without a valid position left out` : '';
  const description = `${total}: ${LEGEND.map((state) => `${counts[state]} ${state}`).join(', ')}${without}.`;
  const projection = skyProjection();

  return picture(
    { id: 'afterglow-sky-map', width: WIDTH, height: HEIGHT, title, description },
    label(title, 28, 34, { class: 'title' }),
    label(`${total}${without}`, 28, 66, { fill: INK.quiet }),
    ground(projection),
    coordinateLabels(projection),
    ...Object.entries(STATES).map(([state, { draw, style }]) =>
      element('g', style, shown.filter((mark) => mark.state === state).map((mark) => markOf(mark, projection, draw)).join('')),
    ),
    shown.length === 0 ? label('No transients yet', WIDTH / 2, 250, { 'text-anchor': 'middle', class: 'halo', fill: INK.quiet }) : '',
    legend(counts),
    label('Mollweide projection, equatorial coordinates (ICRS), east to the left', 28, HEIGHT - 44, { class: 'small', fill: INK.quiet }),
    source === undefined ? '' : label(`Positions: ${source}`, 28, HEIGHT - 18, { class: 'small', fill: INK.quiet }),
  );
}

function skyProjection(): GeoProjection {
  return geoMollweide()
    .rotate([-180, 0])
    .reflectX(true)
    .precision(0.1)
    .fitExtent([[MAP.left, MAP.top], [MAP.right, MAP.bottom]], { type: 'Sphere' });
}

/** The sphere, the band of the Milky Way, the graticule and the galactic plane. */
function ground(projection: GeoProjection): string {
  const path = geoPath(projection).digits(2);
  const d = (shape: GeoPermissibleObjects) => path(shape) ?? '';
  const centre = fromGalactic({ lDeg: 0, bDeg: 0 });
  const pole = fromGalactic({ lDeg: 0, bDeg: 90 });
  const around = (radiusDeg: number) => geoCircle().center([pole.raDeg, pole.decDeg]).radius(radiusDeg).precision(2)().coordinates[0]!;
  // all that lies up to 100 degrees from the galactic pole, less what lies up to 80 degrees from it
  const band: GeoPermissibleObjects = { type: 'Polygon', coordinates: [around(100), around(80).toReversed()] };
  return element(
    'g',
    { fill: 'none' },
    element('path', { d: d({ type: 'Sphere' }), fill: '#fbfcfd' }),
    element('path', { d: d(band), fill: BAND }),
    element('path', { d: d({ type: 'MultiLineString', coordinates: [...meridians(), ...parallels()] }), stroke: '#d5dae0', 'stroke-width': 0.8 }),
    element('path', { d: d({ type: 'LineString', coordinates: around(90) }), stroke: PLANE, 'stroke-width': 1.8 }),
    element('path', { d: d({ type: 'Sphere' }), stroke: INK.axis, 'stroke-width': 1.4 }),
    centreSign(...projection([centre.raDeg, centre.decDeg])!),
  );
}

/** Every 2 h of right ascension. */
function meridians(): [number, number][][] {
  return Array.from({ length: 12 }, (_, i) => Array.from({ length: 91 }, (__, j) => [i * 30, -90 + 2 * j]));
}

/** Every 30 degrees of declination, from edge to edge of the map. */
function parallels(): [number, number][][] {
  return [-60, -30, 0, 30, 60].map((decDeg) => Array.from({ length: 181 }, (_, i) => [Math.min(359.999, Math.max(0.001, 2 * i)), decDeg]));
}

/** A ring with a point in it. */
function centreSign(x: number, y: number): string {
  return element(
    'g',
    { stroke: PLANE, 'stroke-width': 1.8 },
    element('circle', { cx: x, cy: y, r: 6, fill: INK.paper }),
    element('circle', { cx: x, cy: y, r: 1.6, fill: PLANE, stroke: 'none' }),
  );
}

function coordinateLabels(projection: GeoProjection): string {
  const hours = Array.from({ length: 11 }, (_, i) => 2 * (i + 1)).map((hour) => {
    const [x, y] = projection([hour * 15, HOURS_AT_DEC_DEG])!;
    return label(`${hour}h`, x, y + 17, { 'text-anchor': 'middle', class: hour % 4 === 0 ? 'small' : 'small wide' });
  });
  const degrees = [-60, -30, 0, 30, 60].map((decDeg) => {
    const [x, y] = projection([359.999, decDeg])!;
    return label(`${figure(decDeg, 0, 'both')}°`, x - 14, y, { 'text-anchor': 'end', 'dominant-baseline': 'central', class: 'small' });
  });
  return element('g', { fill: INK.quiet }, ...hours, ...degrees);
}

function markOf({ name, raDeg, decDeg, state }: SkyMark, projection: GeoProjection, draw: (x: number, y: number) => string): string {
  const [x, y] = projection([raDeg, decDeg])!;
  const title = `${name}: ${state} (RA ${figure(raDeg, 4)}°, Dec ${figure(decDeg, 4, 'both')}°)`;
  return element('path', { d: draw(x, y) }, element('title', {}, escapeXml(title)));
}

function legend(counts: Readonly<Record<SkyState, number>>): string {
  const entries = LEGEND.map((state, i) => {
    const x = 36 + i * 244;
    const { draw, style } = STATES[state];
    const name = label(`${state} ${counts[state]}`, x + 16, LEGEND_Y, { 'dominant-baseline': 'central' });
    return element('path', { ...style, d: draw(x, LEGEND_Y) }) + name;
  });
  const right = WIDTH - 28;
  const plane = element('path', { d: `M${right - 34},61h34`, stroke: PLANE, 'stroke-width': 1.8 }) + centreSign(right - 17, 61);
  return element('g', {}, ...entries, plane, label('galactic plane and centre', right - 46, 66, { 'text-anchor': 'end', fill: INK.quiet }));
}

function circle(x: number, y: number): string {
  return `M${decimal(x - 4.6)},${decimal(y)}a4.6,4.6 0 1,0 9.2,0a4.6,4.6 0 1,0 -9.2,0Z`;
}

function cross(x: number, y: number): string {
  return `M${decimal(x - 3.8)},${decimal(y - 3.8)}l7.6,7.6m0,-7.6l-7.6,7.6`;
}

function triangle(x: number, y: number): string {
  return `M${decimal(x)},${decimal(y - 6)}l5.6,9.8h-11.2Z`;
}
