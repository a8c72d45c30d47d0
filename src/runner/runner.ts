import type { RunContext } from './context.ts';
import type { Json, Outcome } from './outcome.ts';
import type { Prerequisites } from './prerequisites.ts';
import type { OnFailure } from './on-failure.ts';
import type { Qualifier } from './qualifier.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { Transient } from './transient.ts';

/**
 * What happens to slots of a schedule that could not be fired, because no daemon ran, the machine slept, the runner was still busy or
 * the database was away: `skip` leaves them to the next slot, `once` runs the runner once for all of them as soon as that is
 * possible, `{ all: n }` runs it for each, in their order, the newest n of them at most. Each one is recorded with its reason.
 */
export type MissedSlots = 'skip' | 'once' | { readonly all: number };

/**
 * What every runner declares: which task, and when to look for work.
 * Authors extend {@link TransientTaskRunner} or {@link SystemTaskRunner}.
 */
export abstract class TaskRunner {
  /** A task name from the fixtures. */
  abstract readonly taskName: string;
  /** A cron expression (five fields, or six with seconds first), or a number: every so many seconds, counted from 00:00 UTC on 1970-01-01. */
  abstract readonly schedule: string | number;
  /** The IANA time zone that the cron expression is read in. */
  readonly timeZone: string = 'UTC';
  /** Whether the schedule is on when it is first seen; afterwards a person's choice is kept. */
  readonly initiallyEnabled: boolean = true;
  /** What happens to slots that were missed. A runner with objects skips them, because any tick of it looks at everything; one without runs once. */
  readonly missedSlots: MissedSlots = 'skip';
  /** Seconds after which the abort signal fires; undefined takes the task's limit from the fixtures, Infinity means none. */
  readonly timeLimitSeconds: number | undefined = undefined;
  /** A small integer; raise it when what the runner computes changes. Kept with every attempt. */
  readonly version: number = 1;
  /** Who is told when an entry or a job of it has failed for good; what is left out is as the settings say. */
  readonly onFailure: OnFailure = {};

  /** What keeps it from working on this machine, whole sentences; `afterglow check` and every start ask. Nothing unless overridden. */
  problems(): readonly string[] {
    return [];
  }
}

/** A runner that works on one object of a kind at a time. {@link TransientTaskRunner} is its flavour for transients. */
export abstract class SubjectTaskRunner<Subject> extends TaskRunner {
  /** The kind of object, as in the fixtures' tasks: `transient` or one of your own. */
  abstract readonly kind: string;
  /**
   * Which statuses other tasks of the same object must have before this one may run, `{ task: status }`, all of them; of several
   * statuses, `{ task: [status, otherStatus] }`, any will do. Any task and any status may be named, this task's own too (with one
   * status); where it is not, "own status is `not processed`" is implied.
   */
  abstract readonly prerequisites: Prerequisites;
  /** The status that is left behind when `runProcess` throws. */
  abstract readonly failedStatusMessage: string;
  /** The status that is left behind when a person stops an attempt; undefined: that from which it was claimed, where it is held. Jobs have one. */
  readonly cancelledStatusMessage: string | undefined = undefined;
  /** The statuses that `runProcess` may return. Declared, they are checked before anything runs and at every return; undeclared, any status of the fixtures may come. */
  readonly returns: readonly string[] | undefined = undefined;
  /** `at once`: a finished prerequisite wakes this runner, the schedule is the safety net. `on schedule`: it works only when its schedule fires. */
  readonly wakes: 'at once' | 'on schedule' = 'at once';
  /** What to do when the machinery fails, where it differs from {@link DEFAULT_RETRY}, e.g. `{ attempts: 10, capSeconds: 600 }`. */
  readonly retry: Partial<RetryPolicy> = {};
  /**
   * `process`: every attempt runs in a child process, which is killed where it does not stop; for what computes long, blocks, or
   * crashes. `script` is for runners that see to that themselves, see {@link ScriptTaskRunner}: they are waited for however long it takes.
   */
  readonly isolation: 'none' | 'process' | 'script' = 'none';
  /** Resident memory of an isolated attempt or a script with all that it starts, MiB; more, and it is killed. Undefined: no limit. */
  readonly memoryLimitMiB: number | undefined = undefined;
  /** How long an isolated attempt may take to stop: after its time limit before SIGTERM, and after that before SIGKILL. */
  readonly killGraceSeconds: number = 10;
  /** Attempts of this task at once, over all daemons together. Undefined: as many as the daemons have places for. */
  readonly concurrency: number | undefined = undefined;
  /** What an attempt takes of the resources of the fixtures while it runs, e.g. `{ tns: 1 }`. */
  readonly uses: Readonly<Record<string, number>> = {};
  /** Labels that a daemon must have to run this, e.g. `['gpu']`. */
  readonly requires: readonly string[] = [];
  /** What must hold on the daemon that looks for work, all of it, e.g. `[setting('night', true)]`; where it does not, the daemon looks again after a while. */
  readonly qualifiers: readonly Qualifier[] = [];
  /**
   * Which figures of its object it reads, by their names in fixtures, e.g. `['position', 'redshift', 'data.light_curve_fit']`: when a
   * person changes one of them, it is run again. Undefined: any. What it reads of other tasks, its prerequisites say.
   */
  readonly reads: readonly string[] | undefined = undefined;

  /**
   * Takes a result that a person gives in the place of an attempt, where it has tables of its own to be kept in or should be completed.
   * What it writes through `context.em` is kept together with the entry's new status. Where it is left out, the result is kept as it is.
   *
   * @returns the result as it is to be kept
   * @throws what is wrong with it; nothing is changed then
   */
  takeResult?(subject: Subject, result: Json, context: Pick<RunContext, 'em'>): Promise<Json> | Json;

  /**
   * Does the task for one object and says which status it has now.
   *
   * A status of type error, returned, is science that did not work out. A thrown error leaves `failedStatusMessage`.
   * Nothing it writes through `context.em` is kept unless the status is.
   */
  abstract runProcess(subject: Subject, context: RunContext): Promise<string | Outcome> | string | Outcome;
}

/** Extend this to do one task for every transient. */
export abstract class TransientTaskRunner extends SubjectTaskRunner<Transient> {
  readonly kind: string = 'transient';
}

/** Extend this for work that has no object: loading a catalogue, drawing a plot, cleaning up. */
export abstract class SystemTaskRunner extends TaskRunner {
  override readonly missedSlots: MissedSlots = 'once';
  /** Run once when a daemon starts, before any transient is looked at. */
  readonly runsAtStart: boolean = false;
  /** Run when the last open entry is finished, so that products show the final state. */
  readonly runsWhenIdle: boolean = false;

  /** Does the work; what it returns is kept with the run. */
  abstract runProcess(context: RunContext): Promise<Json | void> | Json | void;
}

/** Whether a runner works on objects (and so has prerequisites and statuses). */
export function isSubjectRunner(runner: TaskRunner): runner is SubjectTaskRunner<unknown> {
  return runner instanceof SubjectTaskRunner;
}
