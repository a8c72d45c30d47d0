import { ProcessDiedError, TimeLimitError, type ProcessDeath } from '../errors.ts';
import type { IsolatedResult, IsolatedRun } from '../engine/isolated.ts';
import { isPatient } from '../engine/run.ts';
import type { Json } from '../runner/outcome.ts';
import type { IsolatedProcess } from './isolated-process.ts';
import type { Ended, FromProcess } from './messages.ts';
import { fromWire, toWire } from './wire-error.ts';

/** How often the memory of a run with a limit is looked at, ms. */
const MEMORY_LOOK_MS = 250;
/** A lost lease or the end of the daemon's grace time is not argued with for long, seconds. */
const SHORT_GRACE_SECONDS = 1;
/** How long a process may take to commit or to roll back, seconds: twice what a statement may take. */
const COMMIT_SECONDS = 60;
/** setTimeout cannot count further; a limit of more than 24 days is none. */
const LONGEST_MS = 2 ** 31 - 1;

/** What happened to a process against its will. */
export type Interference = 'killed' | 'died';

/** One attempt in one process: told what to do and when to stop, watched, and killed where it must be. */
export class RunInProcess {
  readonly #process: IsolatedProcess;
  readonly #run: IsolatedRun;
  readonly #timers: NodeJS.Timeout[] = [];
  #startedMs = 0;
  /** Of the process with what it started: before this run, and when it was last looked at. */
  #cpuSecondsBefore = 0;
  #cpuSeconds = 0;
  #tooMuchMiB: number | undefined;
  #terminating = false;
  #word: PromiseWithResolvers<FromProcess> = Promise.withResolvers();
  /** What happened to the process, where something did. */
  interference: Interference | undefined;

  constructor(process: IsolatedProcess, run: IsolatedRun) {
    this.#process = process;
    this.#run = run;
  }

  /** Resolves when the runner has settled, or the process is gone with all that it had started. */
  async result(): Promise<IsolatedResult> {
    const ended = await this.#untilEnded();
    const wallSeconds = (performance.now() - this.#startedMs) / 1000;
    if (ended === undefined) {
      const died = this.#diedOf(await this.#process.gone);
      return { outcome: { thrown: died }, wallSeconds, cpuSeconds: this.#cpuSeconds, wrote: false, interruption: undefined, commit: () => Promise.reject(died), rollback: async () => {} };
    }
    return {
      outcome: 'thrown' in ended.outcome ? { thrown: fromWire(ended.outcome.thrown) } : ended.outcome,
      wallSeconds,
      cpuSeconds: ended.cpuSeconds,
      wrote: ended.wrote,
      interruption: ended.interruption === undefined ? undefined : fromWire(ended.interruption),
      commit: async (actor, ending) => {
        const answer = await this.#ask({ type: 'commit', taskId: this.#run.taskId, actor, ending });
        if (answer.type === 'not committed') throw fromWire(answer.error);
      },
      rollback: async () => {
        // Where it cannot say that it did, it is gone, and its transaction with it.
        if (ended.wrote) await this.#ask({ type: 'rollback' }).catch(() => {});
      },
    };
  }

  /** @returns undefined where the process died, or is about to */
  async #untilEnded(): Promise<Ended | undefined> {
    const { abort, timeLimitSeconds, runner, subject, taskId, attempt, statuses } = this.#run;
    const child = this.#process;
    const onAbort = (): void => this.#onAbort(abort.signal.reason);
    child.listen((message) => this.#hear(message));
    child.begin();
    this.#cpuSecondsBefore = child.group.usage()?.cpuSeconds ?? 0;
    this.#startedMs = performance.now();
    child.send({ type: 'run', task: runner.taskName, taskId, attempt, subject, statuses });
    if (timeLimitSeconds !== null && timeLimitSeconds * 1000 <= LONGEST_MS) {
      this.#after(timeLimitSeconds, () => abort.abort(new TimeLimitError(timeLimitSeconds)));
    }
    if (abort.signal.aborted) onAbort();
    else abort.signal.addEventListener('abort', onAbort, { once: true });
    const watch = runner.memoryLimitMiB === undefined ? undefined : setInterval(() => this.#watchMemory(runner.memoryLimitMiB!), MEMORY_LOOK_MS);
    try {
      const ended = (await Promise.race([this.#word.promise, child.gone.then(() => undefined)])) as Ended | undefined;
      // A word that comes after the end was ordered is too late.
      if (this.#terminating || ended === undefined) return undefined;
      const left = child.group.startedAny ? await child.group.killOthers() : 0;
      if (left > 0) this.#run.log.warn(`${left} ${left === 1 ? 'process' : 'processes'} that the runner had started and left behind were killed`);
      return ended;
    } finally {
      clearInterval(watch);
      abort.signal.removeEventListener('abort', onAbort);
      for (const timer of this.#timers) clearTimeout(timer);
    }
  }

  #hear(message: FromProcess): void {
    if (message.type === 'log') this.#run.log[message.level](message.message, message.fields as Record<string, Json> | undefined);
    else if (message.type === 'progress') this.#run.progress(message.fraction);
    else if (message.type === 'rejection') this.#run.log.warn(`a promise that nobody waits for was rejected: ${message.error.name}: ${message.error.message}`);
    else this.#word.resolve(message);
  }

  /** The abort signal first, then SIGTERM, then SIGKILL. */
  #onAbort(reason: unknown): void {
    const { killGraceSeconds } = this.#run.runner;
    const grace = isPatient(reason) ? killGraceSeconds : Math.min(killGraceSeconds, SHORT_GRACE_SECONDS);
    this.#process.send({ type: 'abort', reason: toWire(reason) });
    // What was told to stop may leave something behind that goes on.
    this.#process.usable = false;
    this.#after(grace, () => {
      this.#endIt();
      void this.#process.terminate(grace);
    });
  }

  #watchMemory(limitMiB: number): void {
    const residentMiB = this.#look();
    if (residentMiB <= limitMiB || this.#terminating) return;
    this.#tooMuchMiB = Math.round(residentMiB);
    this.#endIt();
    void this.#process.kill();
  }

  /** @returns resident memory in MiB; 0 where that cannot be known */
  #look(): number {
    const usage = this.#process.group.usage();
    if (usage !== undefined) this.#cpuSeconds = Math.max(0, usage.cpuSeconds - this.#cpuSecondsBefore);
    return usage?.residentMiB ?? 0;
  }

  #endIt(): void {
    this.#look();
    this.#terminating = true;
    this.interference = 'killed';
  }

  #diedOf(death: ProcessDeath): Error {
    this.interference ??= 'died';
    return new ProcessDiedError('The process of the attempt', {
      ...death,
      ...(this.#tooMuchMiB === undefined ? {} : { memoryMiB: this.#tooMuchMiB }),
      memoryLimitMiB: this.#run.runner.memoryLimitMiB,
    });
  }

  /** @throws {ProcessDiedError} it is gone, or had to be killed */
  async #ask(message: Parameters<IsolatedProcess['send']>[0]): Promise<FromProcess> {
    this.#word = Promise.withResolvers();
    this.#process.send(message);
    const tooLong = setTimeout(() => {
      this.#endIt();
      void this.#process.kill();
    }, COMMIT_SECONDS * 1000);
    try {
      return await Promise.race([this.#word.promise, this.#process.gone.then((death) => Promise.reject(this.#diedOf(death)))]);
    } finally {
      clearTimeout(tooLong);
    }
  }

  #after(seconds: number, act: () => void): void {
    this.#timers.push(setTimeout(act, Math.min(seconds * 1000, LONGEST_MS)));
  }
}
