import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HubblePoint } from '../../../runners/plots/hubble-diagram.ts';
import { hubbleDiagram } from '../../../runners/plots/hubble-diagram.ts';
import { distanceModulusMag, HUBBLE_COSMOLOGY } from '../../../runners/science/cosmology.ts';
import { readXml } from './well-formed.ts';

/** A supernova `residual` magnitudes off the line. */
function point(name: string, redshift: number, residual = 0, muErrMag = 0.1): HubblePoint {
  return { name, redshift, muMag: distanceModulusMag(redshift, HUBBLE_COSMOLOGY) + residual, muErrMag };
}

const points = [point('2007aj', 0.03, 0.1), point('2000B', 0.02, -0.1), point('2010H', 0.09, 0.3, 0.2)];
const texts = (svg: string, path: string) => readXml(svg).filter((element) => element.path.endsWith(path)).map((element) => element.text);

describe('the Hubble diagram', () => {
  const svg = hubbleDiagram(points, { source: 'Jones et al. 2018, ApJ 867, 108' });

  it('is one self-contained document: nothing is loaded from elsewhere and nothing runs', () => {
    expect(svg).not.toMatch(/<script|<image|<use|href=|url\(|@import|@font-face|<foreignObject|\son\w+=/);
    expect(readXml(svg)[0]!.path).toBe('svg');
  });

  it('has axis titles with units, ticks, a legend, the statistics and the source', () => {
    const all = texts(svg, 'text');
    expect(all).toEqual(expect.arrayContaining(['distance modulus (mag)', 'residual (mag)', 'redshift (CMB frame)', 'type Ia supernova']));
    expect(all).toEqual(expect.arrayContaining(['0.02', '0.03', '0.05', '35', '36', '0.0', '0.4', '−0.4']));
    expect(all).toEqual(expect.arrayContaining(['Hubble diagram', 'Data: Jones et al. 2018, ApJ 867, 108']));
    // residuals 0.1, −0.1, 0.3 with errors 0.1, 0.1, 0.2: standard deviation 0.2, weighted mean (10 − 10 + 7.5) / 225
    expect(all).toContain('n = 3 · scatter 0.200 mag · weighted mean +0.033 mag');
  });

  it('names every supernova in the title of its mark, with its figures', () => {
    expect(texts(svg, 'g/g/title')).toEqual([
      '2000B: redshift 0.0200, 34.60 ± 0.10 mag, residual −0.10 mag',
      '2007aj: redshift 0.0300, 35.69 ± 0.10 mag, residual +0.10 mag',
      '2010H: redshift 0.0900, 38.37 ± 0.20 mag, residual +0.30 mag',
    ]);
  });

  it('draws both marks of every supernova inside their panels', () => {
    const circles = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3\.[38]"\/>/g)];
    expect(circles).toHaveLength(6);
    for (const [x, y] of circles.map((found) => found.slice(1).map(Number) as [number, number])) {
      expect(x).toBeGreaterThan(108);
      expect(x).toBeLessThan(876);
      expect((y > 84 && y < 490) || (y > 520 && y < 682)).toBe(true);
    }
  });

  it('is the same, byte for byte, for every order of the points', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(points, { minLength: 3 }), (shuffled) => {
        expect(hubbleDiagram(shuffled, { source: 'Jones et al. 2018, ApJ 867, 108' })).toBe(svg);
      }),
    );
  });

  it('says so where there are no distances yet', () => {
    const empty = hubbleDiagram([]);
    expect(texts(empty, 'text')).toEqual(expect.arrayContaining(['No distances yet', 'n = 0', '0.01', '0.1']));
    expect(empty).not.toContain('NaN');
  });

  it('leaves out what has no place in it, and says how many', () => {
    const good = point('a', 0.03);
    const drawn = hubbleDiagram([good, { ...good, muMag: Number.NaN }, { ...good, redshift: 0 }, { ...good, muErrMag: -1 }]);
    expect(texts(drawn, 'text')).toContain('n = 1 · 3 left out');
    expect(drawn).not.toMatch(/NaN|Infinity/);
  });

  it('takes hostile names as texts', () => {
    const name = '</title><script>alert("1")</script>&\u0000';
    const hostile = hubbleDiagram([{ ...point('x', 0.03), name }], { title: name, source: name });
    expect(hostile).not.toContain('<script');
    expect(texts(hostile, 'g/g/title')[0]).toContain('&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;\ufffd');
  });

  it('has ticks for redshifts of many decades, for one redshift, and for errors of 0', () => {
    expect(texts(hubbleDiagram([point('a', 0.001), point('b', 2)]), 'text')).toEqual(expect.arrayContaining(['0.001', '0.01', '0.1', '1']));
    const twins = hubbleDiagram([point('a', 0.0333, 0, 0), point('b', 0.0333, 0, 0)]);
    expect(texts(twins, 'text')).toEqual(expect.arrayContaining(['0.02', '0.03', '0.05', 'n = 2 · scatter 0.000 mag · weighted mean 0.000 mag']));
  });

  it('is drawn for 200,000 supernovae', () => {
    const many = Array.from({ length: 200_000 }, (_, i) => point(String(i), 0.01 + i * 1e-6));
    expect(hubbleDiagram(many)).toContain('n = 200000');
  });
});
