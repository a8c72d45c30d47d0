/** A place on the celestial sphere: ICRS, degrees, `raDeg` 0…360 (360 itself excluded) and `decDeg` −90…90. */
export interface SkyPosition {
  raDeg: number;
  decDeg: number;
}

/** A place on the celestial sphere in galactic coordinates, degrees: longitude `lDeg` 0…360 (360 excluded), latitude `bDeg` −90…90. */
export interface GalacticPosition {
  lDeg: number;
  bDeg: number;
}

const RADIANS = Math.PI / 180;
const ARCSEC_PER_RADIAN = 3600 / RADIANS;

/**
 * Whether both coordinates are there, finite and within range.
 *
 * @param position ICRS, degrees; anything may be missing
 */
export function isSkyPosition(position: { raDeg?: unknown; decDeg?: unknown }): position is SkyPosition {
  return positionProblem(position) === undefined;
}

/**
 * What is wrong with a position, as the end of a sentence, or undefined where nothing is.
 *
 * @param position ICRS, degrees; anything may be missing
 */
export function positionProblem({ raDeg, decDeg }: { raDeg?: unknown; decDeg?: unknown }): string | undefined {
  if (typeof raDeg !== 'number' || !(raDeg >= 0 && raDeg < 360)) {
    return `expected a right ascension of 0 to 360 degrees (360 excluded), found ${String(raDeg)}`;
  }
  if (typeof decDeg !== 'number' || !(decDeg >= -90 && decDeg <= 90)) {
    return `expected a declination of -90 to 90 degrees, found ${String(decDeg)}`;
  }
  return undefined;
}

/**
 * Angle between two places, arcsec, good to rounding for every separation from 0 to half the sky.
 *
 * Source: the special case of a sphere in Vincenty 1975, Survey Review 23, 88
 */
export function separationArcsec(a: SkyPosition, b: SkyPosition): number {
  const { x, y, z } = seenFrom(a, b);
  return Math.atan2(Math.hypot(x, y), z) * ARCSEC_PER_RADIAN;
}

/**
 * Direction in which `to` lies as seen from `from`: degrees from north through east, 0…360 (360 excluded); 0 where the two are one place.
 *
 * Source: Smart 1977, Textbook on Spherical Astronomy (6th ed.), the four-parts formula
 */
export function positionAngleDeg(from: SkyPosition, to: SkyPosition): number {
  const { x, y } = seenFrom(from, to);
  return wrapped(Math.atan2(x, y) / RADIANS);
}

/**
 * The place at a given angle and direction from another.
 *
 * @param angleArcsec angle to go along the great circle, arcsec
 * @param directionDeg degrees from north through east at `from`
 */
export function offsetBy(from: SkyPosition, angleArcsec: number, directionDeg: number): SkyPosition {
  const angle = angleArcsec / ARCSEC_PER_RADIAN;
  const direction = directionDeg * RADIANS;
  const dec = from.decDeg * RADIANS;
  const north = Math.sin(angle) * Math.cos(direction);
  const east = Math.sin(angle) * Math.sin(direction);
  const ahead = Math.cos(angle);
  const alongEquator = ahead * Math.cos(dec) - north * Math.sin(dec);
  return {
    raDeg: wrapped(from.raDeg + Math.atan2(east, alongEquator) / RADIANS),
    decDeg: Math.atan2(ahead * Math.sin(dec) + north * Math.cos(dec), Math.hypot(alongEquator, east)) / RADIANS,
  };
}

/**
 * The rotation from ICRS to galactic axes; rows are the galactic x, y, z axes in ICRS components.
 *
 * Source: ESA 1997, The Hipparcos and Tycho Catalogues, SP-1200, vol. 1, equation 1.5.11 (pole at 192.85948, +27.12825 degrees,
 * ascending node at longitude 32.93192 degrees), to the digits of a double
 */
const ICRS_TO_GALACTIC = [
  [-0.0548755604162154, -0.873437090234885, -0.4838350155487132],
  [0.4941094278755837, -0.4448296299600112, 0.746982244497219],
  [-0.867666149019005, -0.1980763734312015, 0.4559837761750669],
] as const;

