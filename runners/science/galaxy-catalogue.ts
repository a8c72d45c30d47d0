import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isSkyPosition } from './sky.ts';

/** A galaxy of the catalogue; figures that are not known are null. */
export interface CatalogueGalaxy {
  /** Unique in the catalogue: NGC or IC number where there is one, else UGC, ESO, PGC or another designation, e.g. `NGC 5584`, `PGC 43240`. */
  name: string;
  /** Further designations that the catalogue gives, e.g. `M 101` of `NGC 5457`; mostly none. */
  otherNames: readonly string[];
  /** ICRS, degrees, 0 ≤ ra < 360; given to 0.0001 degrees (0.4 arcsec). */
  raDeg: number;
  /** ICRS, degrees. */
  decDeg: number;
  /** Apparent magnitude, mostly blue, in no uniform system: for showing and sorting only. */
  magnitude: number | null;
  /** Full length of the longer axis at the catalogue's isophote, arcmin. */
  majorAxisArcmin: number | null;
  /** Full length of the shorter axis, arcmin; never longer than the other. */
  minorAxisArcmin: number | null;
  type: GalaxyType;
}

/** Coarse morphology; `galaxy` where the catalogue knows no more. */
export type GalaxyType = 'spiral' | 'lenticular' | 'elliptical' | 'irregular' | 'dwarf spheroidal' | 'galaxy';

/** The catalogue's codes for galaxies. Its clusters of galaxies (gg), star clusters and nebulae are left out. */
const TYPE_BY_CODE: Readonly<Record<string, GalaxyType>> = {
  s: 'spiral',
  s0: 'lenticular',
  e: 'elliptical',
  i: 'irregular',
  sd: 'dwarf spheroidal',
  g: 'galaxy',
};

/** One object of the file. Texts may be empty; a magnitude of 999 means none is known. */
interface Feature {
  id: string;
  properties: { desig: string; type: string; morph: string; mag: string; dim: string };
  /** Degrees, right ascension −180…180. */
  geometry: { coordinates: [number, number] };
}

/**
 * All galaxies of the catalogue that comes with the npm package d3-celestial (BSD-3-Clause), `data/dsos.20.json`: 79,741 of them with
 * positions, for 21,569 also the axes. The same rows in the same order at every reading.
 *
 * @throws {Error} the package is not installed, or its file is not what it was
 */
export async function readGalaxyCatalogue(): Promise<CatalogueGalaxy[]> {
  const path = createRequire(import.meta.url).resolve('d3-celestial/data/dsos.20.json');
  return galaxiesOf(JSON.parse(await readFile(path, 'utf8')));
}

/**
 * The galaxies of a collection of deep-sky objects in d3-celestial's format.
 *
 * Left out are clusters of galaxies, and objects that carry a galaxy's code but come from a list of clusters or nebulae (see
 * {@link isOfOtherList}). Of several objects of one name the first is taken; the present file has none.
 *
 * @throws {TypeError} it is not such a collection, or a galaxy has no valid position
 */
export function galaxiesOf(collection: unknown): CatalogueGalaxy[] {
  const features = (collection as { features?: unknown } | null)?.features;
  if (!Array.isArray(features)) throw new TypeError('Expected a GeoJSON collection of deep-sky objects, found no list of features.');
  const byName = new Map<string, CatalogueGalaxy>();
  for (const feature of features as Feature[]) {
    const type = TYPE_BY_CODE[feature.properties.type];
    if (type === undefined || isOfOtherList(feature) || byName.has(feature.id)) continue;
    byName.set(feature.id, galaxyOf(feature, type));
  }
  return [...byName.values()];
}

function galaxyOf({ id, properties, geometry }: Feature, type: GalaxyType): CatalogueGalaxy {
  const [longitudeDeg, decDeg] = geometry.coordinates;
  const position = { raDeg: longitudeDeg < 0 ? longitudeDeg + 360 : longitudeDeg, decDeg };
  if (!isSkyPosition(position)) throw new TypeError(`Expected a position of ${id} in degrees, found ${geometry.coordinates.join(', ')}.`);
  const axes = axesArcmin(properties.dim);
  return {
    name: id,
    otherNames: properties.desig === id || properties.desig === '' ? [] : [properties.desig],
    ...position,
    magnitude: magnitudeOf(properties.mag),
    majorAxisArcmin: axes?.major ?? null,
    minorAxisArcmin: axes?.minor ?? null,
    type,
  };
}

/**
 * Whether an object belongs to a list of something else, whatever its code says: Abell clusters, and dark clouds and planetary nebulae
 * without a morphology (the code for "galaxy" stands there for "unknown"; nearly all lie within 12 degrees of the galactic plane).
 * Two of Sharpless's nebulae, 191 and 197, have a morphology and stay: they are the galaxies Maffei 1 and 2.
 */
function isOfOtherList({ id, properties }: Feature): boolean {
  if (id.startsWith('ACO ')) return true;
  return /^(LDN|PK|PN G|Sh2) /.test(id) && properties.morph === '';
}

/** `2.3x1.38` are full lengths in arcmin (M 101 has 28.8x26.9, its diameters at 25 mag/arcsec²); a single number is a round object. */
function axesArcmin(dim: string): { major: number; minor: number } | undefined {
  const found = /^(\d+(?:\.\d+)?)(?:x(\d+(?:\.\d+)?))?$/.exec(dim);
  if (found === null) return undefined;
  const one = Number(found[1]);
  const other = Number(found[2] ?? found[1]);
  return one > 0 && other > 0 ? { major: Math.max(one, other), minor: Math.min(one, other) } : undefined;
}

function magnitudeOf(text: string): number | null {
  const magnitude = Number(text);
  return text === '' || Number.isNaN(magnitude) || magnitude >= 99 ? null : magnitude;
}
