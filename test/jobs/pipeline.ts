import { z } from 'zod';
import { JobRunner, type JobContext, type TaskRunner } from '../../src/index.ts';

/** Types of jobs for tests that start the program. */
class Shout extends JobRunner<{ text: string }, string> {
  readonly taskName = 'Shout';
  override readonly description = 'Says it louder.';
  override readonly owner = 'ada';
  readonly args = z.object({ text: z.string() });
  override readonly result = z.string();
  run({ text }: { text: string }): string {
    return text.toUpperCase();
  }
}

/** Goes on until it is told to stop. */
class Sleep extends JobRunner<object, undefined> {
  readonly taskName = 'Sleep';
  readonly args = z.object({});
  async run(_args: object, { signal, job, jobs }: JobContext): Promise<undefined> {
    // What is written before the end is kept with it, or not at all.
    await jobs.enqueue('Shout', { text: 'never' }, { parent: job });
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }
}

/** Runs in a process of its own. */
class Apart extends JobRunner<{ n: number }, { pid: number; parents: unknown[] }> {
  readonly taskName = 'Apart';
  override readonly isolation = 'process';
  readonly args = z.object({ n: z.number() });
  async run({ n }: { n: number }, { jobs, job, parentResults }: JobContext): Promise<{ pid: number; parents: unknown[] }> {
    if (n < 0) await jobs.wait(job, { timeoutSeconds: 1 });
    if (n > 0) await jobs.enqueue(this.taskName, { n: n - 1 }, { parent: job });
    return { pid: process.pid, parents: [...(await parentResults())] };
  }
}

export const periodicRunners: readonly TaskRunner[] = [new Shout(), new Sleep(), new Apart()];
