import { isConnectionError } from '../db/connection-error.ts';
import { describeError, storable, storableText } from '../db/storable.ts';
import { CancelledError, LeaseLostError, ServiceError } from '../errors.ts';
import type { RunContext } from '../runner/context.ts';
import { retryPolicyOf } from '../runner/retry-policy.ts';
import type { StatusMachine } from '../status/machine.ts';
import { PROCESSING } from '../status/status.ts';
import type { Ending } from './advance.ts';
import { attemptContext } from './attempt-context.ts';
import { AttemptLog } from './attempt-log.ts';
import { noteAnswer, noteFailure } from './breaker.ts';
import type { ClaimedEntry } from './claim.ts';
import { checkpoints } from './checkpoint.ts';
import { commitTogether } from './commit-together.ts';
import type { CpuMeter } from './cpu-meter.ts';
import { isIsolated, isLimited, type EngineOptions, type EngineTask } from './engine-options.ts';
import type { Finisher } from './finisher.ts';
import type { HookedAttempt } from './hooks.ts';
import type { IsolatedResult, Isolation } from './isolated.ts';
import { lazyEntityManager, type LazyEntityManager } from './lazy-em.ts';
import type { HeldAttempt } from './leases.ts';
import { wakeSharers } from './limits.ts';
import { locksOf } from './lock.ts';
import { withinBudget } from './retry-budget.ts';
import { isPatient, runAttempt, SETTLE_SECONDS, stopped, type RunEnd } from './run.ts';
import { asRunning } from './running.ts';
import { isA, settle, type Verdict } from './settle.ts';
import type { Unsettled } from './unsettled.ts';

/** What the attempts of a task share. */
export interface AttemptDeps {
  options: EngineOptions;
  cpu: CpuMeter;
  /** Every known status message. */
  statuses: ReadonlySet<string>;
  /** Those of type error. */
  errorStatuses: ReadonlySet<string>;
  finisher: Finisher;
  /** The runs that go on after they were given up. */
  unsettled: Unsettled;
}

/** One attempt, from its claim until its end is written. */
export class Attempt implements HeldAttempt {
  readonly subjectId: string;
  readonly taskId: number;
  readonly attempt: number;
  readonly task: string;
  readonly subject: string;
  readonly timeLimitSeconds: number | null;
  begun = false;
  over = false;
  progress: number | undefined = undefined;
  readonly #deps: AttemptDeps;
  readonly #task: EngineTask;
  readonly #entry: ClaimedEntry;
  readonly #abort = new AbortController();
  readonly #log: AttemptLog;
  readonly #database: LazyEntityManager;
  /** Where it ran in a process of its own: what came of that. */
  #isolated: IsolatedResult | undefined;
  #end: RunEnd | undefined;
  /** Whether the runner goes on here though it was given up. */
  #stillRuns = false;
  #wallSeconds = 0;
  #cpuSeconds = 0;

