import type { EndedHookTask, HookJob, HookRelative, HookTask } from '../runner/run-hooks.ts';
import type { Job } from './job-file.ts';
import type { RunView } from './run-view.ts';

/** A script as the hooks get it before it runs. */
export function hookTask(view: RunView, script: string, attempt: number): HookTask {
  const { task } = view.of(script);
  const { name, number } = view.run;
  return {
    script, run: { name, number }, job: hookJob(task.jobs[0]), jobs: task.jobs.map(hookJob), attempt,
    parents: task.parents.map((parent) => relative(view, parent)),
    children: task.children.map((child) => relative(view, child)),
    args: [...task.arguments],
    input: {},
  };
}

/** The same when it has ended. */
export function endedHookTask(view: RunView, script: string, given: Pick<HookTask, 'args' | 'input'>): EndedHookTask {
  const { state, attempt, result, reason, stdout, stderr } = view.of(script);
  return { ...hookTask(view, script, attempt), ...given, state: state as EndedHookTask['state'], result, reason, stdout, stderr };
}

const hookJob = ({ name, parameters }: Job): HookJob => ({ name, parameters });

function relative(view: RunView, script: string): HookRelative {
  const { task, state, result } = view.of(script);
  return { script, job: hookJob(task.jobs[0]), state, result };
}
