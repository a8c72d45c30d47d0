import type { FlatLambdaCdm } from './cosmology.ts';
import { angularRadiusArcsec, projectedLengthKpc, SIZE_COSMOLOGY } from './cosmology.ts';
import type { HostCandidate } from './host-match.ts';
import { lightRadiusArcsec, semiAxisArcsec } from './host-match.ts';
import type { SkyPosition } from './sky.ts';
import { positionAngleDeg, separationArcsec } from './sky.ts';

/** How a transient and its host lie to each other, and how large the host is. */
export interface HostInformation {
  /** Angle between the transient and the host's centre, arcsec. */
  separationArcsec: number;
  /** The same across the line of sight at the redshift, kpc (proper). */
  offsetKpc: number;
  /**
   * Where the host's centre lies as seen from the transient: degrees from north through east, 0…360. Not the direction of the host's
   * long axis, which the catalogue does not give.
   */
  hostPositionAngleDeg: number;
  /** Semi-axes at the catalogue's isophote, arcsec; null where unknown. */
  semiMajorAxisArcsec: number | null;
  semiMinorAxisArcsec: number | null;
  /** √(ab), or the default where the axes are unknown, arcsec. */
  lightRadiusArcsec: number;
}

/** The radius of the local aperture around a transient, kpc. Source: as Blast takes it (Jones et al. 2024, arXiv:2410.17322). */
const LOCAL_APERTURE_KPC = 2;

/**
 * Separation, projected offset, direction and size of a host.
 *
 * @param redshift of the transient or of the host, as the caller sees fit
 * @returns undefined where the redshift is missing, negative or zero: there is no length in kpc without a distance
 */
export function hostInformation(
  transient: SkyPosition,
  host: HostCandidate,
  redshift: number | null | undefined,
  cosmology: FlatLambdaCdm = SIZE_COSMOLOGY,
): HostInformation | undefined {
  if (!isUsable(redshift)) return undefined;
  const separation = separationArcsec(transient, host);
  return {
    separationArcsec: separation,
    offsetKpc: projectedLengthKpc(separation, redshift, cosmology),
    hostPositionAngleDeg: positionAngleDeg(transient, host),
    semiMajorAxisArcsec: typeof host.majorAxisArcmin === 'number' ? semiAxisArcsec(host.majorAxisArcmin) : null,
    semiMinorAxisArcsec: typeof host.minorAxisArcmin === 'number' ? semiAxisArcsec(host.minorAxisArcmin) : null,
    lightRadiusArcsec: lightRadiusArcsec(host),
  };
}

/**
 * The angular radius of 2 kpc around a transient, arcsec.
 *
 * @returns undefined where the redshift is missing, negative or zero
 */
export function localApertureRadiusArcsec(redshift: number | null | undefined, cosmology: FlatLambdaCdm = SIZE_COSMOLOGY): number | undefined {
  return isUsable(redshift) ? angularRadiusArcsec(LOCAL_APERTURE_KPC, redshift, cosmology) : undefined;
}

function isUsable(redshift: number | null | undefined): redshift is number {
  return typeof redshift === 'number' && redshift > 0 && Number.isFinite(redshift);
}
