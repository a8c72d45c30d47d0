import { emptyRunners, statuses, tasks } from '../../../bench/blast17.ts';
import type { Prerequisites } from '../../../src/runner/prerequisites.ts';
import { SystemTaskRunner, TransientTaskRunner } from '../../../src/runner/runner.ts';
import type { ResourceFixture, TaskFixture } from '../../../src/fixtures/fixture.ts';
import type { Status } from '../../../src/status/status.ts';

/** Any graph that a test wants to break: everything may be changed, to anything. */
export interface Pipeline {
  statuses: Status[];
  tasks: TaskFixture[];
  resources: ResourceFixture[];
  runners: unknown;
  entries?: { task: string; status: string }[];
}

/** Blast's seventeen tasks, one system task with its runner, all of it without a mistake and free to be changed. */
export function pipeline(): Pipeline {
  return {
    statuses: structuredClone(statuses) as Status[],
    tasks: [...(structuredClone(tasks) as TaskFixture[]), task('Prune history', 'system')],
    resources: [resource('tns', { concurrency: 4, perMinute: 60 }), resource('image archive', { perMinute: 10 }), resource('scratch disk')],
    runners: [...emptyRunners(), new Prune()],
  };
}

/** A resource of the fixtures without limits. */
export function resource(name: string, given: Partial<ResourceFixture> = {}): ResourceFixture {
  return { name, description: '', concurrency: null, perMinute: null, breaker: { failures: 5, coolSeconds: 30, longestCoolSeconds: 600 }, ...given };
}

/** A task of the fixtures without a time limit. */
export function task(name: string, kind = 'transient'): TaskFixture {
  return { name, kind, description: `${name}.`, owner: 'pipeline@example.org', timeLimitSeconds: null, active: true };
}

/** The runners as a list to change. */
export function listOf(given: Pipeline): TransientTaskRunner[] {
  return given.runners as TransientTaskRunner[];
}

/** The runner of a task. */
export function runnerOf(given: Pipeline, name: string): TransientTaskRunner {
  const found = listOf(given).find(({ taskName }) => taskName === name);
  if (found === undefined) throw new Error(`no runner for ${name}`);
  return found;
}

/** Gives fields of a task's runner other values, of any type. */
export function declare(given: Pipeline, name: string, fields: Record<string, unknown>): void {
  Object.assign(runnerOf(given, name), fields);
}

/** Adds prerequisites to a task's runner, or changes them. */
export function await_(given: Pipeline, name: string, prerequisites: Record<string, unknown>): void {
  const runner = runnerOf(given, name);
  declare(given, name, { prerequisites: { ...runner.prerequisites, ...prerequisites } });
}

/** A runner with whatever fields a test wants. */
export class ScriptedRunner extends TransientTaskRunner {
  readonly taskName: string = '';
  readonly schedule: string | number = '* * * * *';
  readonly prerequisites: Prerequisites = {};
  readonly failedStatusMessage: string = 'failed';

  constructor(fields: Record<string, unknown> = {}) {
    super();
    Object.assign(this, fields);
  }

  override runProcess(): string {
    return 'processed';
  }
}

/** A system runner without a mistake. */
export class Prune extends SystemTaskRunner {
  readonly taskName: string = 'Prune history';
  readonly schedule: string | number = '0 3 * * *';
  override runProcess(): void {}
}
