import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boxAround,
  fromGalactic,
  galactic,
  isSkyPosition,
  offsetBy,
  positionAngleDeg,
  positionProblem,
  separationArcsec,
} from '../../../runners/science/sky.ts';

const DEGREE = 3600;
const ANGLE = fc.double({ min: 0.1, max: 100 * DEGREE, noNaN: true });
const DIRECTION = fc.double({ min: 0, max: 359.999, noNaN: true });
const position = fc.record({ raDeg: fc.double({ min: 0, max: 359.999999, noNaN: true }), decDeg: fc.double({ min: -89.9, max: 89.9, noNaN: true }) });

describe('separation', () => {
  // Hipparcos catalogue (ESA 1997), positions at J2000 to 0.01 arcsec; the Washington Double Star Catalog gives 708.5 arcsec at 71 degrees
  const mizar = { raDeg: 200.9814, decDeg: 54.92535 };
  const alcor = { raDeg: 201.3064, decDeg: 54.98796 };

  it('is 708.5 arcsec between Mizar and Alcor', () => {
    expect(separationArcsec(mizar, alcor)).toBeCloseTo(708.5, 0);
  });

  it('points from Mizar to Alcor at 71 degrees', () => {
    expect(positionAngleDeg(mizar, alcor)).toBeCloseTo(71, 0);
  });

  it('of SN 2010H from IC 494 is 3.8 arcsec, to the west', () => {
    const host = { raDeg: 121.6004583, decDeg: 1.0359861 };
    const supernova = { raDeg: 121.6015, decDeg: 1.03586 };
    // flat sky: 3600 × hypot(0.0010417 cos(1.036°), 0.0001261)
    expect(separationArcsec(supernova, host)).toBeCloseTo(3.7769, 3);
    expect(positionAngleDeg(supernova, host)).toBeCloseTo(276.9, 1);
  });

  it('is exact from a hundred-thousandth of an arcsecond to opposite ends of the sky', () => {
    const close = { raDeg: 10, decDeg: 40 + 1e-5 / 3600 };
    expect(separationArcsec({ raDeg: 10, decDeg: 40 }, close) / 1e-5).toBeCloseTo(1, 5);
    expect(separationArcsec({ raDeg: 0, decDeg: 0 }, { raDeg: 180, decDeg: 0 })).toBeCloseTo(180 * DEGREE, 6);
    expect(separationArcsec({ raDeg: 77, decDeg: 90 }, { raDeg: 13, decDeg: -90 })).toBeCloseTo(180 * DEGREE, 6);
    expect(separationArcsec({ raDeg: 359.9999, decDeg: 0 }, { raDeg: 0.0001, decDeg: 0 })).toBeCloseTo(0.72, 9);
  });

  it('of a place from itself is 0, and so is the direction', () => {
    expect(separationArcsec(mizar, mizar)).toBe(0);
    expect(positionAngleDeg(mizar, mizar)).toBe(0);
  });

  it('is the same both ways and is what an offset went', () => {
    fc.assert(
      fc.property(position, ANGLE, DIRECTION, (from, angle, direction) => {
        const to = offsetBy(from, angle, direction);
        expect(isSkyPosition(to)).toBe(true);
        expect(separationArcsec(from, to)).toBeCloseTo(angle, 4);
        expect(separationArcsec(to, from)).toBeCloseTo(angle, 4);
        const turned = positionAngleDeg(from, to) - direction;
        expect(Math.abs(Math.sin((turned * Math.PI) / 360)) * angle).toBeLessThan(1e-4 * Math.max(1, angle));
      }),
    );
  });
});

describe('galactic coordinates', () => {
  it('agree with the check value of the ERFA library (icrs2g: 320, -45 degrees) to 1e-12', () => {
    const { lDeg, bDeg } = galactic({ raDeg: (5.933807430222719 * 180) / Math.PI, decDeg: (-1.178487061357994 * 180) / Math.PI });
    expect(lDeg).toBeCloseTo(320, 11);
    expect(bDeg).toBeCloseTo(-45, 11);
  });

  it('of Sagittarius A* are 359.944, -0.046 degrees', () => {
    // Reid & Brunthaler 2004, ApJ 616, 872: 17:45:40.0409 -29:00:28.118
    const { lDeg, bDeg } = galactic({ raDeg: 266.41683708, decDeg: -29.00781056 });
    expect(lDeg).toBeCloseTo(359.944, 3);
    expect(bDeg).toBeCloseTo(-0.046, 3);
  });

  it('of the galactic pole have latitude 90', () => {
    expect(galactic({ raDeg: 192.85948, decDeg: 27.12825 }).bDeg).toBeCloseTo(90, 5);
  });

  it('go back to where they came from', () => {
    fc.assert(
      fc.property(position, (place) => {
        expect(separationArcsec(place, fromGalactic(galactic(place)))).toBeLessThan(1e-8);
      }),
    );
  });
});

describe('a position', () => {
  it.each([
    [{ raDeg: 360, decDeg: 0 }, /right ascension.*found 360/],
    [{ raDeg: -0.1, decDeg: 0 }, /right ascension/],
    [{ raDeg: Number.NaN, decDeg: 0 }, /right ascension.*NaN/],
    [{ raDeg: '10', decDeg: 0 }, /right ascension/],
    [{ decDeg: 0 }, /right ascension.*undefined/],
    [{ raDeg: 0, decDeg: 90.01 }, /declination.*90\.01/],
    [{ raDeg: 0, decDeg: null }, /declination.*null/],
  ])('%j is refused', (given, problem) => {
    expect(positionProblem(given)).toMatch(problem);
    expect(isSkyPosition(given)).toBe(false);
  });

  it('at either pole and at right ascension 0 is fine', () => {
    expect(isSkyPosition({ raDeg: 0, decDeg: 90 })).toBe(true);
    expect(isSkyPosition({ raDeg: 359.9, decDeg: -90 })).toBe(true);
  });
});

describe('a box around a place', () => {
  it('holds every place within the radius, at the poles and across right ascension 0 too', () => {
    const anywhere = fc.record({ raDeg: fc.double({ min: 0, max: 359.999999, noNaN: true }), decDeg: fc.double({ min: -90, max: 90, noNaN: true }) });
    fc.assert(
      fc.property(anywhere, fc.double({ min: 0, max: 1, noNaN: true }), DIRECTION, (centre, part, direction) => {
        const place = offsetBy(centre, part * 30 * 60, direction);
        const box = boxAround(centre, 30 + 1e-9);
        expect(place.decDeg).toBeGreaterThanOrEqual(box.decDeg[0]);
        expect(place.decDeg).toBeLessThanOrEqual(box.decDeg[1]);
        expect(box.raDeg.some(([from, to]) => place.raDeg >= from && place.raDeg <= to)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is no wider than it must be', () => {
    expect(boxAround({ raDeg: 100, decDeg: 0 }, 30)).toEqual({ decDeg: [-0.5, 0.5], raDeg: [[expect.closeTo(99.5, 9), expect.closeTo(100.5, 9)]] });
    expect(boxAround({ raDeg: 0.1, decDeg: 0 }, 30).raDeg).toEqual([[0, expect.closeTo(0.6, 9)], [expect.closeTo(359.6, 9), 360]]);
    expect(boxAround({ raDeg: 359.9, decDeg: 0 }, 30).raDeg).toEqual([[0, expect.closeTo(0.4, 9)], [expect.closeTo(359.4, 9), 360]]);
  });
});
