import { TransientTaskRunner, type RunContext, type Transient } from '../src/index.ts';
import { hostInformation } from './science/information.ts';
import { Galaxy, Host, HostInformationRow } from './tables/entities.ts';

/** How a transient and its host lie to each other, and how large the host is. */
export class HostInformation extends TransientTaskRunner {
  readonly taskName = 'Host information';
  readonly schedule = '* * * * *';
  readonly prerequisites = { 'Host match': 'processed' };
  readonly failedStatusMessage = 'failed';
  override readonly reads = ['position', 'redshift'] as const;
  override readonly returns = ['processed', 'no host redshift'] as const;

  async runProcess(transient: Transient, { em }: RunContext) {
    const host = await em.findOneOrFail(Host, { transientId: transient.id });
    const galaxy = await em.findOneOrFail(Galaxy, { id: host.galaxyId });
    // The catalogue has no redshifts; the host's is the transient's.
    const found = hostInformation(transient, galaxy, transient.redshift);
    if (found === undefined) {
      await em.nativeDelete(HostInformationRow, { transientId: transient.id });
      return 'no host redshift';
    }
    const { separationArcsec, offsetKpc, hostPositionAngleDeg, semiMajorAxisArcsec, semiMinorAxisArcsec } = found;
    await em.upsert(HostInformationRow, {
      transientId: transient.id, separationArcsec, offsetKpc, positionAngleDeg: hostPositionAngleDeg, semiMajorAxisArcsec, semiMinorAxisArcsec,
    });
    return { status: 'processed', result: { ...found } };
  }
}
