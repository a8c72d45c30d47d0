import { distanceModulusMag, HUBBLE_COSMOLOGY } from './cosmology.ts';

/** What a SALT2 fit of a type Ia supernova's light curve gives, each figure with its standard error. */
export interface LightCurveFit {
  /** Apparent magnitude at the peak in the rest-frame B band. */
  mbMag: number;
  mbErrMag: number;
  /** Stretch of the light curve (dimensionless, 0 is the mean). */
  x1: number;
  x1Err: number;
  /** Colour, magnitudes (0 is the mean, redder is larger). */
  c: number;
  cErr: number;
}

/** A distance from a light curve, and how it compares with the expansion of the universe. */
export interface Distance {
  /** Distance modulus, magnitudes. */
  muMag: number;
  /** Its standard error from the errors of the fit alone, magnitudes. */
  muErrMag: number;
  /** Distance modulus less that of flat ΛCDM (H0 70, Ωm 0.3) at the redshift, magnitudes: above 0 the supernova is fainter than expected. */
  hubbleResidualMag: number;
}

/** How strongly brightness goes with stretch. Source: Betoule et al. 2014, A&A 568, A22, table 10. */
const ALPHA = 0.141;

/** How strongly brightness goes with colour. Source: Betoule et al. 2014, A&A 568, A22, table 10, rounded. */
const BETA = 3.1;

/**
 * Absolute magnitude in B of a supernova with stretch and colour 0, for H0 = 70 km/s/Mpc and the zero point of mB that the light-curve
 * package SNANA uses, in which these fits were made. That zero point is 0.27 mag brighter than SALT2's own, so that the −19.05 of
 * Betoule et al. 2014, A&A 568, A22 (−19.12 in massive hosts), reads −19.32 (−19.39) here; −19.36 is the round value of nearby samples,
 * which have both, such as those of Scolnic et al. 2018, ApJ 859, 101.
 *
 * By supernovae alone it cannot be told apart from H0. The 273 of Jones et al. 2018, ApJ 867, 108, with their published figures have a
 * mean residual of +0.003 mag with it, weighted by the errors.
 */
export const ABSOLUTE_MAGNITUDE_MAG = -19.36;

/**
 * Distance modulus of a supernova from its light curve: mu = mB − M + αx1 − βc.
 *
 * The error adds those of mB, αx1 and βc in quadrature. Left out: the covariances of the three (they are not published with the
 * figures), the intrinsic scatter of supernovae (about 0.1 mag) and the peculiar velocity of the host.
 *
 * Source: Tripp 1998, A&A 331, 815, with the stretch and colour of SALT2 (Guy et al. 2007, A&A 466, 11)
 */
export function trippDistanceModulus(fit: LightCurveFit): { muMag: number; muErrMag: number } {
  return {
    muMag: fit.mbMag - ABSOLUTE_MAGNITUDE_MAG + ALPHA * fit.x1 - BETA * fit.c,
    muErrMag: Math.hypot(fit.mbErrMag, ALPHA * fit.x1Err, BETA * fit.cErr),
  };
}

/**
 * Distance modulus less that of flat ΛCDM (H0 70, Ωm 0.3), magnitudes.
 *
 * @param redshift in the CMB frame, above 0
 * @throws {RangeError} the redshift is negative or not a number
 */
export function hubbleResidualMag(muMag: number, redshift: number): number {
  return muMag - distanceModulusMag(redshift, HUBBLE_COSMOLOGY);
}

/**
 * Distance modulus, its error and the Hubble residual.
 *
 * @param fit all six figures, or undefined where the light curve was not fitted
 * @param redshift in the CMB frame
 * @returns undefined where a figure is missing or the redshift is not above 0
 */
export function supernovaDistance(fit: LightCurveFit | undefined, redshift: number | null | undefined): Distance | undefined {
  if (fit === undefined || typeof redshift !== 'number' || !(redshift > 0 && redshift < Infinity)) return undefined;
  const { muMag, muErrMag } = trippDistanceModulus(fit);
  return { muMag, muErrMag, hubbleResidualMag: hubbleResidualMag(muMag, redshift) };
}

/** The keys of a fit in fixtures and ingested data, and the names they have here. */
const KEYS = { mb_mag: 'mbMag', mb_err_mag: 'mbErrMag', x1: 'x1', x1_err: 'x1Err', c: 'c', c_err: 'cErr' } as const;

/**
 * The light-curve fit of a transient's data, where it is complete.
 *
 * @param data e.g. `{ light_curve_fit: { mb_mag, mb_err_mag, x1, x1_err, c, c_err } }` with finite numbers, errors 0 or more;
 *   anything else may be there too
 * @returns undefined where a figure is missing or makes no sense
 */
export function lightCurveFitOf(data: unknown): LightCurveFit | undefined {
  const given = (data as { light_curve_fit?: Record<string, unknown> | null } | null | undefined)?.light_curve_fit;
  if (typeof given !== 'object' || given === null) return undefined;
  const fit: Partial<LightCurveFit> = {};
  for (const [key, name] of Object.entries(KEYS)) {
    const figure = given[key];
    if (typeof figure !== 'number' || !Number.isFinite(figure)) return undefined;
    if (name.includes('Err') && figure < 0) return undefined;
    fit[name] = figure;
  }
  return fit as LightCurveFit;
}
