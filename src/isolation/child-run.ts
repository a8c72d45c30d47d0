import type { EntityManager } from '@mikro-orm/postgresql';
import { systemClock } from '../clock.ts';
import { within } from '../db/run-within.ts';
import type { Ending } from '../engine/advance.ts';
import { attemptContext } from '../engine/attempt-context.ts';
import { asLine } from '../engine/attempt-log.ts';
import { checkpoints } from '../engine/checkpoint.ts';
import { commitTogether } from '../engine/commit-together.ts';
import { lazyEntityManager, type LazyEntityManager } from '../engine/lazy-em.ts';
import { locksOf } from '../engine/lock.ts';
import { outcomeOf } from '../engine/run.ts';
import { asRunning } from '../engine/running.ts';
import type { RunContext, RunLog } from '../runner/context.ts';
import type { Json } from '../runner/outcome.ts';
import type { SubjectTaskRunner } from '../runner/runner.ts';
import type { Ended, FromProcess, ToProcess } from './messages.ts';
import { fromWire, toWire, type WireError } from './wire-error.ts';

/** What one attempt needs of the process that it runs in. */
export interface ChildRunDeps {
  runner: SubjectTaskRunner<unknown>;
  folders: { data: string; products: string };
  fork: () => EntityManager;
  say: (message: FromProcess) => void;
}

/** Progress is told this often at most, ms. */
const PROGRESS_EVERY_MS = 100;

/**
 * One attempt in its own process. However long the runner takes to settle, it is waited for: whoever finds that too long
 * kills the process.
 */
export class ChildRun {
  readonly #deps: ChildRunDeps;
  readonly #order: Extract<ToProcess, { type: 'run' }>;
  readonly #abort = new AbortController();
  readonly #database: LazyEntityManager;
  #isOver = false;

  constructor(deps: ChildRunDeps, order: Extract<ToProcess, { type: 'run' }>) {
    this.#deps = deps;
    this.#order = order;
    this.#database = lazyEntityManager(deps.fork);
  }

  abort(reason: WireError): void {
    this.#abort.abort(fromWire(reason));
  }

  /** Resolves when the runner has settled. */
  async run(): Promise<Ended> {
    const before = process.cpuUsage();
    const outcome = await this.#outcome();
    const used = process.cpuUsage(before);
    this.#isOver = true;
    const { wrote, interruption } = this.#database;
    // What a runner that was not waited for by itself still does must find the door closed.
    if (!wrote) await this.#database.rollback();
    return {
      type: 'ended',
      outcome,
      wrote,
      interruption: interruption === undefined ? undefined : toWire(interruption),
      cpuSeconds: (used.user + used.system) / 1e6,
    };
  }

  /** The runner's rows and the ending, or neither. */
  async commit(taskId: number, actor: string, ending: Ending): Promise<FromProcess> {
    const { subject, attempt } = this.#order;
    try {
      await commitTogether(this.#database, { task: this.#deps.runner.taskName, subject: subject.name, attempt, taskId }, actor, ending);
      return { type: 'committed' };
    } catch (error) {
      return { type: 'not committed', error: toWire(error) };
    }
  }

  async rollback(): Promise<FromProcess> {
    await this.#database.rollback();
    return { type: 'rolled back' };
  }

  async #outcome(): Promise<Ended['outcome']> {
    const { subject, statuses } = this.#order;
    try {
      const { runner } = this.#deps;
      const where = { task: runner.taskName, subject: subject.name, attempt: this.#order.attempt };
      return { returned: await asRunning(where, () => outcomeOf(runner, subject, this.#context(), statuses)) };
    } catch (error) {
      return { thrown: toWire(error) };
    }
  }

  #context(): RunContext {
    const { folders, fork, runner, say } = this.#deps;
    const { subject, taskId, attempt } = this.#order;
    const { signal } = this.#abort;
    let toldMs = -Infinity;
    const log = this.#log();
    return attemptContext({
      subjectId: subject.id, taskId, attempt, task: runner.taskName, subject: subject.name, database: this.#database, log, signal, clock: systemClock, folders, statuses: this.#order.statuses,
      lock: locksOf(within(fork()), { owner: `"${runner.taskName}" of ${subject.name}, attempt ${attempt}`, signal }),
      checkpoint: checkpoints(within(fork()), { subjectId: subject.id, taskId, attempt }, log),
      progress: (fraction) => {
        if (this.#isOver || performance.now() - toldMs < PROGRESS_EVERY_MS) return;
        toldMs = performance.now();
        say({ type: 'progress', fraction });
      },
    });
  }

  #log(): RunLog {
    const tell = (level: 'info' | 'warn') => (message: string, fields?: Record<string, Json>): void => {
      if (!this.#isOver) this.#deps.say({ type: 'log', level, ...asLine(message, fields) });
    };
    return { info: tell('info'), warn: tell('warn') };
  }
}
