/**
 * How far in a tree of jobs each script stands: one further than what it waits for among the scripts that stand under the same job,
 * which is the first that names it. The first ones of a job stand at 0.
 *
 * @param scripts parents first
 */
export function depthsOf(scripts: readonly { script: string; jobs: readonly string[]; parents: readonly string[] }[]): ReadonlyMap<string, number> {
  const homes = new Map(scripts.map(({ script, jobs }) => [script, jobs[0]]));
  const depths = new Map<string, number>();
  for (const { script, jobs, parents } of scripts) {
    const near = parents.filter((parent) => homes.get(parent) === jobs[0]);
    depths.set(script, 1 + Math.max(-1, ...near.map((parent) => depths.get(parent) ?? 0)));
  }
  return depths;
}
