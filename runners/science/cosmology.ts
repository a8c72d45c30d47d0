/**
 * Distances in a flat universe of matter and a cosmological constant. Radiation is neglected: at redshift 0.1 it would change a
 * distance by 1e-5 of itself, at redshift 3 by less than 1e-3.
 */
export interface FlatLambdaCdm {
  /** Hubble constant, km/s/Mpc. */
  h0KmPerSPerMpc: number;
  /** Matter density today in units of the critical density, 0…1; the rest is the cosmological constant. */
  omegaM: number;
}

/** For sizes in kpc. Source: as Blast takes it (Jones et al. 2024, arXiv:2410.17322); Ωm of Planck Collaboration 2020, A&A 641, A6, H0 round. */
export const SIZE_COSMOLOGY: FlatLambdaCdm = { h0KmPerSPerMpc: 70, omegaM: 0.315 };

/** For Hubble residuals. Source: the reference of supernova work, e.g. Scolnic et al. 2018, ApJ 859, 101. */
export const HUBBLE_COSMOLOGY: FlatLambdaCdm = { h0KmPerSPerMpc: 70, omegaM: 0.3 };

/** The speed of light, km/s, exact by the definition of the metre. */
export const SPEED_OF_LIGHT_KM_PER_S = 299792.458;

const ARCSEC_PER_RADIAN = (180 * 3600) / Math.PI;
const KPC_PER_MPC = 1000;

/**
 * Comoving distance along the line of sight, Mpc.
 *
 * @param redshift cosmological (as a rule: corrected to the CMB frame), 0 or more
 * @throws {RangeError} the redshift is negative or not a number, or the cosmology makes no sense
 * Source: Hogg 1999, astro-ph/9905116, equation 15
 */
export function comovingDistanceMpc(redshift: number, cosmology: FlatLambdaCdm): number {
  checked(redshift, cosmology);
  const { h0KmPerSPerMpc, omegaM } = cosmology;
  // in u = ln(1+z) the integrand is smooth from 0 to any redshift
  const integrand = (u: number) => Math.exp(u) / Math.sqrt(omegaM * Math.exp(3 * u) + 1 - omegaM);
  return (SPEED_OF_LIGHT_KM_PER_S / h0KmPerSPerMpc) * integral(integrand, Math.log1p(redshift));
}

/**
 * Angular-diameter distance, Mpc: a length over the angle it is seen under. Arguments, errors and source as {@link comovingDistanceMpc}
 * (Hogg's equation 18).
 */
export function angularDiameterDistanceMpc(redshift: number, cosmology: FlatLambdaCdm): number {
  return comovingDistanceMpc(redshift, cosmology) / (1 + redshift);
}

/** Luminosity distance, Mpc. Arguments, errors and source as {@link comovingDistanceMpc} (Hogg's equation 21). */
export function luminosityDistanceMpc(redshift: number, cosmology: FlatLambdaCdm): number {
  return comovingDistanceMpc(redshift, cosmology) * (1 + redshift);
}

/**
 * Distance modulus, magnitudes: 5 log10 of the luminosity distance in units of 10 pc; −Infinity at redshift 0.
 * Arguments and errors as {@link comovingDistanceMpc}.
 */
export function distanceModulusMag(redshift: number, cosmology: FlatLambdaCdm): number {
  return 5 * Math.log10(luminosityDistanceMpc(redshift, cosmology)) + 25;
}

/**
 * The angle, arcsec, under which a length across the line of sight is seen.
 *
 * @param lengthKpc kpc (proper, at the object)
 * @param redshift above 0
 * @throws {RangeError} as {@link comovingDistanceMpc}, and at redshift 0, where every length fills the sky
 */
export function angularRadiusArcsec(lengthKpc: number, redshift: number, cosmology: FlatLambdaCdm): number {
  if (redshift === 0) throw new RangeError('An angular size needs a redshift above 0, found 0.');
  return (lengthKpc / (angularDiameterDistanceMpc(redshift, cosmology) * KPC_PER_MPC)) * ARCSEC_PER_RADIAN;
}

/**
 * The length across the line of sight, kpc (proper, at the object), that is seen under an angle.
 *
 * @param angleArcsec arcsec, small
 */
export function projectedLengthKpc(angleArcsec: number, redshift: number, cosmology: FlatLambdaCdm): number {
  return (angleArcsec / ARCSEC_PER_RADIAN) * angularDiameterDistanceMpc(redshift, cosmology) * KPC_PER_MPC;
}

const INNER = { node: Math.sqrt(5 - 2 * Math.sqrt(10 / 7)) / 3, weight: (322 + 13 * Math.sqrt(70)) / 900 };
const OUTER = { node: Math.sqrt(5 + 2 * Math.sqrt(10 / 7)) / 3, weight: (322 - 13 * Math.sqrt(70)) / 900 };
/** The five-point Gauss-Legendre rule on −1…1. Source: Abramowitz & Stegun 1964, section 25.4.29 and table 25.4, in closed form. */
const RULE = [{ ...OUTER, node: -OUTER.node }, { ...INNER, node: -INNER.node }, { node: 0, weight: 128 / 225 }, INNER, OUTER];
const PANEL = 0.25;

/** The integral from 0 to `end` by the rule on panels of at most 0.25; good to 1e-12 of itself for what is integrated here. */
function integral(f: (u: number) => number, end: number): number {
  const panels = Math.max(1, Math.ceil(end / PANEL));
  const half = end / panels / 2;
  let sum = 0;
  for (let panel = 0; panel < panels; panel += 1) {
    const middle = (2 * panel + 1) * half;
    for (const { node, weight } of RULE) sum += weight * f(middle + half * node);
  }
  return sum * half;
}

function checked(redshift: number, { h0KmPerSPerMpc, omegaM }: FlatLambdaCdm): void {
  if (!(redshift >= 0 && redshift < Infinity)) throw new RangeError(`A distance needs a redshift of 0 or more, found ${redshift}.`);
  if (!(h0KmPerSPerMpc > 0 && omegaM >= 0 && omegaM <= 1)) {
    throw new RangeError(`Expected H0 above 0 and Ωm of 0 to 1, found H0 ${h0KmPerSPerMpc} and Ωm ${omegaM}.`);
  }
}
