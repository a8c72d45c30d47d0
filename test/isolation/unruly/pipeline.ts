/** A runner that does everything to a process that should not be done, now and then, and its task in the end. */
import { spawn, spawnSync } from 'node:child_process';
import { Migration } from '@mikro-orm/migrations';
import { TransientTaskRunner, type RunContext, type Transient } from '../../../src/index.ts';

class Effects extends Migration {
  override up(): void {
    this.addSql(`create table effect (subject_id bigint not null, pid integer not null)`);
  }
}
export const migrations = [{ name: 'unruly-0001-effect', class: Effects }];

const MISDEEDS: readonly (() => unknown)[] = [
  () => { for (;;); },
  () => new Promise(() => setInterval(() => {}, 1000)),
  () => process.exit(7),
  () => process.kill(process.pid, 'SIGKILL'),
  async () => {
    for (const kept: Buffer[] = []; ; await new Promise((resolve) => setTimeout(resolve, 10))) kept.push(Buffer.alloc(2 ** 24, 1));
  },
  () => { throw new TypeError('now and then'); },
];

class Unruly extends TransientTaskRunner {
  readonly taskName = 'Unruly';
  readonly schedule = '* * * * *';
  readonly prerequisites = {};
  readonly failedStatusMessage = 'failed';
  override readonly isolation = 'process';
  override readonly memoryLimitMiB = 400;
  override readonly killGraceSeconds = 0.2;
  override readonly retry = { attempts: 50, baseSeconds: 0.05, capSeconds: 0.5, timeLimit: true, thrown: true };

  async runProcess({ id }: Transient, { em, attempt }: RunContext): Promise<string> {
    if (Math.random() < 0.5) spawn('sleep', ['1000']);
    if (Math.random() < 0.5) spawnSync('sh', ['-c', 'sleep 1000 >/dev/null 2>&1 &']);
    await em.execute(`insert into effect (subject_id, pid) values (?, ?)`, [id, process.pid]);
    // Everything is tried at least once, and then again at random.
    const at = attempt === 1 ? Number(id) % (MISDEEDS.length + 2) : Math.floor(Math.random() * MISDEEDS.length * 4);
    await MISDEEDS[at]?.();
    return 'processed';
  }
}

export const periodicRunners = [new Unruly()];
