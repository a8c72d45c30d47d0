import { shortestCircle } from './digraph.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { runFirst, stepsOf } from './steps.ts';
import { anyOf, quote } from './words.ts';
import type { World } from './world.ts';

/**
 * Circles of tasks that wait for one another, so that none can ever start. A prerequisite closes a circle only if it
 * makes the other task run first: "is still not processed" does the reverse, and is legal.
 */
export function* cycles(world: World): Generator<Finding> {
  const steps = stepsOf(world);
  const graph = new Map([...steps].map(([task, step]) => [task, runFirst(step)]));
  for (let circle = shortestCircle(graph); circle !== undefined; circle = shortestCircle(graph)) {
    const links = circle.map((task, at, all) => {
      const next = all[(at + 1) % all.length] ?? task;
      const need = steps.get(task)?.needs.find((one) => one.task === next);
      return `${quote(task)} waits for ${quote(next)} to be ${anyOf(need?.statuses ?? [])}`;
    });
    const last = links.pop() ?? '';
    yield finding(
      'cycle',
      circle[0],
      `In a circle of ${circle.length} tasks each waits for the next, so none of them can ever start: ${links.join(', ')}, and ${last}.`,
    );
    // Its tasks now count as able to run, so that what is only behind this circle is not reported.
    for (const task of circle) graph.delete(task);
  }
}