  constructor(deps: AttemptDeps, task: EngineTask, entry: ClaimedEntry) {
    const { options } = deps;
    this.subjectId = entry.subjectId;
    this.taskId = task.id;
    this.attempt = entry.attempt;
    this.task = task.name;
    this.subject = entry.subject.name;
    this.timeLimitSeconds = entry.timeoutSeconds ?? task.runner.timeLimitSeconds ?? task.timeLimitSeconds;
    this.#deps = deps;
    this.#task = task;
    this.#entry = entry;
    this.#log = new AttemptLog(options.log.child(this.#where), options.clock);
    this.#database = lazyEntityManager(options.fork);
  }

  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** Runs the runner to its end, whatever that is, and the hooks around it. */
  async run(): Promise<void> {
    const { hooks } = this.#deps.options;
    if (hooks?.has(this.task) !== true) await this.#runRunner();
    else {
      const refused = await hooks.before(this.#hooked);
      if (refused === undefined) await this.#runRunner();
      else this.#end = this.#failedBy(refused);
      if (this.#end !== undefined && this.#end.cause !== 'release') {
        const failure = await hooks.after(this.#hooked, this.#end);
        if (failure !== undefined) this.#end = this.#failedBy(failure);
      }
    }
    this.over = true;
  }

  async #runRunner(): Promise<void> {
    this.begun = true;
    const { options, cpu, statuses, unsettled } = this.#deps;
    const { runner, claimFrom } = this.#task;
    const { aborted, reason } = this.#abort.signal as { aborted: boolean; reason: unknown };
    if (!aborted && isIsolated(this.#task) && options.isolation !== undefined) {
      this.#end = await this.#runIsolated(options.isolation);
      return;
    }
    const cpuSeconds = cpu.start();
    const started = options.clock.monotonicMs();
    if (!aborted) {
      const { timeLimitSeconds } = this;
      const { settleSeconds = SETTLE_SECONDS } = options;
      const onUnsettled = (settled: Promise<unknown>) => {
        this.#stillRuns = true;
        unsettled.add(this.#where, settled, isPatient(this.#abort.signal.reason) ? 0 : settleSeconds);
      };
      this.#end = await asRunning(this.#where, () =>
        runAttempt(runner, this.#entry.subject, this.#context(), this.#abort, { timeLimitSeconds, statuses, claimFrom, settleSeconds, onUnsettled }),
      );
    } else if (!(reason instanceof LeaseLostError)) {
      this.#end = reason instanceof CancelledError ? stopped(reason, runner, claimFrom) : { cause: 'release', status: claimFrom };
    }
    this.#wallSeconds = (options.clock.monotonicMs() - started) / 1000;
    this.#cpuSeconds = cpuSeconds();
  }

  /** Runs the runner in a process of its own, which is gone or has nothing more to do with it when this resolves. */
  async #runIsolated(isolation: Isolation): Promise<RunEnd | undefined> {
    const { taskId, attempt, timeLimitSeconds } = this;
    const { runner, claimFrom } = this.#task;
    const { outcome, wallSeconds, cpuSeconds } = (this.#isolated = await isolation.run({
      runner, subject: this.#entry.subject, taskId, attempt, statuses: this.#deps.statuses, timeLimitSeconds, abort: this.#abort, log: this.#log,
      progress: (fraction) => {
        this.progress = fraction;
      },
    }));
    this.#wallSeconds = wallSeconds;
    this.#cpuSeconds = cpuSeconds;
    if (this.#abort.signal.aborted) return stopped(this.#abort.signal.reason, runner, claimFrom);
    return 'returned' in outcome ? outcome.returned : this.#failedBy(outcome.thrown);
  }

  /** Writes how it ended, if it still holds its lease. It never throws. */
  async write(): Promise<void> {
    const { log } = this.#deps.options;
    const lost = () => log.warn({ ...this.#where, err: new LeaseLostError(this) }, 'an attempt came too late and wrote nothing');
    let end = this.#end;
    try {
      if (end === undefined) {
        await this.#written.rollback();
        return lost();
      }
      let verdict = this.#settle(end);
      if (end.cause === 'finish' && this.#written.wrote) {
        const failure = await this.#commitTogether(end, verdict);
        if (failure === undefined) return await this.#afterwards(end, verdict);
        if (failure instanceof LeaseLostError) return lost();
        // A word that it should stop, which had not come here yet.
        end = (isA(CancelledError, failure) ? stopped(failure, this.#task.runner, this.#task.claimFrom) : undefined) ?? this.#failedBy(failure);
        verdict = this.#settle(end);
      } else {
        await this.#written.rollback();
      }
      if (verdict.cause === 'postpone' || isA(ServiceError, end.error)) verdict = await this.#withinBudget(end, verdict);
      // The stack is kept with the attempt; a thousand of them would hide everything else here.
      if (end.error !== undefined) log.warn({ ...this.#where, status: verdict.status, failure: verdict.failure }, `attempt failed: ${describeError(end.error).message}`);
      if (await this.#finish(end, verdict)) await this.#afterwards(end, verdict);
      else lost();
    } catch (error) {
      // The lease runs out, and the entry is rescued.
      log.error({ ...this.#where, err: error }, 'the end of an attempt could not be written');
    }
  }

  get #hooked(): HookedAttempt {
    const { taskId, task, attempt } = this;
    const { subject } = this.#entry;
    const { id, name } = subject;
    return { task, kind: this.#task.kind, taskId, attempt, subject: { id, name, data: 'data' in subject ? subject.data : subject }, log: this.#log, signal: this.#abort.signal };
  }

  get #where(): { task: string; subject: string; attempt: number } {
    return { task: this.task, subject: this.subject, attempt: this.attempt };
  }

  /** What the runner wrote, here or in its own process. */
  get #written(): Pick<LazyEntityManager, 'wrote' | 'interruption' | 'rollback'> {
    return this.#isolated ?? this.#database;
  }

  #context(): RunContext {
    const { clock, folders, hot } = this.#deps.options;
    const { signal } = this.#abort;
    return attemptContext({
      subjectId: this.subjectId, taskId: this.taskId, attempt: this.attempt, task: this.task, subject: this.subject, database: this.#database, log: this.#log, signal, clock, folders,
      statuses: this.#deps.statuses,
      lock: locksOf(hot.run, { owner: `"${this.task}" of ${this.subject}, attempt ${this.attempt}`, signal }),
      checkpoint: checkpoints(hot.run, this, this.#log),
      progress: (fraction) => {
        this.progress = fraction;
      },
    });
  }

  /** Where the database does not take what a runner gave, the attempt has failed of that: nothing must be left in processing. */
  async #finish(end: RunEnd, verdict: Verdict): Promise<boolean> {
    const { finisher, options } = this.#deps;
    try {
      return await finisher.finish(this.#ending(end, verdict));
    } catch (error) {
      if (isConnectionError(error)) throw error;
      options.log.error({ ...this.#where, err: error }, 'the end of an attempt was refused by the database; it has failed');
      const refused = this.#failedBy(error);
      return finisher.finish({ ...this.#ending(refused, this.#settle(refused)), log: undefined });
    }
  }

  /** The runner's rows and the new status, or neither. @returns what kept it from being committed */
  async #commitTogether(end: RunEnd, verdict: Verdict): Promise<unknown> {
    try {
      const { actor } = this.#deps.options;
      const ending = this.#ending(end, verdict);
      // A runner that only marked entities has sent nothing yet: a database that is away is waited for.
      if (this.#isolated === undefined) await this.#deps.finisher.patiently(() => this.#database.open());
      await (this.#isolated === undefined ? commitTogether(this.#database, this, actor, ending) : this.#isolated.commit(actor, ending));
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #settle(end: RunEnd): Verdict {
    const { options, errorStatuses } = this.#deps;
    const { runner, claimFrom } = this.#task;
    return settle(end, {
      policy: retryPolicyOf(runner), setbacks: this.#entry.setbacks, interruption: this.#written.interruption, stillRuns: this.#stillRuns, claimFrom, failedStatus: runner.failedStatusMessage, errorStatuses,
      random: (options.random ?? Math.random)(), now: options.clock.now(),
    });
  }

  /** The breaker hears of a service that failed, and the budget of the retry. A database that is away knows of neither. */
  async #withinBudget({ error }: RunEnd, verdict: Verdict): Promise<Verdict> {
    const { hot, log } = this.#deps.options;
    const { subjectId, taskId, attempt } = this;
    try {
      const service = isA(ServiceError, error) ? { service: error.service, message: describeError(error).message } : undefined;
      const failed = service === undefined ? undefined : await noteFailure(hot.run, { subjectId, taskId, attempt, ...service });
      return await withinBudget(hot.run, this.#task, verdict, this.#entry.setbacks, failed && { ...failed, message: service!.message });
    } catch (failure) {
      log.debug({ ...this.#where, err: failure }, 'a retry could not be counted');
      return verdict;
    }
  }

  /** What others wait for: the room that this attempt took, and the news that a service answers. */
  async #afterwards(end: RunEnd, verdict: Verdict): Promise<void> {
    if (!isLimited(this.#task)) return;
    const { hot, log } = this.#deps.options;
    try {
      if (verdict.cause === 'finish') await noteAnswer(hot.run, this.taskId);
      await wakeSharers(hot.run, this.taskId);
    } catch (error) {
      log.warn({ ...this.#where, err: error }, 'could not tell the tasks that share a limit; they look again by themselves');
    }
  }

  #ending(end: RunEnd, verdict: Verdict): Ending {
    const { machine, statusIds } = this.#deps.options;
    const { cause, failure, setbacks, reason, dueInSeconds, waitsFor } = verdict;
    // The machine decides whether the move is legal; what is written is what it answers.
    const next = machine.next(
      { status: PROCESSING, attempt: this.attempt, unmet: 0 },
      { type: cause, status: verdict.status, attempt: this.attempt } as Parameters<StatusMachine['next']>[1],
    );
    return {
      subjectId: this.subjectId,
      attempt: this.attempt,
      statusId: statusIds.get(next.status)!,
      names: { subject: this.subject, status: next.status },
      cause, failure, setbacks, dueInSeconds, waitsFor,
      reason: reason === undefined ? undefined : storableText(reason, 1000),
      outcome: OUTCOMES[end.cause],
      wallSeconds: this.#wallSeconds,
      cpuSeconds: this.#cpuSeconds,
      result: end.result,
      warning: end.warning,
      cost: end.cost,
      error: end.error === undefined ? undefined : describeError(end.error),
      log: storable(this.#log.lines, 'log'),
    };
  }

  #failedBy(error: unknown): RunEnd {
    return { cause: 'fail', status: this.#task.runner.failedStatusMessage, error };
  }
}

const OUTCOMES = { finish: 'finished', fail: 'failed', 'time out': 'timed out', release: 'released', cancel: 'cancelled' } as const;
