import { statement, type Run } from '../db/hot.ts';

/** What a command printed that ran as a job and failed. */
export interface FailedOutput {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** The output of the last attempt of a job that ran a command; undefined where it did not fail, or ran none. */
export async function readFailedOutput(run: Run, jobId: string): Promise<FailedOutput | undefined> {
  return (await run<FailedOutput>(OUTPUT, [jobId]))[0];
}

const OUTPUT = statement(`
select (a.error ->> 'exitCodeOfCommand')::integer as "exitCode", a.error ->> 'stdout' as stdout, a.error ->> 'stderr' as stderr
  from job j
  join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id
  join attempt a on a.subject_id = j.subject_id and a.task_id = j.task_id and a.attempt = r.attempt
 where j.subject_id = $1::bigint and a.error ->> 'code' = 'COMMAND_FAILED'`);
