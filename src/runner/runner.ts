import type { RunContext } from './context.ts';
import type { Json, Outcome } from './outcome.ts';
import type { Transient } from './transient.ts';

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
  /** Seconds after which the abort signal fires; undefined takes the task's limit from the fixtures, Infinity means none. */
  readonly timeLimitSeconds: number | undefined = undefined;
  /** A small integer; raise it when what the runner computes changes. Kept with every attempt. */
  readonly version: number = 1;
}

/** A runner that works on one object of a kind at a time. {@link TransientTaskRunner} is its flavour for transients. */
export abstract class SubjectTaskRunner<Subject> extends TaskRunner {
  /** The kind of object, as in the fixtures' tasks: `transient` or one of your own. */
  abstract readonly kind: string;
  /**
   * Which statuses other tasks of the same object must have before this one may run, `{ task: status }`, all of them.
   * Any task and any status may be named, this task's own too; where it is not, "own status is `not processed`" is implied.
   */
  abstract readonly prerequisites: Readonly<Record<string, string>>;
  /** The status that is left behind when `runProcess` throws. */
  abstract readonly failedStatusMessage: string;
  /** The statuses that `runProcess` may return. Declared, they are checked before anything runs and at every return; undeclared, any status of the fixtures may come. */
  readonly returns: readonly string[] | undefined = undefined;
  /** `at once`: a finished prerequisite wakes this runner, the schedule is the safety net. `on schedule`: it works only when its schedule fires. */
  readonly wakes: 'at once' | 'on schedule' = 'at once';

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
