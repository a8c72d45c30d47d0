/**
 * The figures of an object, by the names that fixtures, `reads` of runners and `afterglow edit` know them by. What an object has
 * beyond its columns is `data`, and `data.<key>` a part of that; keys inside of keys follow after more dots.
 */

/** Figures that only transients have; `position` is both coordinates, which change together. */
const TRANSIENT_VALUES = [
  'position', 'redshift', 'spectroscopic_class', 'photometric_class', 'tns_prefix', 'tns_id', 'milkyway_dust_reddening',
] as const;
/** Figures that objects of any kind have. */
const COMMON_VALUES = ['public_timestamp', 'priority', 'data'] as const;

/** The names that an object of a kind has figures for; any `data.<key>` comes to these. */
export const valueNames = (kind: string): readonly string[] => (kind === 'transient' ? [...TRANSIENT_VALUES, ...COMMON_VALUES] : COMMON_VALUES);

/** Whether a name is one of a figure of such an object. */
export const isValueName = (kind: string, name: string): boolean => valueNames(kind).includes(name) || /^data(?:\.[^.\s][^.]*)+$/.test(name);
