import { TransientTaskRunner, type RunContext, type Transient } from '../src/index.ts';
import { galactic, positionProblem } from './science/sky.ts';
import { GalacticPositionRow } from './tables/entities.ts';

/** Checks what everything else needs of a transient, and computes its galactic coordinates. */
export class TransientInformation extends TransientTaskRunner {
  readonly taskName = 'Transient information';
  readonly schedule = '* * * * *';
  readonly prerequisites = {};
  readonly failedStatusMessage = 'failed';
  override readonly reads = ['position'] as const;
  override readonly returns = ['processed', 'failed'] as const;

  async runProcess(transient: Transient, { em, log }: RunContext) {
    const problem = positionProblem(transient);
    if (problem !== undefined) {
      log.warn(problem);
      return 'failed';
    }
    const { lDeg, bDeg } = galactic(transient);
    await em.upsert(GalacticPositionRow, { transientId: transient.id, lDeg, bDeg });
    return { status: 'processed', result: { lDeg, bDeg } };
  }
}
