import { describe, expect, it } from 'vitest';
import { galaxiesOf, readGalaxyCatalogue } from '../../../runners/science/galaxy-catalogue.ts';
import { isSkyPosition } from '../../../runners/science/sky.ts';

describe('the catalogue that is installed', async () => {
  const galaxies = await readGalaxyCatalogue();
  const byName = new Map(galaxies.map((galaxy) => [galaxy.name, galaxy]));

  it('has 79,741 galaxies under names of their own, 21,569 of them with axes', () => {
    expect(galaxies).toHaveLength(79_741);
    expect(byName.size).toBe(79_741);
    expect(galaxies.filter((galaxy) => galaxy.majorAxisArcmin !== null)).toHaveLength(21_569);
  });

  it('gives every galaxy a valid position and axes in order', () => {
    for (const galaxy of galaxies) {
      expect(isSkyPosition(galaxy), galaxy.name).toBe(true);
      expect(galaxy.minorAxisArcmin ?? 0, galaxy.name).toBeLessThanOrEqual(galaxy.majorAxisArcmin ?? 0);
    }
  });

  it('has full axes: M 101 is 28.8 by 26.9 arcmin, its diameters in de Vaucouleurs et al. 1991 (RC3)', () => {
    expect(byName.get('NGC 5457')).toEqual({
      name: 'NGC 5457',
      otherNames: ['M 101'],
      raDeg: expect.closeTo(210.8024, 9),
      decDeg: 54.34875,
      magnitude: 7.86,
      majorAxisArcmin: 28.8,
      minorAxisArcmin: 26.9,
      type: 'spiral',
    });
  });

  it('has no clusters of galaxies and no nebulae, but has the galaxies that are also in a list of nebulae', () => {
    const names = [...byName.keys()];
    expect(names.filter((name) => /^(ACO|LDN) /.test(name))).toEqual([]);
    expect(names.filter((name) => /^(PK|PN G|Sh2) /.test(name))).toEqual(['Sh2 191', 'Sh2 197', 'PK 343+16.1', 'PK 346+19.1']);
  });
});

describe('a collection', () => {
  const feature = (id: string, properties: object = {}, coordinates = [-149.5, 54]) => ({
    id,
    properties: { desig: id, type: 's', morph: 'Sc', mag: '12.1', dim: '2x1', ...properties },
    geometry: { type: 'Point', coordinates },
  });

  it('gives the first of several galaxies of one name', () => {
    const galaxies = galaxiesOf({ features: [feature('NGC 1', { mag: '11' }), feature('NGC 1', { mag: '12' }), feature('NGC 2')] });
    expect(galaxies.map(({ name, magnitude }) => [name, magnitude])).toEqual([['NGC 1', 11], ['NGC 2', 12.1]]);
  });

  it('leaves out what is not a galaxy', () => {
    const others = [feature('ACO 1', { type: 'gg' }), feature('M 45', { type: 'sfr' }), feature('PK 1+1.1', { type: 'g', morph: '' })];
    expect(galaxiesOf({ features: others })).toEqual([]);
  });

  it.each([
    ['2x1', 2, 1],
    ['1x2.5', 2.5, 1],
    ['0.4', 0.4, 0.4],
    ['', null, null],
    ['0x1', null, null],
    ['large', null, null],
  ])('reads dimensions of "%s"', (dim, majorAxisArcmin, minorAxisArcmin) => {
    expect(galaxiesOf({ features: [feature('NGC 1', { dim })] })).toMatchObject([{ majorAxisArcmin, minorAxisArcmin, raDeg: 210.5 }]);
  });

  it('knows no magnitude where it says 999', () => {
    expect(galaxiesOf({ features: [feature('NGC 1', { mag: '999' })] })[0]!.magnitude).toBeNull();
  });

  it('is refused if it has no features or a galaxy has no place', () => {
    expect(() => galaxiesOf({})).toThrow('found no list of features');
    expect(() => galaxiesOf({ features: [feature('NGC 1', {}, [10, 100])] })).toThrow('position of NGC 1');
  });
});
