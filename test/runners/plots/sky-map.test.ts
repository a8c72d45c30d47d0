import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SkyMark, SkyState } from '../../../runners/plots/sky-map.ts';
import { skyMap } from '../../../runners/plots/sky-map.ts';
import { fromGalactic } from '../../../runners/science/sky.ts';
import { readXml } from './well-formed.ts';

const mark = (name: string, raDeg: number, decDeg: number, state: SkyState = 'completed'): SkyMark => ({ name, raDeg, decDeg, state });
const marks = [mark('a', 10, 10, 'waiting'), mark('b', 190, -20, 'processing'), mark('c', 300, 60), mark('d', 301, 60), mark('e', 0, -90, 'blocked')];
const texts = (svg: string, path: string) => readXml(svg).filter((element) => element.path.endsWith(path)).map((element) => element.text);

/** Where the mark of a completed transient is: the left end of its circle, plus the radius. */
function placeOf(raDeg: number, decDeg: number): { x: number; y: number } {
  const found = /<path d="M([\d.]+),([\d.]+)a[^"]*"><title>there:/.exec(skyMap([mark('there', raDeg, decDeg)]))!;
  return { x: Number(found[1]) + 4.6, y: Number(found[2]) };
}

describe('the sky map', () => {
  const svg = skyMap(marks, { source: 'Jones et al. 2018, ApJ 867, 108' });

  it('is one self-contained document: nothing is loaded from elsewhere and nothing runs', () => {
    expect(svg).not.toMatch(/<script|<image|<use|href=|url\(|@import|@font-face|<foreignObject|\son\w+=/);
    expect(readXml(svg)[0]!.path).toBe('svg');
  });

  it('has a mark for every transient, with its name and state in the title', () => {
    expect(texts(svg, 'path/title')).toEqual([
      'a: waiting (RA 10.0000°, Dec +10.0000°)',
      'e: blocked (RA 0.0000°, Dec −90.0000°)',
      'c: completed (RA 300.0000°, Dec +60.0000°)',
      'd: completed (RA 301.0000°, Dec +60.0000°)',
      'b: processing (RA 190.0000°, Dec −20.0000°)',
    ]);
  });

  it('has a legend with the count of every state, the galactic plane, the coordinates and the source', () => {
    const all = texts(svg, 'text');
    expect(all).toEqual(expect.arrayContaining(['waiting 1', 'processing 1', 'completed 2', 'blocked 1', 'galactic plane and centre', '5 transients']));
    expect(all).toEqual(expect.arrayContaining(['2h', '12h', '22h', '−60°', '0°', '+60°', 'Positions: Jones et al. 2018, ApJ 867, 108']));
  });

  it('tells the states apart by shape as well as by colour', () => {
    const drawn = (['waiting', 'processing', 'completed', 'blocked'] as const).map((state) => {
      const found = /<g ([^>]*)><path d="([^"]*)"><title>/.exec(skyMap([mark('x', 180, 0, state)]))!;
      return { style: found[1]!, shape: found[2]!.replace(/[\d.,-]+/g, '') };
    });
    expect(new Set(drawn.map(({ style }) => style)).size).toBe(4);
    // waiting and completed are both circles, one of them hollow
    expect(new Set(drawn.map(({ shape }) => shape)).size).toBe(3);
    expect(drawn[0]!.style).toContain('fill="#ffffff"');
  });

  it('has right ascension 12 h in the middle, east to the left and north above', () => {
    const centre = placeOf(180, 0);
    expect(centre.x).toBeCloseTo(500, 0);
    expect(placeOf(200, 0).x).toBeLessThan(centre.x);
    expect(placeOf(160, 0).x).toBeGreaterThan(centre.x);
    expect(placeOf(180, 30).y).toBeLessThan(centre.y);
  });

  it('shows equal areas of the sky as equal areas of paper', () => {
    // Mollweide: sin(dec) = (2θ + sin 2θ) / π, y = √2 sin θ in units of which the map is 2√2 high
    const half = placeOf(180, 0).y - placeOf(180, 90).y;
    const theta = Math.asin((placeOf(180, 0).y - placeOf(180, 45).y) / half);
    expect((2 * theta + Math.sin(2 * theta)) / Math.PI).toBeCloseTo(Math.sin(Math.PI / 4), 3);
  });

  it('draws the galactic plane through places of galactic latitude 0', () => {
    const plane = /<path d="([^"]*)" stroke="#7b8794" stroke-width="1.8"\/>/.exec(svg)![1]!;
    const vertices = [...plane.matchAll(/([\d.]+),([\d.]+)/g)].map((vertex) => [Number(vertex[1]), Number(vertex[2])] as const);
    for (const lDeg of [0, 45, 90, 180, 225, 300]) {
      const { raDeg, decDeg } = fromGalactic({ lDeg, bDeg: 0 });
      const { x, y } = placeOf(raDeg, decDeg);
      expect(Math.min(...vertices.map(([vx, vy]) => Math.hypot(vx - x, vy - y))), `longitude ${lDeg}`).toBeLessThan(8);
    }
  });

  it('is the same, byte for byte, for every order of the marks', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(marks, { minLength: marks.length }), (shuffled) => {
        expect(skyMap(shuffled, { source: 'Jones et al. 2018, ApJ 867, 108' })).toBe(svg);
      }),
      { numRuns: 20 },
    );
  });

  it('says so where there are no transients yet', () => {
    const empty = skyMap([]);
    expect(texts(empty, 'text')).toEqual(expect.arrayContaining(['No transients yet', '0 transients', 'waiting 0']));
    expect(empty).not.toContain('NaN');
  });

  it('leaves out what has no valid position, and says how many', () => {
    const drawn = skyMap([mark('a', 10, 10), mark('b', Number.NaN, 0), mark('c', 400, 0), mark('d', 10, 91)]);
    expect(texts(drawn, 'text')).toEqual(expect.arrayContaining(['1 transient · 3 without a valid position left out', 'completed 1']));
    expect(drawn).not.toMatch(/NaN|Infinity/);
  });

  it('takes hostile names as texts', () => {
    const hostile = skyMap([mark(`"><svg onload='alert(1)'>\u001b`, 10, 10)], { title: '<script>', source: ']]>&' });
    expect(() => readXml(hostile)).not.toThrow();
    expect(texts(hostile, 'path/title')).toEqual(['&quot;&gt;&lt;svg onload=&#39;alert(1)&#39;&gt;\ufffd: completed (RA 10.0000°, Dec +10.0000°)']);
    expect(hostile).not.toMatch(/<script|<svg onload/);
  });
});
