import { setTimeout as delay } from 'node:timers/promises';
import { TransientTaskRunner, type RunContext, type Transient } from '../../src/index.ts';

export { migrations } from './pipeline.ts';

/** Takes a second and writes one row with its status. */
class Slow extends TransientTaskRunner {
  readonly taskName = 'Slow';
  readonly schedule = '* * * * *';
  readonly prerequisites = {};
  readonly failedStatusMessage = 'failed';

  async runProcess({ id }: Transient, { em, attempt }: RunContext): Promise<string> {
    await delay(1000);
    await em.execute(`insert into effect (subject_id, task, attempt) values (?, 'Slow', ?)`, [id, attempt]);
    return 'processed';
  }
}

export const periodicRunners = [new Slow()];
