import { defineEntity, p } from '@mikro-orm/postgresql';

/** What the shipped pipeline finds out, one row per transient and question; and the galaxies that it looks for hosts among. */

const GalaxySchema = defineEntity({
  name: 'Galaxy',
  tableName: 'galaxy',
  properties: {
    id: p.integer().primary().autoincrement(),
    name: p.text(),
    /** ICRS, degrees. */
    raDeg: p.double().$type<number>(),
    decDeg: p.double().$type<number>(),
    /** Apparent, in no uniform system. */
    magnitude: p.double().$type<number>().nullable(),
    /** Full axes, arcmin. */
    majorAxisArcmin: p.double().$type<number>().nullable(),
    minorAxisArcmin: p.double().$type<number>().nullable(),
    type: p.text(),
  },
});
export class Galaxy extends GalaxySchema.class {}
GalaxySchema.setClass(Galaxy);

const GalacticPositionSchema = defineEntity({
  name: 'GalacticPosition',
  tableName: 'galactic_position',
  properties: { transientId: p.bigint('string').primary(), lDeg: p.double().$type<number>(), bDeg: p.double().$type<number>() },
});
/** Of a transient, degrees. */
export class GalacticPositionRow extends GalacticPositionSchema.class {}
GalacticPositionSchema.setClass(GalacticPositionRow);

const HostSchema = defineEntity({
  name: 'Host',
  tableName: 'host',
  properties: {
    transientId: p.bigint('string').primary(),
    galaxyId: p.integer(),
    separationArcsec: p.double().$type<number>(),
    /** Separation in units of the galaxy's light radius. */
    dlr: p.double().$type<number>(),
  },
});
/** The galaxy that a transient went off in. */
export class Host extends HostSchema.class {}
HostSchema.setClass(Host);

const HostInformationSchema = defineEntity({
  name: 'HostInformation',
  tableName: 'host_information',
  properties: {
    transientId: p.bigint('string').primary(),
    separationArcsec: p.double().$type<number>(),
    /** Projected, proper kpc. */
    offsetKpc: p.double().$type<number>(),
    /** Of the host's centre as seen from the transient, degrees from north through east. */
    positionAngleDeg: p.double().$type<number>(),
    semiMajorAxisArcsec: p.double().$type<number>().nullable(),
    semiMinorAxisArcsec: p.double().$type<number>().nullable(),
  },
});
export class HostInformationRow extends HostInformationSchema.class {}
HostInformationSchema.setClass(HostInformationRow);

const LocalApertureSchema = defineEntity({
  name: 'LocalAperture',
  tableName: 'local_aperture',
  properties: { transientId: p.bigint('string').primary(), radiusArcsec: p.double().$type<number>() },
});
/** A circle of 2 kpc around a transient. */
export class LocalApertureRow extends LocalApertureSchema.class {}
LocalApertureSchema.setClass(LocalApertureRow);

const DistanceSchema = defineEntity({
  name: 'Distance',
  tableName: 'distance',
  properties: {
    transientId: p.bigint('string').primary(),
    /** Distance modulus and its error, magnitudes. */
    muMag: p.double().$type<number>(),
    muErrMag: p.double().$type<number>(),
    hubbleResidualMag: p.double().$type<number>(),
  },
});
export class DistanceRow extends DistanceSchema.class {}
DistanceSchema.setClass(DistanceRow);

const HostReportSchema = defineEntity({
  name: 'HostReport',
  tableName: 'host_report',
  properties: { transientId: p.bigint('string').primary(), report: p.json<Record<string, unknown>>() },
});
export class HostReportRow extends HostReportSchema.class {}
HostReportSchema.setClass(HostReportRow);

export const entities = [Galaxy, GalacticPositionRow, Host, HostInformationRow, LocalApertureRow, DistanceRow, HostReportRow] as const;
