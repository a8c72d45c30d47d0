import type { TaskRunner } from '../src/index.ts';
import { Distance } from './distance.ts';
import { HostInformation } from './host-information.ts';
import { HostMatch } from './host-match.ts';
import { HostReport } from './host-report.ts';
import { LocalAperture } from './local-aperture.ts';
import { AuditRegister } from './system/audit-register.ts';
import { CountStates } from './system/count-states.ts';
import { DrawProducts } from './system/draw-products.ts';
import { IngestInbox } from './system/ingest-inbox.ts';
import { LoadGalaxyCatalogue } from './system/load-galaxy-catalogue.ts';
import { PruneHistory } from './system/prune-history.ts';
import { TransientInformation } from './transient-information.ts';

export { entities } from './tables/entities.ts';
export { migrations } from './tables/migrations.ts';

/** The shipped pipeline. The order means nothing: the prerequisites are the order. */
export const periodicRunners: readonly TaskRunner[] = [
  new TransientInformation(),
  new HostMatch(),
  new HostInformation(),
  new LocalAperture(),
  new Distance(),
  new HostReport(),
  new LoadGalaxyCatalogue(),
  new IngestInbox(),
  new DrawProducts(),
  new CountStates(),
  new PruneHistory(),
  new AuditRegister(),
];

/** What `afterglow export` writes of a transient, before its statuses. */
export const exportQuery = `
select s.name, g.name as host_name, g.ra_deg as host_ra_deg, g.dec_deg as host_dec_deg, h.separation_arcsec, i.offset_kpc, h.dlr,
       a.radius_arcsec as local_radius_arcsec, d.mu_mag, d.mu_err_mag, d.hubble_residual_mag
  from subject s
  left join host h on h.transient_id = s.id
  left join galaxy g on g.id = h.galaxy_id
  left join host_information i on i.transient_id = s.id
  left join local_aperture a on a.transient_id = s.id
  left join distance d on d.transient_id = s.id
 where s.kind = 'transient'`;
