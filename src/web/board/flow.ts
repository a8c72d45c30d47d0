import type { BoardTask, Catalogue } from './catalogue.ts';
import type { RegisterJob } from './register-job.ts';

/** A job with those that it waits for. */
export interface FlowNode {
  job: RegisterJob;
  children: FlowNode[];
}

/** The tasks of a kind of object as the board's flow draws them: from the last task down to its prerequisites. */
export interface FlowShape {
  /** The task that stands above this one: of those that wait for it, the one with most below it. */
  parentOf(task: string): string | undefined;
  /** The tasks right below this one, without those that are also further below. */
  childrenOf(task: string): readonly string[];
}

/**
 * The shape of the flow. Prerequisites that come later in the order of tasks are left out ("this task must not have begun"), so
 * that it has no circles.
 */
export function flowShape({ tasks }: Catalogue): FlowShape {
  const place = new Map(tasks.map(({ name }, at) => [name, at]));
  const below = new Map<string, ReadonlySet<string>>();
  const children = new Map<string, readonly string[]>();
  for (const task of tasks) {
    const direct = directBelow(task, place);
    const further = new Set(direct.flatMap((name) => [...(below.get(name) ?? [])]));
    below.set(task.name, new Set([...direct, ...further]));
    children.set(task.name, direct.filter((name) => !further.has(name)));
  }
  const parents = new Map<string, string>();
  for (const { name } of tasks) {
    const above = tasks.filter((task) => children.get(task.name)?.includes(name));
    const most = above.toSorted((a, b) => (below.get(b.name)?.size ?? 0) - (below.get(a.name)?.size ?? 0))[0];
    if (most !== undefined) parents.set(name, most.name);
  }
  return { parentOf: (task) => parents.get(task), childrenOf: (task) => children.get(task) ?? [] };
}

function directBelow({ name, requirements }: BoardTask, place: ReadonlyMap<string, number>): string[] {
  return requirements.map(({ task }) => task).filter((task) => (place.get(task) ?? Infinity) < (place.get(name) ?? 0));
}

/**
 * The jobs of one object below a task. A prerequisite of two tasks stands below both; the board draws it once.
 *
 * @param depth levels at most, the task's own among them
 */
export function flowTree(shape: FlowShape, jobs: ReadonlyMap<string, RegisterJob>, task: string, depth: number): FlowNode | undefined {
  // Shared: written out, a graph of forty tasks can have more paths than there are atoms.
  const made = new Map<string, FlowNode>();
  const node = (name: string, levels: number): FlowNode | undefined => {
    const job = jobs.get(name);
    if (job === undefined) return undefined;
    const key = `${levels} ${name}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const children = levels <= 1 ? [] : shape.childrenOf(name).flatMap((child) => node(child, levels - 1) ?? []);
    const own = { job, children };
    made.set(key, own);
    return own;
  };
  return node(task, depth);
}
