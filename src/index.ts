/** What authors of runners import; everything else is internal. */
export { detachedContext, type RunContext, type RunLog } from './runner/context.ts';
export type { Flow } from './runner/flow.ts';
export { hook, type Hook, type HookEnd, type HookRun } from './runner/hook.ts';
export { JobSchedule, scheduled, type Firing, type ScheduledJob } from './runner/job-schedule.ts';
export type { LockOptions, NamedLock } from './runner/named-lock.ts';
export { objectFolder } from './runner/object-folder.ts';
export type { Json, Outcome } from './runner/outcome.ts';
export type { Pipeline } from './runner/pipeline.ts';
export { dynamic, label, Qualifier, setting, settingUnset, type QualifierContext } from './runner/qualifier.ts';
export { RequestTaskRunner, type Batch, type Request } from './runner/request.ts';
export { WarnOfDeadlines } from './runner/request-deadlines.ts';
export { DEFAULT_RETRY, type RetryPolicy } from './runner/retry-policy.ts';
export type { EndedHookTask, HookJob, HookRelative, HookState, HookTask, RunHooks } from './runner/run-hooks.ts';
export type { OnFailure } from './runner/on-failure.ts';
export { SubjectTaskRunner, SystemTaskRunner, TaskRunner, TransientTaskRunner, type MissedSlots } from './runner/runner.ts';
export type { Transient } from './runner/transient.ts';
export type { Debounce, JobLimit } from './runner/job-policies.ts';
export { JobRunner, skip, type JobContext, type JobSubject, type Skipped } from './runner/job.ts';
export {
  step, type ArgumentsOf, type CancelAnswer, type Enqueued, type Job, type JobDetails, type JobFilter, type JobOptions, type JobRef, type Jobs, type JobState, type JobStep, type JobType,
  type ResultOf,
} from './runner/jobs.ts';
export { ScriptJobRunner } from './scripts/script-job-runner.ts';
export { ScriptTaskRunner, TransientScriptRunner } from './scripts/script-task-runner.ts';
export type { FolderKeeping } from './scripts/script-folder.ts';
export { openJobs, type OpenJobs, type OpenJobsOptions } from './jobs/open.ts';
export { readTransientsCsv } from './fixtures/read-csv.ts';
export { auditRegister, type Audit, type AuditFinding } from './db/audit.ts';
export { DaemonRow, ResourceRow, ScheduleRow, StatusRow, SubjectRow, TaskRow, TransientRow } from './db/entities.ts';
export { HISTORY, pruneHistory, type HistoryTable } from './db/prune.ts';
export { saveTransients } from './db/save-transients.ts';
export { recordStates, type StateCount } from './db/state-counts.ts';
export {
  AfterglowError, AuditError, CancelledError, describeProblem, FileProblemsError, JobArgumentsError, JobCancelledError, JobFailedError, JobSkippedError, LeaseLostError, LockLostError, LockTakenError, PermanentError, QualifierError, ScriptDiedError, ScriptError,
  ServiceError, StoppingError, TaskLimitError, TimeLimitError, UnknownNameError, WaitInRunnerError, WaitTimeoutError,
} from './errors.ts';
