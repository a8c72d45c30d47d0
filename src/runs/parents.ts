import type { Job } from './job-file.ts';

/**
 * What each script waits for: all scripts of the step before its own, in every job that names it.
 *
 * @returns script → parent → the jobs that say so; scripts and parents in the order of the file
 */
export function parentsOf(jobs: readonly Job[]): Map<string, Map<string, Job[]>> {
  const parents = new Map<string, Map<string, Job[]>>();
  for (const job of jobs) {
    for (const [at, step] of job.steps.entries()) {
      for (const { script } of step) {
        const own = parents.get(script) ?? new Map<string, Job[]>();
        parents.set(script, own);
        for (const parent of job.steps[at - 1] ?? []) own.set(parent.script, [...(own.get(parent.script) ?? []), job]);
      }
    }
  }
  return parents;
}
