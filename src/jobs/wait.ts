import { isConnectionError } from '../db/connection-error.ts';
import { statement, type Run } from '../db/hot.ts';
import { WaitTimeoutError } from '../errors.ts';
import type { JobRef } from '../runner/jobs.ts';
import { idOf } from './enqueue.ts';
import type { JobEar } from './job-ear.ts';
import { readStand, type JobStand } from './read.ts';

/** A word may get lost with its connection: it is looked for without one after this, milliseconds. */
const LOOK_MS = 5000;

/**
 * Waits until a job has ended.
 *
 * @returns how it ended
 * @throws {WaitTimeoutError} it has not, in that time
 * @throws {UnknownNameError} there is no such job
 */
export async function untilEnded(run: Run, ear: JobEar, job: JobRef, timeoutSeconds: number): Promise<JobStand> {
  const id = idOf(job);
  const deadlineMs = performance.now() + timeoutSeconds * 1000;
  let word = Promise.withResolvers<void>();
  const off = ear.on(id, () => word.resolve());
  try {
    for (;;) {
      const stand = await lookAt(run, ear, id);
      if (stand !== undefined && stand.state !== 'pending' && stand.state !== 'running') return stand;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new WaitTimeoutError(id, stand?.name ?? 'unknown', stand?.state ?? 'not to be seen, as the database is away,', timeoutSeconds);
      await orAfter(word.promise, Math.min(leftMs, stand === undefined ? 500 : LOOK_MS));
      word = Promise.withResolvers();
    }
  } finally {
    off();
  }
}

/** @returns undefined where the database is away */
async function lookAt(run: Run, ear: JobEar, id: string): Promise<JobStand | undefined> {
  try {
    await ear.listen();
    // From here on its end is told: it waits for this row, or we see it.
    await run(AWAIT, [id]);
    return await readStand(run, id);
  } catch (error) {
    if (isConnectionError(error)) return undefined;
    throw error;
  }
}

async function orAfter(word: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([word, late]).finally(() => clearTimeout(timer));
}

const AWAIT = statement(`update job set awaited = true where subject_id = $1::bigint and not awaited and state is null`);
