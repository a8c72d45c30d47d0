import type { Clock } from '../clock.ts';
import { within } from '../db/run-within.ts';
import { DatabaseJobs } from '../jobs/jobs.ts';
import { isSuperseded } from '../jobs/keyed-runs.ts';
import { parentResults } from '../jobs/read.ts';
import type { Run } from '../db/hot.ts';
import type { RunContext, RunLog } from '../runner/context.ts';
import type { Jobs } from '../runner/jobs.ts';
import type { Json } from '../runner/outcome.ts';
import type { LazyEntityManager } from './lazy-em.ts';

/** Of an attempt, what its runner gets to know or to use. */
export interface ContextParts {
  subjectId: string;
  taskId: number;
  attempt: number;
  /** Names, for people. */
  task: string;
  subject: string;
  database: LazyEntityManager;
  log: RunLog;
  signal: AbortSignal;
  clock: Clock;
  folders: { data: string; products: string };
  lock: RunContext['lock'];
  checkpoint: RunContext['checkpoint'];
  /** Every known status message. */
  statuses: ReadonlySet<string>;
  /** Hears how far the attempt is, 0…1. */
  progress(fraction: number): void;
}

/** What the runner of one attempt is given. */
export function attemptContext({ subjectId, taskId, attempt, task, subject, database, log, signal, clock, folders, lock, checkpoint, statuses, progress }: ContextParts): RunContext {
  const read: Run = ({ text }, params) => within({ execute: (sql, inOrder) => database.read(sql, inOrder) })({ name: '', text }, params);
  let jobs: Jobs | undefined;
  return {
    get em() {
      return database.em;
    },
    log,
    signal,
    attempt,
    idempotencyKey: `${subjectId}-${taskId}-${attempt}`,
    statuses,
    clock,
    productsFolder: folders.products,
    dataFolder: folders.data,
    progress: (fraction) => progress(Math.min(1, Math.max(0, Number(fraction) || 0))),
    result: (name) => resultOf(database, subjectId, name),
    lock,
    checkpoint,
    get jobs() {
      return (jobs ??= new DatabaseJobs({ run: within(database.em), read, by: `"${task}" of ${subject}, attempt ${attempt}` }));
    },
    isSuperseded: () => isSuperseded(read, subjectId).catch(() => false),
    parentResults: () => parentResults(read, subjectId),
  };
}

async function resultOf(database: LazyEntityManager, subjectId: string, task: string): Promise<Json | undefined> {
  const rows = await database.read<{ result: Json | null }>(
    `select a.result
       from attempt a
       join task t on t.id = a.task_id
      where a.subject_id = ? and t.name = ? and a.outcome = 'finished'
      order by a.attempt desc
      limit 1`,
    [subjectId, task],
  );
  return rows[0]?.result ?? undefined;
}