/** Galactic coordinates of an ICRS place, degrees. Source: the matrix of {@link ICRS_TO_GALACTIC}. */
export function galactic({ raDeg, decDeg }: SkyPosition): GalacticPosition {
  const v = unitVector(raDeg, decDeg);
  const [x, y, z] = ICRS_TO_GALACTIC.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]) as [number, number, number];
  return { lDeg: wrapped(Math.atan2(y, x) / RADIANS), bDeg: Math.atan2(z, Math.hypot(x, y)) / RADIANS };
}

/** ICRS place of galactic coordinates, the inverse of {@link galactic}. */
export function fromGalactic({ lDeg, bDeg }: GalacticPosition): SkyPosition {
  const v = unitVector(lDeg, bDeg);
  const [p, q, r] = ICRS_TO_GALACTIC;
  const x = p[0] * v[0] + q[0] * v[1] + r[0] * v[2];
  const y = p[1] * v[0] + q[1] * v[1] + r[1] * v[2];
  const z = p[2] * v[0] + q[2] * v[1] + r[2] * v[2];
  return { raDeg: wrapped(Math.atan2(y, x) / RADIANS), decDeg: Math.atan2(z, Math.hypot(x, y)) / RADIANS };
}

/** Ranges of coordinates, degrees; a place is in the box when its declination is in range and its right ascension in any of the ranges. */
export interface SkyBox {
  decDeg: readonly [from: number, to: number];
  /** One range, or two where the box lies across right ascension 0. */
  raDeg: readonly (readonly [from: number, to: number])[];
}

/**
 * The smallest box of right ascension and declination that holds every place within a radius, for a first selection by an index;
 * its corners lie farther away than the radius.
 *
 * @param radiusArcmin at most 90 degrees
 */
export function boxAround({ raDeg, decDeg }: SkyPosition, radiusArcmin: number): SkyBox {
  const radiusDeg = radiusArcmin / 60;
  const dec = [Math.max(-90, decDeg - radiusDeg), Math.min(90, decDeg + radiusDeg)] as const;
  if (dec[0] === -90 || dec[1] === 90) return { decDeg: dec, raDeg: [[0, 360]] };
  // the widest right ascension of a circle is not at its centre's declination: sin(Δra) = sin(radius) / cos(dec)
  const halfWidthDeg = Math.asin(Math.min(1, Math.sin(radiusDeg * RADIANS) / Math.cos(decDeg * RADIANS))) / RADIANS;
  const from = raDeg - halfWidthDeg;
  const to = raDeg + halfWidthDeg;
  if (from < 0) return { decDeg: dec, raDeg: [[0, to], [from + 360, 360]] };
  if (to >= 360) return { decDeg: dec, raDeg: [[0, to - 360], [from, 360]] };
  return { decDeg: dec, raDeg: [[from, to]] };
}

/** `to` as a unit vector in a frame whose x points east, y north and z outward at `from`. */
function seenFrom(from: SkyPosition, to: SkyPosition): { x: number; y: number; z: number } {
  const ra = (to.raDeg - from.raDeg) * RADIANS;
  const dec0 = from.decDeg * RADIANS;
  const dec = to.decDeg * RADIANS;
  return {
    x: Math.cos(dec) * Math.sin(ra),
    // sin(dec − dec0) apart from the small second term keeps all digits where the two are close
    y: Math.sin(dec - dec0) + 2 * Math.sin(dec0) * Math.cos(dec) * Math.sin(ra / 2) ** 2,
    z: Math.sin(dec0) * Math.sin(dec) + Math.cos(dec0) * Math.cos(dec) * Math.cos(ra),
  };
}

function unitVector(longitudeDeg: number, latitudeDeg: number): readonly [number, number, number] {
  const longitude = longitudeDeg * RADIANS;
  const latitude = latitudeDeg * RADIANS;
  return [Math.cos(latitude) * Math.cos(longitude), Math.cos(latitude) * Math.sin(longitude), Math.sin(latitude)];
}

/** The same angle in 0…360, 360 excluded. */
function wrapped(angleDeg: number): number {
  const angle = angleDeg % 360;
  if (angle >= 0) return angle;
  return angle + 360 < 360 ? angle + 360 : 0;
}
