import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { readGalaxyCatalogue } from '../../../runners/science/galaxy-catalogue.ts';
import type { HostCandidate } from '../../../runners/science/host-match.ts';
import { chooseHost, lightRadiusArcsec } from '../../../runners/science/host-match.ts';
import { boxAround, offsetBy } from '../../../runners/science/sky.ts';

const here = { raDeg: 150, decDeg: 20 };

/** A galaxy `separation` arcsec north of here, with axes in arcmin or none. */
function galaxy(name: string, separation: number, axes?: [number, number]): HostCandidate {
  return { name, ...offsetBy(here, separation, 0), majorAxisArcmin: axes?.[0] ?? null, minorAxisArcmin: axes?.[1] ?? null };
}

describe('the choice of a host', () => {
  it('goes by separation in units of the light radius, not by separation', () => {
    const match = chooseHost(here, [galaxy('small', 20, [0.1, 0.1]), galaxy('large', 60, [4, 1])]);
    expect(match).toMatchObject({ galaxy: { name: 'large' } });
    expect(match!.separationArcsec).toBeCloseTo(60, 6);
    expect(match!.dlr).toBeCloseTo(1, 6);
  });

  it('takes a light radius of √(ab) from the full axes, and 15 arcsec where they are unknown', () => {
    expect(lightRadiusArcsec(galaxy('a', 0, [4, 1]))).toBe(60);
    expect(lightRadiusArcsec(galaxy('b', 0))).toBe(15);
    expect(chooseHost(here, [galaxy('b', 30)])!.dlr).toBeCloseTo(2, 6);
  });

  it('takes nothing beyond four light radii', () => {
    expect(chooseHost(here, [galaxy('near', 59.99)])).toBeDefined();
    expect(chooseHost(here, [galaxy('far', 60.01)])).toBeUndefined();
  });

  it('takes nothing beyond 30 arcmin, however large', () => {
    expect(chooseHost(here, [galaxy('near', 29.999 * 60, [60, 60])])).toBeDefined();
    expect(chooseHost(here, [galaxy('far', 30.001 * 60, [60, 60])])).toBeUndefined();
  });

  it('finds nothing among no galaxies', () => {
    expect(chooseHost(here, [])).toBeUndefined();
  });

  it('is the same for every order of the candidates, even among equals', () => {
    const candidates = [galaxy('b', 30), galaxy('a', 30), galaxy('c', 60, [1, 1]), galaxy('d', 45)];
    fc.assert(
      fc.property(fc.shuffledSubarray(candidates, { minLength: 4 }), (shuffled) => {
        expect(chooseHost(here, shuffled)!.galaxy.name).toBe('a');
      }),
    );
  });
});

const galaxies = await readGalaxyCatalogue();

describe('hosts of well-known supernovae', () => {
  // Positions and hosts: "List of Supernovae" of the IAU's Central Bureau for Astronomical Telegrams, and the circulars it names.
  const famous = `
    1980N  03 23 00.30 -37 12 50.0 NGC 1316
    1981B  12 34 29.57 +02 11 59.3 NGC 4536
    1989B  11 20 13.93 +13 00 19.3 NGC 3627
    1990N  12 42 56.74 +13 15 24.0 NGC 4639
    1991T  12 34 10.21 +02 39 56.6 NGC 4527
    1991bg 12 25 03.71 +12 52 15.8 NGC 4374
    1992A  03 36 27.43 -34 57 31.5 NGC 1380
    1994D  12 34 02.45 +07 42 04.7 NGC 4526
    1994ae 10 47 01.95 +17 16 31.0 NGC 3370
    1995al 09 50 55.97 +33 33 09.4 NGC 3021
    1998aq 11 56 26.00 +55 07 38.8 NGC 3982
    1998bu 10 46 46.03 +11 50 07.1 NGC 3368
    1999by 09 21 52.07 +51 00 06.6 NGC 2841
    2001el 03 44 30.57 -44 38 23.7 NGC 1448
    2002fk 03 22 05.71 -15 24 03.2 NGC 1309
    2006X  12 22 53.99 +15 48 33.1 NGC 4321
    2007af 14 22 21.03 -00 23 37.6 NGC 5584
    2009ig 02 38 11.61 -01 18 45.1 NGC 1015
    2011by 11 55 45.56 +55 19 33.8 NGC 3972
    2011fe 14 03 05.81 +54 16 25.4 NGC 5457
    2012cg 12 27 12.83 +09 25 13.2 NGC 4424
    2012fr 03 33 35.99 -36 07 37.7 NGC 1365
    2013dy 22 18 17.60 +40 34 09.6 NGC 7250
    2014J  09 55 42.12 +69 40 25.9 NGC 3034`;

  it.each(famous.trim().split('\n').map(readLine))('SN $name is in $host', ({ position, host }) => {
    expect(chooseHost(position, galaxies)?.galaxy.name).toBe(host);
  });

  it('SN 2011fe is 4.6 arcmin from the centre of M 101', () => {
    const { position } = readLine('2011fe 14 03 05.81 +54 16 25.4 NGC 5457');
    expect(chooseHost(position, galaxies)!.separationArcsec / 60).toBeCloseTo(4.6, 1);
  });

  it('is the same from the box around the supernova as from the whole catalogue', () => {
    for (const line of famous.trim().split('\n')) {
      const { position, host } = readLine(line);
      const box = boxAround(position, 30);
      const within = galaxies.filter(
        ({ raDeg, decDeg }) => decDeg >= box.decDeg[0] && decDeg <= box.decDeg[1] && box.raDeg.some(([from, to]) => raDeg >= from && raDeg <= to),
      );
      expect(within.length).toBeLessThan(300);
      expect(chooseHost(position, within)?.galaxy.name).toBe(host);
    }
  });
});

