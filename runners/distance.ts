import { TransientTaskRunner, type RunContext, type Transient } from '../src/index.ts';
import { lightCurveFitOf, supernovaDistance } from './science/distance.ts';
import { DistanceRow } from './tables/entities.ts';

/** The distance modulus from the light-curve fit, and how it compares with the expansion of the universe. */
export class Distance extends TransientTaskRunner {
  readonly taskName = 'Distance';
  readonly schedule = '* * * * *';
  readonly prerequisites = { 'Transient information': 'processed' };
  readonly failedStatusMessage = 'failed';
  override readonly reads = ['redshift', 'data.light_curve_fit'] as const;
  override readonly returns = ['processed', 'not enough data'] as const;

  async runProcess(transient: Transient, { em }: RunContext) {
    const distance = supernovaDistance(lightCurveFitOf(transient.data), transient.redshift);
    if (distance === undefined) {
      await em.nativeDelete(DistanceRow, { transientId: transient.id });
      return 'not enough data';
    }
    await em.upsert(DistanceRow, { transientId: transient.id, ...distance });
    return { status: 'processed', result: { ...distance } };
  }
}
