import { scaleLinear, scaleLog } from 'd3-scale';
import type { FlatLambdaCdm } from '../science/cosmology.ts';
import { distanceModulusMag, HUBBLE_COSMOLOGY } from '../science/cosmology.ts';
import type { Scale } from './axes.ts';
import { extent, logarithmicAxis, valueAxis } from './axes.ts';
import { byName, decimal, element, escapeXml, figure, INK, label, picture } from './svg.ts';

/** One supernova of the diagram. */
export interface HubblePoint {
  name: string;
  /** In the CMB frame, above 0. */
  redshift: number;
  /** Distance modulus and its standard error, magnitudes. */
  muMag: number;
  muErrMag: number;
}

/** What may be set; everything has a default. */
export interface HubbleDiagramOptions {
  title?: string;
  /** Where the figures come from, for the line at the foot, e.g. `Jones et al. 2018, ApJ 867, 108`. */
  source?: string;
  /** The line, and what the residuals are taken from; flat ΛCDM with H0 70 and Ωm 0.3. */
  cosmology?: FlatLambdaCdm;
}

const WIDTH = 900;
const HEIGHT = 812;
const LEFT = 108;
const RIGHT = WIDTH - 24;
const UPPER = { left: LEFT, right: RIGHT, top: 84, bottom: 490 };
const LOWER = { left: LEFT, right: RIGHT, top: 520, bottom: 682 };
const POINT = '#0072b2';
const ERROR_BAR = '#9cc3dd';
const MODEL = '#d55e00';

interface Drawn extends HubblePoint {
  residualMag: number;
}

/**
 * The Hubble diagram as an SVG document: distance modulus against redshift with error bars and the line of flat ΛCDM, and the residuals
 * below. The same points in any order give the same bytes. Points with a figure that is missing or has no place in the diagram
 * (a redshift of 0 or less, a negative error) are left out, and the diagram says how many.
 */
export function hubbleDiagram(points: Iterable<HubblePoint>, options: HubbleDiagramOptions = {}): string {
  const { title = 'Hubble diagram', source, cosmology = HUBBLE_COSMOLOGY } = options;
  const given = byName(points);
  const drawn = given.filter(hasPlace).map((point) => ({ ...point, residualMag: point.muMag - distanceModulusMag(point.redshift, cosmology) }));
  const statistics = statisticsOf(drawn);
  const x = redshiftScale(drawn);
  const y = scaleLinear(...modulusRange(drawn, x, cosmology)).nice(6);
  const r = scaleLinear(...residualRange(drawn)).nice(4);
  const summary = summaryOf(drawn.length, statistics, given.length - drawn.length);

  return picture(
    { id: 'afterglow-hubble-diagram', width: WIDTH, height: HEIGHT, title, description: `Distance modulus against redshift. ${summary}.` },
    label(title, LEFT, 34, { class: 'title' }),
    label(summary, LEFT, 66, { fill: INK.quiet }),
    logarithmicAxis(x, [UPPER, LOWER], 'redshift (CMB frame)'),
    valueAxis(y, UPPER, 'distance modulus (mag)', 6),
    valueAxis(r, LOWER, 'residual (mag)', 4),
    statistics === undefined ? '' : scatterBand(r, statistics),
    element('g', { stroke: ERROR_BAR, 'stroke-width': 1.2 }, drawn.map((point) => errorBars(point, x, y, r)).join('')),
    element('g', { fill: POINT, stroke: INK.paper, 'stroke-width': 0.7 }, drawn.map((point) => marks(point, x, y, r)).join('')),
    modelLine(x, y, cosmology),
    element('path', { d: `M${LEFT},${decimal(r(0))}H${RIGHT}`, stroke: MODEL, 'stroke-width': 1.6 }),
    drawn.length > 0 ? '' : label('No distances yet', (LEFT + RIGHT) / 2, UPPER.bottom - 40, { 'text-anchor': 'middle', fill: INK.quiet }),
    legend(cosmology),
    source === undefined ? '' : label(`Data: ${source}`, LEFT, HEIGHT - 18, { class: 'small', fill: INK.quiet }),
  );
}

function hasPlace({ redshift, muMag, muErrMag }: HubblePoint): boolean {
  return Number.isFinite(redshift) && redshift > 0 && Number.isFinite(muMag) && Number.isFinite(muErrMag) && muErrMag >= 0;
}

interface Statistics {
  /** Mean of the residuals weighted by 1/error², or the plain mean where an error is 0; magnitudes. */
  meanMag: number;
  /** Standard deviation of the residuals (n − 1), magnitudes. */
  scatterMag: number;
}

/** Undefined for fewer than two points, which have no scatter. */
function statisticsOf(points: readonly Drawn[]): Statistics | undefined {
  if (points.length < 2) return undefined;
  const weighted = points.every((point) => point.muErrMag > 0);
  const weights = points.map((point) => (weighted ? 1 / point.muErrMag ** 2 : 1));
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const plainMean = sum(points.map((point) => point.residualMag)) / points.length;
  return {
    meanMag: sum(points.map((point, i) => point.residualMag * weights[i]!)) / sum(weights),
    scatterMag: Math.sqrt(sum(points.map((point) => (point.residualMag - plainMean) ** 2)) / (points.length - 1)),
  };
}

