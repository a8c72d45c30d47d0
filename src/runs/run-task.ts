import { createHash } from 'node:crypto';
import type { Subject } from '../engine/claim.ts';
import type { RunContext } from '../runner/context.ts';
import type { Outcome } from '../runner/outcome.ts';
import type { RetryPolicy } from '../runner/retry-policy.ts';
import { SubjectTaskRunner } from '../runner/runner.ts';
import { RUN_KIND } from '../status/status.ts';
import type { PlannedTask, RunPlan } from './plan.ts';
import { ENDED, FAILED, GOOD, SUCCESS, UNCHANGED } from './statuses.ts';

/** So many attempts may be lost because we died; then the script is what kills us. */
const CRASHES = 5;
/** The longest name that a task may have, characters. */
const LONGEST_NAME = 100;

/** What the tasks of a plan are in the register. */
export interface RunKind {
  /** The kind of the run's subject: the same for runs of one name whose scripts wait for each other in the same way. */
  kind: string;
  /** Script → name of its task. */
  names: ReadonlyMap<string, string>;
}

/** @param forced whether failures stop nothing, which makes other prerequisites */
export function kindOf(name: string, { tasks }: RunPlan, forced: boolean): RunKind {
  const graph = JSON.stringify([forced, tasks.map(({ script, parents }) => [script, parents])]);
  const mark = createHash('sha256').update(graph).digest('hex').slice(0, 8);
  const nameOf = ({ script }: PlannedTask, place: number): string => {
    const whole = `${name} ${mark} ${script}`;
    const short = `${name} ${mark} ${place + 1} …`;
    const characters = Array.from(whole);
    return characters.length <= LONGEST_NAME ? whole : short + characters.slice(Array.from(short).length - LONGEST_NAME).join('');
  };
  return { kind: `${RUN_KIND}${name}:${mark}`, names: new Map(tasks.map((task, place) => [task.script, nameOf(task, place)])) };
}

/** Runs one script of a run. */
export class RunTaskRunner extends SubjectTaskRunner<Subject> {
  readonly kind: string;
  readonly taskName: string;
  readonly prerequisites: Readonly<Record<string, readonly string[]>>;
  readonly task: PlannedTask;
  readonly failedStatusMessage = FAILED;
  override readonly returns = [SUCCESS, UNCHANGED];
  /** It has none: the run begins it as soon as its parents have ended. */
  readonly schedule = 86_400;
  /** The script is stopped at its limit by whoever runs it. */
  override readonly timeLimitSeconds = Infinity;
  /** What is told to stop is waited for. */
  override readonly isolation = 'script';
  override readonly retry: Partial<RetryPolicy>;
  readonly #execute: (task: PlannedTask, context: RunContext) => Promise<Outcome>;

  constructor(task: PlannedTask, { kind, names }: RunKind, forced: boolean, execute: (task: PlannedTask, context: RunContext) => Promise<Outcome>) {
    super();
    this.kind = kind;
    this.task = task;
    this.taskName = names.get(task.script)!;
    this.prerequisites = Object.fromEntries(task.parents.map((parent) => [names.get(parent)!, forced ? ENDED : GOOD]));
    // Attempts that a crash of ours has ended count too.
    this.retry = { attempts: task.retries + CRASHES, thrown: task.retries > 0, baseSeconds: 2, capSeconds: 300 };
    this.#execute = execute;
  }

  override runProcess(_run: Subject, context: RunContext): Promise<Outcome> {
    return this.#execute(this.task, context);
  }
}

/** One runner for each script of a plan. */
export function runnersOf(plan: RunPlan, kind: RunKind, forced: boolean, execute: (task: PlannedTask, context: RunContext) => Promise<Outcome>): RunTaskRunner[] {
  return plan.tasks.map((task) => new RunTaskRunner(task, kind, forced, execute));
}
