/**
 * The root of every error that Afterglow throws on purpose. `code` is for machines and never changes
 * between versions; `message` is a whole sentence for people. `docs/errors.md` lists all of them.
 */
export abstract class AfterglowError extends Error {
  /** Stable and upper case, e.g. `LEASE_LOST`. */
  abstract readonly code: string;
  /** What the command line exits with when this error ends it: 1 the input is wrong, 2 the command was called wrongly, 3 something outside is missing. */
  readonly exitCode: 1 | 2 | 3 = 1;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A setting or an option is wrong. */
export class ConfigError extends AfterglowError {
  readonly code = 'CONFIG';
  override readonly exitCode = 2;
}

/** No database could be reached or started. */
export class DatabaseUnavailableError extends AfterglowError {
  readonly code = 'DATABASE_UNAVAILABLE';
  override readonly exitCode = 3;
}

/** One thing wrong in one place of a file. */
export interface FileProblem {
  /** As the user named it, relative to the working folder where it lies below it. */
  file: string;
  /** 1-based; 0 where the whole file is meant. */
  line: number;
  expected: string;
  found: string;
  /** The nearest known name, where a name was mistyped. */
  nearest?: string;
}

/** Fixtures, an ingested file or a file of jobs cannot be taken; carries every problem found, not the first alone. Nothing was loaded or run. */
export class FileProblemsError extends AfterglowError {
  readonly code = 'FILE_PROBLEMS';
  readonly problems: readonly FileProblem[];
  constructor(problems: readonly FileProblem[], undone = 'nothing was loaded') {
    const lines = problems.map(describeProblem);
    super(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} found, ${undone}:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** `fixtures/tasks.yaml:12: expected …, found … (nearest known: "…")`. */
export function describeProblem(problem: FileProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file;
  const nearest = problem.nearest === undefined ? '' : ` (nearest known: "${problem.nearest}")`;
  return `${place}: expected ${problem.expected}, found ${problem.found}${nearest}`;
}

/** The graph of runners, tasks and statuses has mistakes that would keep work from being done. */
export class GraphError extends AfterglowError {
  readonly code = 'GRAPH';
  /** One sentence each. */
  readonly mistakes: readonly string[];
  constructor(mistakes: readonly string[]) {
    super(`${mistakes.length} ${mistakes.length === 1 ? 'mistake' : 'mistakes'} in the graph of tasks:\n${mistakes.join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** A name was given that nothing has: a task, a status, a transient, a runner. */
export class UnknownNameError extends AfterglowError {
  readonly code = 'UNKNOWN_NAME';
  readonly what: string;
  readonly given: string;
  readonly known: readonly string[];
  constructor(what: string, given: string, known: readonly string[], nearest?: string) {
    const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    const list = known.length === 0 ? '' : known.length <= 30 ? ` Known: ${known.map((name) => `"${name}"`).join(', ')}.` : ` There are ${known.length} known ones.`;
    super(`There is no ${what} "${given}"${hint || '.'}${list}`);
    this.what = what;
    this.given = given;
    this.known = known;
  }
}

/** The status machine knows no such move. */
export class IllegalMoveError extends AfterglowError {
  readonly code = 'ILLEGAL_MOVE';
  readonly from: string;
  readonly cause_: string;
  readonly to: string | undefined;
  constructor(from: string, cause: string, to?: string) {
    super(`The status machine has no move "${cause}" from "${from}"${to === undefined ? '' : ` to "${to}"`}.`);
    this.from = from;
    this.cause_ = cause;
    this.to = to;
  }
}

/** A late writer: the entry is no longer on the attempt that we held, so nothing of ours was written. */
export class LeaseLostError extends AfterglowError {
  readonly code = 'LEASE_LOST';
  readonly task: string;
  readonly subject: string;
  readonly attempt: number;
  constructor(entry: { task: string; subject: string; attempt: number }) {
    super(`Attempt ${entry.attempt} of "${entry.task}" of ${entry.subject} no longer holds its lease; what it wrote was rolled back.`);
    this.task = entry.task;
    this.subject = entry.subject;
    this.attempt = entry.attempt;
  }
}

/** The attempt ran over its task's time limit. */
export class TimeLimitError extends AfterglowError {
  readonly code = 'TIME_LIMIT';
  readonly limitSeconds: number;
  constructor(limitSeconds: number) {
    super(`The time limit of ${limitSeconds} s is exceeded.`);
    this.limitSeconds = limitSeconds;
  }
}

/** The daemon is stopping and hands the attempt back. */
export class StoppingError extends AfterglowError {
  readonly code = 'STOPPING';
  constructor() {
    super('The daemon is stopping; the entry is handed back and will be run again.');
  }
}

/** A runner gave back something that is neither a status message nor an outcome. */
export class OutcomeError extends AfterglowError {
  readonly code = 'OUTCOME';
}

/** An act was refused because of the state that things are in. */
export class RefusedError extends AfterglowError {
  readonly code = 'REFUSED';
}

/** A service outside did not answer as it should; worth another attempt. For runners to throw. */
export class ServiceError extends AfterglowError {
  readonly code = 'SERVICE';
  /** The name of a resource, where the fixtures have it: repeated failures then keep everybody else from asking it. */
  readonly service: string;
  /** When the service says that it will answer again; the entry waits until then. */
  readonly retryAt: Date | undefined;
  constructor(service: string, message: string, options?: { cause?: unknown; retryAt?: Date }) {
    super(message, options);
    this.service = service;
    this.retryAt = options?.retryAt;
  }
}

/** The audit found rules broken that everything relies on. */
export class AuditError extends AfterglowError {
  readonly code = 'AUDIT';
  readonly findings: readonly { rule: string; count: number; examples: readonly string[] }[];
  constructor(findings: readonly { rule: string; count: number; examples: readonly string[] }[]) {
    const lines = findings.map(({ rule, count, examples }) => `${rule} Broken by ${count}: ${examples.join('; ')}${count > examples.length ? '; …' : ''}`);
    super(`${findings.length} ${findings.length === 1 ? 'rule is' : 'rules are'} broken:\n${lines.join('\n')}`);
    this.findings = findings;
  }
}

/** An archive of objects cannot be made, or cannot be restored here; nothing was written. */
export class ArchiveError extends AfterglowError {
  readonly code = 'ARCHIVE';
}

/** The science failed for good: another attempt would come to the same. For runners to throw. */
export class PermanentError extends AfterglowError {
  readonly code = 'PERMANENT';
}

/** A person stopped the attempt; its entry is held. */
export class CancelledError extends AfterglowError {
  readonly code = 'CANCELLED';
  /** What the person said. */
  readonly reason: string;
  readonly by: string;
  constructor(by: string, reason: string) {
    super(`Cancelled by ${by}: ${reason}`);
    this.reason = reason;
    this.by = by;
  }
}

/** What is known of a process that ended before its attempt did. */
export interface ProcessDeath {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** Resident memory of the process with all that it had started, where that was too much. */
  memoryMiB?: number;
  memoryLimitMiB?: number;
  /** The end of what it wrote to standard error. */
  lastWords?: string;
}

/** The process of an isolated attempt ended without a word: killed, crashed, out of memory. A failure of the machinery, so worth another attempt. */
export class ProcessDiedError extends AfterglowError {
  readonly code = 'PROCESS_DIED';
  readonly exitCodeOfProcess: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly memoryMiB: number | undefined;
  readonly memoryLimitMiB: number | undefined;
  readonly lastWords: string | undefined;
  /** @param what what ended, e.g. `The process of the attempt` */
  constructor(what: string, death: ProcessDeath, options?: { cause?: unknown }) {
    super(`${what} ${describeDeath(death)}.`, options);
    this.exitCodeOfProcess = death.exitCode;
    this.signal = death.signal;
    this.memoryMiB = death.memoryMiB;
    this.memoryLimitMiB = death.memoryLimitMiB;
    this.lastWords = death.lastWords;
  }
}

function describeDeath({ exitCode, signal, memoryMiB, memoryLimitMiB, lastWords }: ProcessDeath): string {
  if (memoryMiB !== undefined) return `was killed: with all that it had started it used ${memoryMiB} MiB of memory, its limit is ${memoryLimitMiB} MiB`;
  if (/heap out of memory|Reached heap limit/i.test(lastWords ?? '')) return `ran out of its heap${memoryLimitMiB === undefined ? '' : ` of ${memoryLimitMiB} MiB`} (${signal ?? `exit code ${exitCode}`})`;
  if (signal === 'SIGKILL') return 'was killed (SIGKILL): by the kernel where memory ran out, or by somebody';
  if (signal !== null) return `was ended by ${signal}`;
  return exitCode === null ? `could not be started: ${lastWords}` : `ended by itself with exit code ${exitCode}`;
}

/** The database's schema was made by a newer Afterglow than this one. */
export class SchemaNewerError extends AfterglowError {
  readonly code = 'SCHEMA_NEWER';
  override readonly exitCode = 3;
  readonly unknown: readonly string[];
  constructor(unknown: readonly string[], version: string) {
    super(`The database has migrations that Afterglow ${version} does not know (${unknown.join(', ')}): it belongs to a newer one. Update this installation.`);
    this.unknown = unknown;
  }
}

/** A named lock could not be had in the time that the runner wanted to wait: somebody else has it. A failure of the machinery, so worth another attempt. */
export class LockTakenError extends AfterglowError {
  readonly code = 'LOCK_TAKEN';
  readonly lock: string;
  /** Who has it. */
  readonly owner: string;
  /** When it is free unless its owner renews it, by the database's clock. */
  readonly expiresAt: Date;
  constructor(lock: string, owner: string, expiresAt: Date, waitedSeconds: number) {
    super(`The lock "${lock}" is held by ${owner}, until ${expiresAt.toISOString()} unless it is renewed; it was waited for ${Math.round(waitedSeconds)} s.`);
    this.lock = lock;
    this.owner = owner;
    this.expiresAt = expiresAt;
  }
}

/** A command that was put into the queue did not end with exit code 0. What it printed is kept with it. */
export class CommandFailedError extends AfterglowError {
  readonly code = 'COMMAND_FAILED';
  readonly exitCodeOfCommand: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  constructor(command: string, { exitCode, signal, stdout, stderr }: { exitCode: number | null; signal: string | null; stdout: string; stderr: string }) {
    const how = exitCode === null ? `was ended by ${signal ?? 'nobody knows what'}` : `ended with exit code ${exitCode}`;
    const last = stderr.trimEnd().slice(-2000);
    super(`"afterglow ${command}" ${how}${last === '' ? '.' : `:\n${last}`}`);
    this.exitCodeOfCommand = exitCode ?? undefined;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** A hook threw, or took too long. */
export class HookError extends AfterglowError {
  readonly code = 'HOOK';
  readonly hook: string;
  constructor({ hook, event, task, subject }: { hook: string; event: 'before' | 'after'; task: string; subject: string }, cause: unknown) {
    super(`The hook "${hook}" failed ${event} "${task}" of ${subject}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.hook = hook;
  }
}

/** A named lock was ours, ran out, and somebody else took it: what was done since then was not protected. A failure of the machinery. */
export class LockLostError extends AfterglowError {
  readonly code = 'LOCK_LOST';
  readonly lock: string;
  /** Who has it now; undefined where whoever took it has given it back already. */
  readonly owner: string | undefined;
  constructor(lock: string, expiredAt: Date, owner: string | undefined) {
    super(`The lock "${lock}" ran out at ${expiredAt.toISOString()}, and ${owner === undefined ? 'somebody else had it since' : `${owner} has it now`}; renew it in time, or take it for longer.`);
    this.lock = lock;
    this.owner = owner;
  }
}

/** One thing wrong with the arguments of a job. */
export interface ArgumentProblem {
  /** Where in them, e.g. `arguments.steps[2].name`. */
  path: string;
  expected: string;
  found: string;
}

/** A job was to be enqueued, or run, with arguments that its type does not take; carries everything that is wrong with them. */
export class JobArgumentsError extends AfterglowError {
  readonly code = 'JOB_ARGUMENTS';
  /** The name of the job. */
  readonly job: string;
  readonly problems: readonly ArgumentProblem[];
  constructor(job: string, problems: readonly ArgumentProblem[]) {
    super(`The job "${job}" does not take these arguments: ${problems.map(({ path, expected, found }) => `${path} should be ${expected}, found ${found}`).join('; ')}.`);
    this.job = job;
    this.problems = problems;
  }
}

/** A job that was waited for has failed. */
export class JobFailedError extends AfterglowError {
  readonly code = 'JOB_FAILED';
  readonly id: string;
  readonly job: string;
  readonly reason: string;
  constructor(id: string, job: string, reason: string) {
    super(`Job ${id} "${job}" failed: ${reason}`);
    this.id = id;
    this.job = job;
    this.reason = reason;
  }
}

/** A job that was waited for was cancelled. */
export class JobCancelledError extends AfterglowError {
  readonly code = 'JOB_CANCELLED';
  readonly id: string;
  readonly job: string;
  readonly reason: string;
  constructor(id: string, job: string, reason: string) {
    super(`Job ${id} "${job}" was cancelled: ${reason}`);
    this.id = id;
    this.job = job;
    this.reason = reason;
  }
}

/** A job that was waited for had nothing to do, and so has no result. */
export class JobSkippedError extends AfterglowError {
  readonly code = 'JOB_SKIPPED';
  readonly id: string;
  readonly job: string;
  readonly reason: string;
  constructor(id: string, job: string, reason: string) {
    super(`Job ${id} "${job}" was skipped: ${reason}`);
    this.id = id;
    this.job = job;
    this.reason = reason;
  }
}

/** A job has not ended in the time that somebody waited for it. It goes on. */
export class WaitTimeoutError extends AfterglowError {
  readonly code = 'WAIT_TIMEOUT';
  override readonly exitCode = 3;
  readonly id: string;
  readonly job: string;
  constructor(id: string, job: string, state: string, timeoutSeconds: number) {
    super(`Job ${id} "${job}" has not ended within ${timeoutSeconds} s; it is ${state} and goes on.`);
    this.id = id;
    this.job = job;
  }
}

/** A runner wanted to wait for a job: it would keep the place that the job may need. */
export class WaitInRunnerError extends AfterglowError {
  readonly code = 'WAIT_IN_RUNNER';
  constructor(runner: string, id: string) {
    super(
      `The runner of ${runner} must not wait for job ${id}, as the job may wait for its place. Enqueue what is to follow with { parent: … }, ` +
        `or with a chord, whose last step gets all results.`,
    );
  }
}

/** A qualifier could not be asked, or gave something that is neither true nor false. What it belongs to does not qualify until it is mended. */
export class QualifierError extends AfterglowError {
  readonly code = 'QUALIFIER';
  readonly task: string;
  readonly qualifier: string;
  /** @param what e.g. `gave "yes", not true or false` */
  constructor(task: string, qualifier: string, what: string, options?: { cause?: unknown }) {
    super(`Of the qualifiers of "${task}", ${qualifier} ${what}.`, options);
    this.task = task;
    this.qualifier = qualifier;
  }
}

/** A job was to be enqueued, but as many of its key as its limit allows are pending or running. Nothing was enqueued. */
export class TaskLimitError extends AfterglowError {
  readonly code = 'TASK_LIMIT';
  readonly task: string;
  /** What `limitId(args)` gave. */
  readonly limitId: string;
  readonly most: number;
  /** Ids of those that count, oldest first. */
  readonly jobs: readonly string[];
  /**
   * @param withinSeconds where the limit counts what was enqueued within that time too
   * @param together how many of the same key would be enqueued before it by the same call
   */
  constructor(task: string, limitId: string, most: number, jobs: readonly string[], withinSeconds?: number, together = 0) {
    const span = withinSeconds === undefined ? 'pending or running' : `pending, running or enqueued within the last ${withinSeconds} s`;
    const key = limitId === '' ? '' : ` for "${limitId}"`;
    const ids = jobs.length === 0 ? '' : ` (${jobs.slice(0, 5).join(', ')}${jobs.length > 5 ? ', …' : ''})`;
    const more = together === 0 ? '' : `, and ${together} more would come with it`;
    super(`"${task}" may have at most ${most} ${span}${key}, and there ${jobs.length === 1 ? 'is' : 'are'} ${jobs.length}${ids}${more}; nothing was enqueued.`);
    this.task = task;
    this.limitId = limitId;
    this.most = most;
    this.jobs = jobs;
  }
}

/** What was wrong with a run of a script. */
export type ScriptFailure =
  | 'not started'
  | 'exit code'
  | 'signal'
  | 'time limit'
  | 'memory limit'
  | 'no result'
  | 'unfinished result'
  | 'result too large'
  | 'broken result'
  | 'no status'
  | 'unknown status'
  | 'said so';

/** What is known of a script that failed. */
export interface ScriptFault {
  failure: ScriptFailure;
  /** A whole sentence that names the script. */
  message: string;
  script: string;
  exitCode?: number | null;
  signal?: NodeJS.Signals | null;
  /** The end of what it wrote to standard error. */
  lastWords?: string | undefined;
}

/** A script ended badly, or did not say what came of it. `failure` says which. */
export class ScriptError extends AfterglowError {
  readonly code: string = 'SCRIPT';
  readonly failure: ScriptFailure;
  readonly script: string;
  readonly exitCodeOfScript: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly lastWords: string | undefined;
  constructor({ failure, message, script, exitCode, signal, lastWords }: ScriptFault, options?: { cause?: unknown }) {
    super(lastWords === undefined ? message : `${message} It said at last:\n${lastWords}`, options);
    this.failure = failure;
    this.script = script;
    this.exitCodeOfScript = exitCode ?? undefined;
    this.signal = signal ?? undefined;
    this.lastWords = lastWords;
  }
}

/** A script was killed by somebody else, used too much memory, could not be started, or asked for another attempt: a failure of the machinery, so worth one. */
export class ScriptDiedError extends ScriptError {
  override readonly code = 'SCRIPT_DIED';
}

/** One thing wrong with a request that came in. */
export interface RequestProblem {
  /** The place in a list of requests, from 1; absent where there is one request alone. */
  row?: number;
  field: string;
  expected: string;
  found: string;
  /** The nearest known name, where a name was mistyped. */
  nearest?: string;
}

/** A request, or a list of them, cannot be taken in; carries every problem found. Nothing was taken. */
export class RequestProblemsError extends AfterglowError {
  readonly code = 'REQUEST_PROBLEMS';
  readonly problems: readonly RequestProblem[];
  constructor(problems: readonly RequestProblem[]) {
    const lines = problems.map(({ row, field, expected, found, nearest }) => `${row === undefined ? '' : `request ${row}: `}${field}: expected ${expected}, found ${found}${nearest === undefined ? '' : ` (nearest known: "${nearest}")`}`);
    super(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} found, nothing was taken in:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** A person has a request of this type already that is still open; nothing was taken in. */
export class DuplicateRequestError extends AfterglowError {
  readonly code = 'DUPLICATE_REQUEST';
  /** The name of the open request; undefined where both are in what came in. */
  readonly request: string | undefined;
  /** The place in a list of requests, from 1; undefined where there is one request alone. */
  readonly row: number | undefined;
  /** @param earlier the place of the first of two in one list */
  constructor(type: string, { request, row, earlier }: { request?: string | undefined; row?: number | undefined; earlier?: number | undefined }) {
    const which = row === undefined ? 'This person' : `The person of request ${row}`;
    super(`${which} has a request of type "${type}" already, ${request === undefined ? `number ${earlier} of the same list` : `${request}, which is still open`}; nothing was taken in.`);
    this.request = request;
    this.row = row;
  }
}
