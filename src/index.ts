/** What authors of runners import; everything else is internal. */
export { detachedContext, type RunContext, type RunLog } from './runner/context.ts';
export type { LockOptions, NamedLock } from './runner/named-lock.ts';
export type { Json, Outcome } from './runner/outcome.ts';
export type { Pipeline } from './runner/pipeline.ts';
export { SubjectTaskRunner, SystemTaskRunner, TaskRunner, TransientTaskRunner } from './runner/runner.ts';
export type { Transient } from './runner/transient.ts';
export { readTransientsCsv } from './fixtures/read-csv.ts';
export { DaemonRow, ScheduleRow, StatusRow, SubjectRow, TaskRow, TransientRow } from './db/entities.ts';
export { saveTransients } from './db/save-transients.ts';
export { AfterglowError, describeProblem, FileProblemsError, LockLostError, LockTakenError, ServiceError, TimeLimitError } from './errors.ts';
