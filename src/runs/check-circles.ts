import type { ProblemList } from '../fixtures/problem-list.ts';
import { shortestCircle } from '../runner/check/digraph.ts';
import type { Job } from './job-file.ts';
import { parentsOf } from './parents.ts';

/** Adds every circle of scripts that wait for each other because several jobs name them in different orders; says which jobs. */
export function checkCircles(jobs: readonly Job[], problems: ProblemList): void {
  const graph = new Map([...parentsOf(jobs)].map(([script, parents]) => [script, [...parents.keys()].filter((parent) => parent !== script)]));
  for (let circle = shortestCircle(graph); circle !== undefined; circle = shortestCircle(graph)) {
    const links = circle.map((script, at, all) => {
      const parent = all[(at + 1) % all.length]!;
      const because = parentsOf(jobs).get(script)?.get(parent) ?? [];
      return `"${script}" waits for "${parent}" (${because.map((job) => `job "${job.name}"`).join(', ')})`;
    });
    const last = links.pop()!;
    problems.add(lineOf(jobs, circle[0]!), 'jobs that do not wait for each other', `a circle: ${links.length === 0 ? last : `${links.join(', ')}, and ${last}`}`);
    for (const script of circle) graph.delete(script);
  }
}

function lineOf(jobs: readonly Job[], script: string): number {
  return jobs.flatMap(({ steps }) => steps.flat()).find((use) => use.script === script)?.line ?? 0;
}
