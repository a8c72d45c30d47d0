import { statement, type Run } from '../db/hot.ts';
import { describeError, storable, storableText } from '../db/storable.ts';
import type { RunContext, RunLog } from '../runner/context.ts';

/** Checkpoints that one attempt may say. */
const MOST = 1000;
const LONGEST_NAME = 100;

/**
 * Writes what an attempt passes on its way, at once, so that it is seen while it runs and stays whatever the attempt comes to. A
 * checkpoint that cannot be written is said among the lines of the attempt and is no reason to fail.
 */
export function checkpoints(run: Run, { subjectId, taskId, attempt }: { subjectId: string; taskId: number; attempt: number }, log: RunLog): RunContext['checkpoint'] {
  let said = 0;
  return async (name, data) => {
    said += 1;
    if (said > MOST) {
      if (said === MOST + 1) log.warn(`Of more than ${MOST} checkpoints the rest is not kept.`);
      return;
    }
    try {
      const kept = storable(data, 'data of a checkpoint');
      await run(KEEP, [subjectId, taskId, attempt, storableText(name, LONGEST_NAME - 30), kept === undefined ? null : JSON.stringify(kept)]);
    } catch (error) {
      log.warn(`The checkpoint "${name}" could not be kept: ${describeError(error).message}`);
    }
  };
}

const KEEP = statement(`insert into checkpoint (subject_id, task_id, attempt, name, data) values ($1::bigint, $2::integer, $3::integer, $4, $5::jsonb)`);
