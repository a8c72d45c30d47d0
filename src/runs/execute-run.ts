import { systemClock } from '../clock.ts';
import { Daemon } from '../daemon/daemon.ts';
import { readWork } from '../engine/read-work.ts';
import { RefusedError } from '../errors.ts';
import { sweep } from '../isolation/sweep.ts';
import type { Home } from '../prepare.ts';
import type { RunHooks } from '../runner/run-hooks.ts';
import { VERSION } from '../version.ts';
import { beginRun, closeRun, type RunCounts, type RunEndState } from './close-run.ts';
import { drive, type DriveEnd } from './drive.ts';
import { openRun, type RunOrder } from './open-run.ts';
import { runnersOf } from './run-task.ts';
import { RunView } from './run-view.ts';
import { ScriptWork } from './script-work.ts';

export interface ExecuteOptions {
  order: RunOrder;
  hooks: RunHooks;
  /** Scripts at once. */
  most: number;
  /** Stop everything at the first script that fails. */
  haltOnFailure: boolean;
  /** Variables of our environment that scripts get beside those that all get. */
  pass: readonly string[];
  /** Stops the run: it is aborted. */
  signal: AbortSignal;
  /** Called when the run is in the register, before anything is run. */
  onOpen: (view: RunView) => void;
}

/** A run that has ended. */
export interface ExecutedRun {
  name: string;
  number: number;
  state: RunEndState;
  /** What went wrong beside the scripts themselves. */
  message: string | undefined;
  counts: RunCounts;
}

/**
 * Puts a run into the register and takes it to its end, by the local engine, in this process.
 *
 * @throws {RefusedError} a run of that name is under way
 */
export async function executeRun({ config, database, folders, log }: Pick<Home, 'config' | 'database' | 'folders' | 'log'>, options: ExecuteOptions): Promise<ExecutedRun> {
  const { order, hooks, signal } = options;
  const run = await openRun(database.em(), order);
  const view = new RunView(run, new Date());
  const scripts = new ScriptWork({ run, view, hooks, pass: options.pass });
  const runners = runnersOf(run.plan, run, run.forced, scripts.execute);
  const daemon = await Daemon.create({
    ...(await workOf(database.em(), runners)), role: 'worker', runners, database, folders, clock: systemClock, log, version: VERSION,
    config: { leaseSeconds: config.leaseSeconds, graceSeconds: 0, log: config.log, concurrency: options.most },
  });
  options.onOpen(view);
  let end: DriveEnd | undefined;
  let failure: Error | undefined;
  try {
    await beginRun(database.em(), run, daemon.id);
    // What a killed process of ours left must not work beside what is begun anew.
    if (run.isResumed) sweep();
    await daemon.prepareSystem();
    const work = await workOf(database.em(), runners);
    const byName = new Map(work.tasks.map((task) => [task.name, task]));
    end = await drive({
      view, work: scripts, hooks, hot: database.hot, most: options.most, haltOnFailure: options.haltOnFailure, signal, log,
      tasks: new Map([...run.names].map(([script, name]) => [script, byName.get(name)!])),
      runOne: (task) => daemon.runOne(task, run.subject, { actor: `run ${run.subject}`, again: false }),
      care: () => daemon.lookAfter(),
      hurry: () => daemon.hurry(),
    });
  } catch (error) {
    failure = error as Error;
    daemon.hurry();
    await scripts.settled();
  } finally {
    await daemon.stop();
  }
  const message = failure === undefined ? end!.hookErrors.join('\n') || undefined : failure.message;
  const closing = closeRun(database, run, { ...ENDS[end === undefined ? 'accident' : end.hookErrors.length > 0 && end.by === 'itself' ? 'hook' : end.by], message });
  // Where the database is what failed, the run looks crashed to others, as it is.
  if (failure !== undefined) await closing.catch(() => {});
  if (failure !== undefined) throw failure;
  const closed = await closing;
  for (const { script, reason } of closed.skipped) view.change(script, { state: 'skipped', reason });
  return { name: run.name, number: run.number, state: closed.state, message, counts: closed.counts };
}

const ENDS = {
  itself: { state: 'finished', left: 'it could not be begun' },
  hook: { state: 'failed', left: 'it could not be begun' },
  signal: { state: 'aborted', left: 'the run was aborted' },
  failure: { state: 'halted', left: 'the run was halted at the first failure' },
  accident: { state: 'crashed', left: 'the run crashed' },
} as const;

async function workOf(em: Parameters<typeof readWork>[0], runners: Parameters<typeof readWork>[1]) {
  const work = await readWork(em, runners);
  if (work === undefined) throw new RefusedError('The register has lost the moves of this run; somebody has emptied its tables.');
  return work;
}