describe('hosts of the 273 supernovae', async () => {
  const fixture = new URL('../../../fixtures/example/transients.yaml', import.meta.url);
  const transients = load(await readFile(fixture, 'utf8')) as { name: string; ra_deg: number; dec_deg: number }[];
  const hosts = new Map(transients.map(({ name, ra_deg: raDeg, dec_deg: decDeg }) => [name, chooseHost({ raDeg, decDeg }, galaxies)]));

  // Hosts: the list of the Central Bureau, as above; for 2016W also Transient Name Server.
  it.each([
    ['1994M', 'NGC 4493'],
    ['1994S', 'NGC 4495'],
    ['1997E', 'NGC 2258'],
    ['1999cc', 'NGC 6038'],
    ['1999dq', 'NGC 976'],
    ['1999ej', 'NGC 495'],
    ['2000B', 'NGC 2320'],
    ['2001da', 'NGC 7780'],
    ['2001en', 'NGC 523'],
    ['2001gb', 'IC 582'],
    ['2001ic', 'NGC 7503'],
    ['2002de', 'NGC 6104'],
    ['2002dp', 'NGC 7678'],
    ['2002ha', 'NGC 6962'],
    ['2003cq', 'NGC 3978'],
    ['2005bo', 'NGC 4708'],
    ['2005kc', 'NGC 7311'],
    ['2006ac', 'NGC 4619'],
    ['2006bq', 'NGC 6685'],
    ['2006cq', 'IC 4239'],
    ['2006ef', 'NGC 809'],
    ['2006et', 'NGC 232'],
    ['2006or', 'NGC 3891'],
    ['2007A', 'NGC 105'],
    ['2007hu', 'NGC 6261'],
    ['2008ar', 'IC 3284'],
    ['2008hv', 'NGC 2765'],
    ['2008L', 'NGC 1259'],
    ['2009an', 'NGC 4332'],
    ['2009ds', 'NGC 3905'],
    ['2010H', 'IC 494'],
    ['2010Y', 'NGC 3392'],
    ['2016W', 'NGC 946'],
  ])('SN %s is in %s', (name, host) => {
    expect(hosts.get(name)?.galaxy.name).toBe(host);
  });

  it('are found for 143', () => {
    expect([...hosts.values()].filter((host) => host !== undefined)).toHaveLength(143);
  });

  // What the rule costs: the small companion of a large galaxy loses its supernova to it.
  it('SN 2000dk goes to NGC 383, though it was in its companion NGC 382', () => {
    expect(hosts.get('2000dk')?.galaxy.name).toBe('NGC 383');
  });
});

type Six = [number, number, number, number, number, number];

function readLine(line: string): { name: string; position: { raDeg: number; decDeg: number }; host: string } {
  const [name, ...fields] = line.trim().split(/\s+/) as [string, ...string[]];
  const [hours, minutes, seconds, degrees, arcmin, arcsec] = fields.slice(0, 6).map((field) => Math.abs(Number(field))) as Six;
  const raDeg = 15 * (hours + minutes / 60 + seconds / 3600);
  const decDeg = (fields[3]!.startsWith('-') ? -1 : 1) * (degrees + arcmin / 60 + arcsec / 3600);
  return { name, position: { raDeg, decDeg }, host: fields.slice(6).join(' ') };
}
