import type { SkyPosition } from './sky.ts';
import { separationArcsec } from './sky.ts';

/** What the choice of a host needs to know of a galaxy. Axes are full lengths in arcmin, null or left out where unknown. */
export interface HostCandidate extends SkyPosition {
  name: string;
  majorAxisArcmin?: number | null;
  minorAxisArcmin?: number | null;
}

/** The galaxy that was chosen, and how far the transient lies from its centre. */
export interface HostMatch<Galaxy> {
  galaxy: Galaxy;
  /** Angle between the transient and the galaxy's centre, arcsec. */
  separationArcsec: number;
  /** The same in units of the galaxy's light radius (dimensionless). */
  dlr: number;
}

/** Galaxies farther away than this are not considered, arcmin. */
export const SEARCH_RADIUS_ARCMIN = 30;

/** A galaxy is taken up to this many light radii away. Source: Sako et al. 2018, PASP 130, 064002, who cut there too. */
const MAX_DLR = 4;

/** The light radius of a galaxy whose axes are not known, arcsec. */
const DEFAULT_LIGHT_RADIUS_ARCSEC = 15;

/**
 * The host of a transient: among the galaxies within 30 arcmin the one whose separation is smallest in units of its light radius, if
 * that is at most 4. Equal ones are told apart by separation, then by name, so that the order of the candidates does not matter.
 *
 * The distance in units of the galaxy's light radius towards the transient ("directional light radius") needs position angles, which
 * the catalogue does not have; the radius of the circle with the ellipse's area, √(ab), stands in for it.
 *
 * @param candidates any galaxies; those outside the search radius are passed over
 * Source: the method of Sullivan et al. 2006, ApJ 648, 868, and Gupta et al. 2016, AJ 152, 154, with a circle for the ellipse
 */
export function chooseHost<Galaxy extends HostCandidate>(transient: SkyPosition, candidates: Iterable<Galaxy>): HostMatch<Galaxy> | undefined {
  let best: HostMatch<Galaxy> | undefined;
  for (const galaxy of candidates) {
    // a degree of declination is a degree of separation at least: spares the trigonometry of most of a long list
    if (Math.abs(galaxy.decDeg - transient.decDeg) * 60 > SEARCH_RADIUS_ARCMIN + 0.001) continue;
    const separation = separationArcsec(transient, galaxy);
    if (separation > SEARCH_RADIUS_ARCMIN * 60) continue;
    const match = { galaxy, separationArcsec: separation, dlr: separation / lightRadiusArcsec(galaxy) };
    if (match.dlr <= MAX_DLR && (best === undefined || isBetter(match, best))) best = match;
  }
  return best;
}

/**
 * The light radius √(ab) of a galaxy, arcsec, with a and b the semi-axes; 15 arcsec where the axes are not known.
 */
export function lightRadiusArcsec({ majorAxisArcmin, minorAxisArcmin }: Pick<HostCandidate, 'majorAxisArcmin' | 'minorAxisArcmin'>): number {
  if (typeof majorAxisArcmin !== 'number' || typeof minorAxisArcmin !== 'number') return DEFAULT_LIGHT_RADIUS_ARCSEC;
  return Math.sqrt(semiAxisArcsec(majorAxisArcmin) * semiAxisArcsec(minorAxisArcmin));
}

/** Half of a full axis, arcmin, in arcsec. */
export function semiAxisArcsec(axisArcmin: number): number {
  return (axisArcmin * 60) / 2;
}

function isBetter(one: HostMatch<HostCandidate>, other: HostMatch<HostCandidate>): boolean {
  if (one.dlr !== other.dlr) return one.dlr < other.dlr;
  if (one.separationArcsec !== other.separationArcsec) return one.separationArcsec < other.separationArcsec;
  return one.galaxy.name < other.galaxy.name;
}
