import { TransientTaskRunner, type RunContext, type Transient } from '../src/index.ts';
import { HostReportRow } from './tables/entities.ts';

/** One record of all results of a transient. */
export class HostReport extends TransientTaskRunner {
  readonly taskName = 'Host report';
  readonly schedule = '* * * * *';
  readonly prerequisites = { 'Host information': 'processed', 'Local aperture': 'processed', Distance: 'processed' };
  readonly failedStatusMessage = 'failed';
  override readonly reads = ['position', 'redshift'] as const;
  override readonly returns = ['processed'] as const;

  async runProcess({ id, name, raDeg, decDeg, redshift }: Transient, { em, result }: RunContext) {
    const report = {
      transient: { name, raDeg, decDeg, redshift },
      host: { ...((await result('Host match')) as object), ...((await result('Host information')) as object) },
      localAperture: await result('Local aperture'),
      distance: await result('Distance'),
    };
    await em.upsert(HostReportRow, { transientId: id, report });
    return { status: 'processed', result: report };
  }
}
