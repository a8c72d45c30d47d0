import { TransientTaskRunner, type RunContext, type Transient } from '../src/index.ts';
import { localApertureRadiusArcsec } from './science/information.ts';
import { LocalApertureRow } from './tables/entities.ts';

/** The angular radius of 2 kpc at the transient's redshift. */
export class LocalAperture extends TransientTaskRunner {
  readonly taskName = 'Local aperture';
  readonly schedule = '* * * * *';
  readonly prerequisites = { 'Transient information': 'processed' };
  readonly failedStatusMessage = 'failed';
  override readonly reads = ['redshift'] as const;
  override readonly returns = ['processed', 'failed'] as const;

  async runProcess(transient: Transient, { em, log }: RunContext) {
    const radiusArcsec = localApertureRadiusArcsec(transient.redshift);
    if (radiusArcsec === undefined) {
      await em.nativeDelete(LocalApertureRow, { transientId: transient.id });
      log.warn('there is no redshift above 0');
      return 'failed';
    }
    await em.upsert(LocalApertureRow, { transientId: transient.id, radiusArcsec });
    return { status: 'processed', result: { radiusArcsec } };
  }
}
