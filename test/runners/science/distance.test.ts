import { readFile } from 'node:fs/promises';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import {
  ABSOLUTE_MAGNITUDE_MAG,
  hubbleResidualMag,
  lightCurveFitOf,
  supernovaDistance,
  trippDistanceModulus,
} from '../../../runners/science/distance.ts';

const fit = { mbMag: 16.291, mbErrMag: 0.048, x1: -0.397, x1Err: 0.096, c: -0.057, cErr: 0.031 };

describe('the distance modulus', () => {
  it('of SN 2007aj follows from its light curve by hand', () => {
    const { muMag, muErrMag } = trippDistanceModulus(fit);
    // 16.291 + 19.36 + 0.141 × (−0.397) − 3.1 × (−0.057); √(0.048² + 0.013536² + 0.0961²)
    expect(muMag).toBeCloseTo(35.771723, 6);
    expect(muErrMag).toBeCloseTo(0.10827, 6);
  });

  it('is the apparent magnitude less the absolute one for stretch and colour 0', () => {
    const mean = trippDistanceModulus({ mbMag: 15, mbErrMag: 0.1, x1: 0, x1Err: 0, c: 0, cErr: 0 });
    expect(mean).toEqual({ muMag: 15 - ABSOLUTE_MAGNITUDE_MAG, muErrMag: 0.1 });
  });
});

describe('the Hubble residual', () => {
  it('is 0 at the distance modulus of flat ΛCDM: 38.315 at redshift 0.1', () => {
    // H0 70, Ωm 0.3: a luminosity distance of 460.3 Mpc by the calculator of Wright 2006, PASP 118, 1711
    expect(hubbleResidualMag(5 * Math.log10(460.3) + 25, 0.1)).toBeCloseTo(0, 3);
  });

  it('is above 0 for a supernova that is too faint', () => {
    expect(supernovaDistance({ ...fit, mbMag: 20 }, 0.03)!.hubbleResidualMag).toBeGreaterThan(1);
  });

  it.each([null, undefined, 0, -1])('is not there at redshift %s', (redshift) => {
    expect(supernovaDistance(fit, redshift)).toBeUndefined();
  });

  it('is not there without a fit', () => {
    expect(supernovaDistance(undefined, 0.03)).toBeUndefined();
  });
});

describe('a light-curve fit', () => {
  const given = { mb_mag: 16.291, mb_err_mag: 0.048, x1: -0.397, x1_err: 0.096, c: -0.057, c_err: 0.031 };

  it('is read from the data of a transient', () => {
    expect(lightCurveFitOf({ survey: 'Targeted', light_curve_fit: given })).toEqual(fit);
  });

  it.each([
    ['no data', undefined],
    ['null', null],
    ['no fit', {}],
    ['a fit that is null', { light_curve_fit: null }],
    ['a missing figure', { light_curve_fit: { ...given, c: undefined } }],
    ['a text', { light_curve_fit: { ...given, x1: '1' } }],
    ['not a number', { light_curve_fit: { ...given, mb_mag: Number.NaN } }],
    ['a negative error', { light_curve_fit: { ...given, c_err: -0.1 } }],
  ])('is not there for %s', (_, data) => {
    expect(lightCurveFitOf(data)).toBeUndefined();
  });
});

describe('the 273 supernovae', async () => {
  const fixture = new URL('../../../fixtures/example/transients.yaml', import.meta.url);
  const transients = load(await readFile(fixture, 'utf8')) as { redshift: number; data: unknown }[];
  const distances = transients.map(({ redshift, data }) => supernovaDistance(lightCurveFitOf(data), redshift)!);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

  it('all have a distance', () => {
    expect(distances.filter((distance) => distance !== undefined)).toHaveLength(273);
  });

  it('have a mean residual below 0.005 mag, weighted by the errors, and scatter by 0.15 mag', () => {
    const weights = distances.map(({ muErrMag }) => muErrMag ** -2);
    const mean = sum(distances.map(({ hubbleResidualMag: residual }, i) => residual * weights[i]!)) / sum(weights);
    expect(mean).toBeCloseTo(0.003, 3);
    const plainMean = sum(distances.map(({ hubbleResidualMag: residual }) => residual)) / 273;
    expect(Math.sqrt(sum(distances.map(({ hubbleResidualMag: residual }) => (residual - plainMean) ** 2)) / 272)).toBeCloseTo(0.15, 2);
  });
});
