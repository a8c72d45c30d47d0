import type { Json } from '../runner/outcome.ts';
import type { OpenRun } from './open-run.ts';
import type { PlannedTask } from './plan.ts';
import type { TaskState } from './statuses.ts';

/** What a script printed. */
export type ScriptResultJson = { readonly [key: string]: Json | undefined };

/** Where one script of a run stands. */
export interface TaskView {
  readonly task: PlannedTask;
  state: TaskState;
  /** Attempts so far. */
  attempt: number;
  /** By the clock of this machine. */
  startedAt: Date | undefined;
  /** How long its last attempt took. */
  seconds: number | undefined;
  /** How far it is, 0…1, where it says so. */
  progress: number | undefined;
  /** Why it failed, was skipped, is unchanged, or waits to be tried again. */
  reason: string | undefined;
  /** A caveat of an attempt that went well. */
  warning: string | undefined;
  result: ScriptResultJson | undefined;
  /** What it printed in its last attempt here. */
  stdout: string;
  stderr: string;
  /** As a person would type it. */
  command: string | undefined;
}

/** Where the scripts of a run stand, as far as this process knows; whoever shows it is told of every change. */
export class RunView {
  readonly run: OpenRun;
  readonly startedAt: Date;
  readonly #tasks: ReadonlyMap<string, TaskView>;
  readonly #listeners: ((view: TaskView, before: TaskState) => void)[] = [];

  constructor(run: OpenRun, startedAt: Date) {
    this.run = run;
    this.startedAt = startedAt;
    this.#tasks = new Map(
      run.plan.tasks.map((task) => [
        task.script,
        { task, state: 'waiting', attempt: 0, startedAt: undefined, seconds: undefined, progress: undefined, reason: undefined, warning: undefined, result: undefined, stdout: '', stderr: '', command: undefined },
      ]),
    );
  }

  /** In the order of the plan. */
  get tasks(): TaskView[] {
    return [...this.#tasks.values()];
  }

  of(script: string): TaskView {
    const view = this.#tasks.get(script);
    if (view === undefined) throw new TypeError(`The run has no script "${script}".`);
    return view;
  }

  /** How many stand where. */
  get counts(): Record<TaskState, number> {
    const counts = { waiting: 0, running: 0, success: 0, unchanged: 0, failed: 0, skipped: 0 };
    for (const { state } of this.#tasks.values()) counts[state] += 1;
    return counts;
  }

  change(script: string, change: Partial<Omit<TaskView, 'task'>>): void {
    const view = this.of(script);
    const before = view.state;
    Object.assign(view, change);
    for (const listener of this.#listeners) listener(view, before);
  }

  onChange(listener: (view: TaskView, before: TaskState) => void): void {
    this.#listeners.push(listener);
  }
}
