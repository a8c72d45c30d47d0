import { setTimeout as delay } from 'node:timers/promises';
import type { MigrationObject } from '@mikro-orm/postgresql';
import { Migration } from '@mikro-orm/migrations';
import { ServiceError, TransientTaskRunner, type RunContext, type Transient } from '../../src/index.ts';

/** What the runners of the diamond wrote, once for each entry if all is well. */
class Effects extends Migration {
  override up(): void {
    this.addSql(`create table effect (subject_id bigint not null, task text not null, attempt integer not null)`);
  }
}
export const migrations: readonly MigrationObject[] = [{ name: 'chaos-0001-effect', class: Effects }];

/** Of a hundred runs, so many fail of a service, and so many never come back. */
const FAIL = 2;
const HANG = 1;

/** Waits for what never comes. One that did not hear the signal either would not be tried again, as nothing in this process can stop it. */
export const untilTold = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

/** Works for a few milliseconds and writes one row with its status; now and then it fails, or hangs until its time limit stops it. */
class Unreliable extends TransientTaskRunner {
  readonly taskName: string;
  readonly schedule = '* * * * *';
  readonly prerequisites: Readonly<Record<string, string>>;
  readonly failedStatusMessage = 'failed';
  override readonly retry = { attempts: 20, baseSeconds: 0.2, capSeconds: 2, timeLimit: true };

  constructor(name: string, needs: Readonly<Record<string, string>> = {}) {
    super();
    this.taskName = name;
    this.prerequisites = needs;
  }

  async runProcess({ id }: Transient, { em, attempt, signal }: RunContext): Promise<string> {
    const fate = Math.random() * 100;
    await delay(1 + Math.random() * 9);
    if (fate < HANG) await untilTold(signal);
    if (fate < HANG + FAIL) throw new ServiceError('weather', 'It rains.');
    await em.execute(`insert into effect (subject_id, task, attempt) values (?, ?, ?)`, [id, this.taskName, attempt]);
    return 'processed';
  }
}

export const periodicRunners = [
  new Unreliable('Top'),
  new Unreliable('Left', { Top: 'processed' }),
  new Unreliable('Right', { Top: 'processed' }),
  new Unreliable('Bottom', { Left: 'processed', Right: 'processed' }),
];
