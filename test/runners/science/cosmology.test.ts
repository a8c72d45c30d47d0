import { describe, expect, it } from 'vitest';
import {
  angularDiameterDistanceMpc,
  angularRadiusArcsec,
  comovingDistanceMpc,
  distanceModulusMag,
  HUBBLE_COSMOLOGY,
  luminosityDistanceMpc,
  projectedLengthKpc,
  SIZE_COSMOLOGY,
  SPEED_OF_LIGHT_KM_PER_S,
} from '../../../runners/science/cosmology.ts';

const relative = (found: number, expected: number) => Math.abs(found / expected - 1);

describe('the angular radius of 2 kpc (H0 70, Ωm 0.315)', () => {
  // computed with astropy 8.0.1
  it.each([
    [0.002, 48.2809],
    [0.01, 9.7518],
    [0.015355, 6.3927],
    [0.03, 3.3308],
    [0.05, 2.0472],
    [0.1, 1.0856],
    [0.2, 0.6075],
  ])('at redshift %f is %f arcsec to 1e-4', (redshift, expected) => {
    expect(relative(angularRadiusArcsec(2, redshift, SIZE_COSMOLOGY), expected)).toBeLessThan(1e-4);
  });

  it('is turned back into 2 kpc', () => {
    expect(projectedLengthKpc(angularRadiusArcsec(2, 0.03, SIZE_COSMOLOGY), 0.03, SIZE_COSMOLOGY)).toBeCloseTo(2, 12);
  });
});

describe('distances', () => {
  it('at redshift 1 for H0 70 and Ωm 0.27 are those of the calculator of Wright 2006 (PASP 118, 1711) to 1e-4', () => {
    const cosmology = { h0KmPerSPerMpc: 70, omegaM: 0.27 };
    expect(relative(comovingDistanceMpc(1, cosmology), 3364.5)).toBeLessThan(1e-4);
    expect(relative(angularDiameterDistanceMpc(1, cosmology), 1682.3)).toBeLessThan(1e-4);
    expect(relative(luminosityDistanceMpc(1, cosmology), 6729.2)).toBeLessThan(1e-4);
  });

  it('at redshift 1 are those of the iCosmos calculator to 1e-7', () => {
    const cosmology = { h0KmPerSPerMpc: 70, omegaM: 0.27 };
    expect(relative(luminosityDistanceMpc(1, cosmology), 6729.5976)).toBeLessThan(1e-7);
  });

  it.each([0.001, 0.01, 0.1, 1, 10, 1100])('agree at redshift %f with the closed forms for matter alone and for none to 1e-12', (redshift) => {
    const hubbleMpc = SPEED_OF_LIGHT_KM_PER_S / 70;
    // Einstein and de Sitter 1932: 2c/H0 (1 − 1/√(1+z)); de Sitter 1917: cz/H0
    const ofMatter = comovingDistanceMpc(redshift, { h0KmPerSPerMpc: 70, omegaM: 1 });
    expect(relative(ofMatter, 2 * hubbleMpc * (1 - 1 / Math.sqrt(1 + redshift)))).toBeLessThan(1e-12);
    expect(relative(comovingDistanceMpc(redshift, { h0KmPerSPerMpc: 70, omegaM: 0 }), hubbleMpc * redshift)).toBeLessThan(1e-12);
  });

  it.each([0.01, 0.1, 0.5, 2])('agree at redshift %f with the fitting formula of Pen 1999 (ApJS 120, 49) to its 0.4 %%', (redshift) => {
    const { h0KmPerSPerMpc, omegaM } = HUBBLE_COSMOLOGY;
    const s = Math.cbrt((1 - omegaM) / omegaM);
    const polynomial = (a: number) => a ** -4 - 0.154 * s * a ** -3 + 0.4304 * s ** 2 * a ** -2 + 0.19097 * s ** 3 * a ** -1 + 0.066941 * s ** 4;
    const eta = (a: number) => 2 * Math.sqrt(s ** 3 + 1) * polynomial(a) ** (-1 / 8);
    const expected = (SPEED_OF_LIGHT_KM_PER_S / h0KmPerSPerMpc) * (1 + redshift) * (eta(1) - eta(1 / (1 + redshift)));
    expect(relative(luminosityDistanceMpc(redshift, HUBBLE_COSMOLOGY), expected)).toBeLessThan(0.004);
  });

  it('go as cz/H0 at small redshifts', () => {
    expect(relative(luminosityDistanceMpc(1e-6, HUBBLE_COSMOLOGY), (SPEED_OF_LIGHT_KM_PER_S * 1e-6) / 70)).toBeLessThan(1e-6);
    expect(luminosityDistanceMpc(0, HUBBLE_COSMOLOGY)).toBe(0);
  });

  it('give a distance modulus of 25 at a luminosity distance of 1 Mpc', () => {
    const redshift = 70 / SPEED_OF_LIGHT_KM_PER_S;
    expect(distanceModulusMag(redshift, { h0KmPerSPerMpc: 70 * (1 + redshift), omegaM: 0 })).toBeCloseTo(25, 12);
  });

  it.each([-0.1, Number.NaN, Infinity])('are refused at redshift %f', (redshift) => {
    expect(() => comovingDistanceMpc(redshift, HUBBLE_COSMOLOGY)).toThrow(RangeError);
  });

  it('are refused in a universe that makes no sense', () => {
    expect(() => comovingDistanceMpc(0.1, { h0KmPerSPerMpc: 0, omegaM: 0.3 })).toThrow('H0 above 0');
    expect(() => comovingDistanceMpc(0.1, { h0KmPerSPerMpc: 70, omegaM: 1.1 })).toThrow('Ωm of 0 to 1');
    expect(() => angularRadiusArcsec(2, 0, HUBBLE_COSMOLOGY)).toThrow('redshift above 0');
  });
});
