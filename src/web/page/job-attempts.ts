import { statement, type Run } from '../../db/hot.ts';
import type { Json } from '../../runner/outcome.ts';

/** One attempt of a job. */
export interface JobAttempt {
  attempt: number;
  startedAt: Date;
  endedAt: Date | null;
  outcome: string;
  wallSeconds: number | null;
  /** Who ran it, e.g. `host:4711`; null where nobody remembers. */
  where: string | null;
  error: { name?: string; message?: string; stack?: string } | null;
  log: readonly { level: string; message: string; at?: string; fields?: Json }[] | null;
}

/** The attempts of a job, the newest first. */
export async function readJobAttempts(run: Run, id: string): Promise<JobAttempt[]> {
  return run<JobAttempt>(ATTEMPTS, [id]);
}

const ATTEMPTS = statement(`
select a.attempt, a.started_at as "startedAt", a.ended_at as "endedAt", a.outcome, a.wall_seconds as "wallSeconds", a.error, a.log, d.host || ':' || d.pid as where
  from job j
  join attempt a on a.subject_id = j.subject_id and a.task_id = j.task_id
  left join daemon d on d.id = a.daemon_id
 where j.subject_id = $1::bigint
 order by a.attempt desc`);
