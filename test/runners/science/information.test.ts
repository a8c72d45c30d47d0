import { describe, expect, it } from 'vitest';
import { hostInformation, localApertureRadiusArcsec } from '../../../runners/science/information.ts';

const supernova = { raDeg: 121.6015, decDeg: 1.03586 };
const host = { name: 'IC 494', raDeg: 121.6004583, decDeg: 1.0359861, majorAxisArcmin: 1.1, minorAxisArcmin: 0.528 };

describe('host information', () => {
  it('of SN 2010H at redshift 0.015355 is an offset of 1.18 kpc', () => {
    const found = hostInformation(supernova, host, 0.015355)!;
    // 2 kpc are 6.3927 arcsec there (astropy 8.0.1), so 3.777 arcsec are 1.1816 kpc
    expect(found.offsetKpc).toBeCloseTo((3.7769 / 6.3927) * 2, 3);
    expect(found.separationArcsec).toBeCloseTo(3.777, 3);
    expect(found.hostPositionAngleDeg).toBeCloseTo(276.9, 1);
    expect(found.semiMajorAxisArcsec).toBe(33);
    expect(found.semiMinorAxisArcsec).toBeCloseTo(15.84, 9);
    expect(found.lightRadiusArcsec).toBeCloseTo(22.863, 3);
  });

  it('does without axes', () => {
    expect(hostInformation(supernova, { ...host, majorAxisArcmin: null, minorAxisArcmin: null }, 0.015355)).toMatchObject({
      semiMajorAxisArcsec: null,
      semiMinorAxisArcsec: null,
      lightRadiusArcsec: 15,
    });
  });

  it.each([null, undefined, 0, -0.01, Number.NaN])('is not there at redshift %s', (redshift) => {
    expect(hostInformation(supernova, host, redshift)).toBeUndefined();
  });
});

describe('the local aperture', () => {
  it('is 6.3927 arcsec at redshift 0.015355', () => {
    expect(localApertureRadiusArcsec(0.015355)).toBeCloseTo(6.3927, 4);
  });

  it.each([null, undefined, 0, -0.01, Infinity])('is not there at redshift %s', (redshift) => {
    expect(localApertureRadiusArcsec(redshift)).toBeUndefined();
  });
});
