import type { HookTask } from '../../src/index.ts';

/** Every script gets, as its arguments, the files that its parents have written. */
export function onTaskReady(task: HookTask): void {
  task.args = task.parents.flatMap(({ result }) => (typeof result?.output_url === 'string' ? [result.output_url] : []));
}
