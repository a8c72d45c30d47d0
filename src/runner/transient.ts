import type { Json } from './outcome.ts';

/** An object in the sky, as runners get it. Missing figures are null. */
export interface Transient {
  /** The row's id, decimal digits (it may pass 2^53). */
  id: string;
  /** Unique among transients: letters, digits, single `-` or `_` inside. */
  name: string;
  /** When the world learned of it; entries of older ones are run first. */
  publicTimestamp: Date | null;
  /** Among transients of one public timestamp, higher goes first. */
  priority: number;
  /** Right ascension, ICRS, degrees, 0 ≤ ra < 360. */
  raDeg: number;
  /** Declination, ICRS, degrees, −90…90. */
  decDeg: number;
  /** Redshift (dimensionless), or null. */
  redshift: number | null;
  /** `SN`, `AT`, …: what the Transient Name Server puts before the name. */
  tnsPrefix: string | null;
  tnsId: number | null;
  spectroscopicClass: string | null;
  photometricClass: string | null;
  /** Milky Way E(B−V) along the line of sight, magnitudes. */
  milkywayDustReddening: number | null;
  /** Whatever else is known, as given in the fixtures, e.g. a light-curve fit. */
  data: { readonly [key: string]: Json | undefined };
}
