/** The part of d3-geo-projection that the plots use; the package has no types of its own. */
declare module 'd3-geo-projection' {
  import type { GeoProjection } from 'd3-geo';

  /** Mollweide's equal-area projection of the whole sphere onto an ellipse twice as wide as high. */
  export function geoMollweide(): GeoProjection;
}