function summaryOf(count: number, statistics: Statistics | undefined, leftOut: number): string {
  const parts = [`n = ${count}`];
  if (statistics !== undefined) {
    parts.push(`scatter ${figure(statistics.scatterMag, 3)} mag`, `weighted mean ${figure(statistics.meanMag, 3, 'both')} mag`);
  }
  if (leftOut > 0) parts.push(`${leftOut} left out`);
  return parts.join(' · ');
}

function redshiftScale(points: readonly Drawn[]): Scale {
  const [low, high] = points.length === 0 ? [0.01, 0.1] : extent(points.map((point) => point.redshift));
  // at least a factor of 3 from end to end, so that a few redshifts close together still have ticks
  const margin = Math.max(1.12, Math.sqrt(3 / (high / low)));
  return scaleLog([low / margin, high * margin], [LEFT, RIGHT]);
}

function modulusRange(points: readonly Drawn[], x: Scale, cosmology: FlatLambdaCdm): [[number, number], [number, number]] {
  const line = x.domain().map((redshift) => distanceModulusMag(redshift, cosmology));
  const bars = points.flatMap((point) => [point.muMag - point.muErrMag, point.muMag + point.muErrMag]);
  return [extent([...line, ...bars]), [UPPER.bottom, UPPER.top]];
}

function residualRange(points: readonly Drawn[]): [[number, number], [number, number]] {
  const [, reach] = extent([0.3, ...points.map((point) => Math.abs(point.residualMag) + point.muErrMag)]);
  return [[-reach, reach], [LOWER.bottom, LOWER.top]];
}

/** ± one standard deviation. */
function scatterBand(r: Scale, { scatterMag }: Statistics): string {
  const band = { x: LEFT, y: r(scatterMag), width: RIGHT - LEFT, height: r(-scatterMag) - r(scatterMag) };
  const name = label('band: ± scatter', RIGHT - 10, LOWER.bottom - 12, { class: 'small halo wide', 'text-anchor': 'end', fill: INK.quiet });
  return element('rect', { ...band, fill: MODEL, 'fill-opacity': 0.09 }) + name;
}

function modelLine(x: Scale, y: Scale, cosmology: FlatLambdaCdm): string {
  const steps = Array.from({ length: 121 }, (_, i) => LEFT + ((RIGHT - LEFT) * i) / 120);
  const path = steps.map((at) => `${decimal(at)},${decimal(y(distanceModulusMag(x.invert(at), cosmology)))}`).join('L');
  return element('path', { d: `M${path}`, fill: 'none', stroke: MODEL, 'stroke-width': 1.6 });
}

function errorBars({ redshift, muMag, muErrMag, residualMag }: Drawn, x: Scale, y: Scale, r: Scale): string {
  const at = decimal(x(redshift));
  const bar = (scale: Scale, value: number) => `M${at},${decimal(scale(value - muErrMag))}V${decimal(scale(value + muErrMag))}`;
  return element('path', { d: bar(y, muMag) + bar(r, residualMag) });
}

function marks({ name, redshift, muMag, muErrMag, residualMag }: Drawn, x: Scale, y: Scale, r: Scale): string {
  const modulus = `${figure(muMag, 2)} ± ${figure(muErrMag, 2)} mag`;
  const title = `${name}: redshift ${figure(redshift, 4)}, ${modulus}, residual ${figure(residualMag, 2, 'both')} mag`;
  const at = x(redshift);
  return element(
    'g',
    {},
    element('title', {}, escapeXml(title)),
    element('circle', { cx: at, cy: y(muMag), r: 3.8 }),
    element('circle', { cx: at, cy: r(residualMag), r: 3.3 }),
  );
}

function legend({ h0KmPerSPerMpc, omegaM }: FlatLambdaCdm): string {
  const left = LEFT + 26;
  const first = UPPER.top + 32;
  const second = first + 34;
  const line = ['flat ΛCDM, H', ...lowered('0'), ` ${h0KmPerSPerMpc} km/s/Mpc, Ω`, ...lowered('m'), ` ${omegaM}`];
  return element(
    'g',
    {},
    element('path', { d: `M${left},${first - 11}v22`, stroke: ERROR_BAR, 'stroke-width': 1.2 }),
    element('circle', { cx: left, cy: first, r: 3.8, fill: POINT }),
    label('type Ia supernova', left + 26, first, { 'dominant-baseline': 'central', class: 'halo' }),
    element('path', { d: `M${left - 13},${second}h26`, stroke: MODEL, 'stroke-width': 1.6 }),
    element('text', { x: left + 26, y: second, 'dominant-baseline': 'central', class: 'halo' }, ...line),
  );
}

/** A subscript: what follows goes on the old line again. */
function lowered(content: string): string[] {
  return [element('tspan', { dy: '0.25em', 'font-size': '75%' }, content), element('tspan', { dy: '-0.19em' }, '\u200b')];
}
