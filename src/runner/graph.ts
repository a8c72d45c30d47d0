import type { TaskFixture } from '../fixtures/fixture.ts';
import { INITIAL, PROCESSING } from '../status/status.ts';
import { oneOf, statusesOf } from './prerequisites.ts';
import type { Prerequisites } from './prerequisites.ts';
import { isSubjectRunner } from './runner.ts';
import type { TaskRunner } from './runner.ts';

/** `task` may run once `prerequisite`, another task of the same object, has one of `statuses`. */
export interface Requirement {
  readonly task: string;
  readonly prerequisite: string;
  /** One or more, as the runner names them. */
  readonly statuses: readonly string[];
}

/** A task that objects go through. */
export interface TaskNode {
  readonly name: string;
  /** The kind of its objects. */
  readonly kind: string;
  readonly active: boolean;
  /** The status that its entries are claimed from: the one that its runner names for its own task, else `not processed`. */
  readonly claimFrom: string;
  /** Whether a runner does it. */
  readonly hasRunner: boolean;
}

/** The tasks that objects go through and what they wait for; system tasks have no place in it. */
export interface TaskGraph {
  /** Prerequisites before those who wait for them, else in the order of the fixtures. */
  readonly tasks: readonly TaskNode[];
  /** On other tasks only, in the order of `tasks`; a task's own status is its `claimFrom`. */
  readonly requirements: readonly Requirement[];
}

/**
 * The graph of a set of runners, for pages, diagrams, the columns of exports and the prerequisites in the database.
 *
 * It shows what it is given and judges nothing: see `checkGraph`. Prerequisites on tasks that are not among `tasks` are
 * left out; in a circle, the task that the fixtures name first comes first.
 */
export function taskGraph({ tasks, runners }: { tasks: readonly TaskFixture[]; runners: readonly TaskRunner[] }): TaskGraph {
  const declared = new Map(runners.filter(isSubjectRunner).map((runner) => [runner.taskName, readable(runner.prerequisites)]));
  const nodes = tasks
    .filter(({ kind }) => kind !== 'system')
    .map(({ name, kind, active }): TaskNode => {
      return { name, kind, active, claimFrom: declared.get(name)?.get(name)?.[0] ?? INITIAL, hasRunner: declared.has(name) };
    });
  const known = new Set(nodes.map(({ name }) => name));
  const requirements = nodes.flatMap(({ name: task }) =>
    [...(declared.get(task) ?? [])]
      .filter(([prerequisite]) => prerequisite !== task && known.has(prerequisite))
      .map(([prerequisite, statuses]): Requirement => ({ task, prerequisite, statuses })),
  );
  const ordered = inOrder(nodes, requirements);
  const place = new Map(ordered.map(({ name }, at) => [name, at]));
  return { tasks: ordered, requirements: requirements.toSorted((a, b) => (place.get(a.task) ?? 0) - (place.get(b.task) ?? 0)) };
}

/** The tasks that wait for a status of this one, in the graph's order. */
export function dependents(graph: TaskGraph, task: string): string[] {
  return graph.requirements.filter(({ prerequisite }) => prerequisite === task).map((requirement) => requirement.task);
}

/**
 * The graph as a Mermaid flowchart, without a line break at its end. Edges run from prerequisite to waiting task and
 * carry the awaited status, or the alternatives; dashed ones say that the prerequisite must not have begun. Tasks that are
 * inactive, or that no runner does, have a dashed border.
 *
 * @param options `everyEdge`: draw the edges too that follow from others (a prerequisite of a prerequisite); off by default
 */
export function mermaid(graph: TaskGraph, options: { everyEdge?: boolean } = {}): string {
  const ids = new Map(graph.tasks.map(({ name }, at) => [name, `t${at + 1}`]));
  const claimFrom = new Map(graph.tasks.map((node) => [node.name, node.claimFrom]));
  const isStill = ({ prerequisite, statuses }: Requirement): boolean => statuses.every((status) => claimFrom.get(prerequisite) === status);
  const lasts = ({ prerequisite, statuses }: Requirement): boolean => !statuses.includes(PROCESSING) && !statuses.includes(claimFrom.get(prerequisite) ?? INITIAL);
  const drawn = options.everyEdge ? graph.requirements : withoutImplied(graph.requirements, lasts);
  const dashed = graph.tasks.filter(({ active, hasRunner }) => !active || !hasRunner).map(({ name }) => ids.get(name));
  return [
    'flowchart TD',
    ...graph.tasks.map(({ name }) => `  ${ids.get(name)}["${escaped(name)}"]`),
    ...drawn.map((requirement) => {
      const arrow = isStill(requirement) ? '-.->' : '-->';
      return `  ${ids.get(requirement.prerequisite)} ${arrow}|"${escaped(oneOf(requirement.statuses))}"| ${ids.get(requirement.task)}`;
    }),
    ...graph.tasks.filter((node) => node.claimFrom !== INITIAL).map((node) => `  ${ids.get(node.name)} -->|"${escaped(node.claimFrom)}"| ${ids.get(node.name)}`),
    ...(dashed.length === 0 ? [] : ['  classDef idle stroke-dasharray: 5 5', `  class ${dashed.join(',')} idle`]),
  ].join('\n');
}

/** Task and statuses of what can be read; the rest is for `checkGraph` to judge. */
function readable(prerequisites: Prerequisites | undefined): Map<string, readonly string[]> {
  const textsOf = (wanted: unknown): string[] => (Array.isArray(wanted) ? wanted : [wanted]).filter((status): status is string => typeof status === 'string');
  const pairs = Object.entries(prerequisites ?? {}).map(([task, wanted]) => [task, statusesOf(textsOf(wanted))] as const);
  return new Map(pairs.filter(([, statuses]) => statuses.length > 0));
}

/** Kahn's algorithm, always taking the first of the fixtures that is ready. "Is still untouched" counts as the reverse edge, as long as that closes no circle; with an alternative it is no edge. */
function inOrder(nodes: readonly TaskNode[], requirements: readonly Requirement[]): TaskNode[] {
  const claimFrom = new Map(nodes.map((node) => [node.name, node.claimFrom]));
  const firm = new Map<string, string[]>();
  const loose = new Map<string, string[]>();
  for (const { task, prerequisite, statuses } of requirements) {
    const untouched = claimFrom.get(prerequisite) ?? INITIAL;
    if (!statuses.includes(untouched)) firm.set(task, [...(firm.get(task) ?? []), prerequisite]);
    else if (statuses.every((status) => status === untouched)) loose.set(prerequisite, [...(loose.get(prerequisite) ?? []), task]);
  }
  const left = new Map(nodes.map((node) => [node.name, node]));
  const isReady = ({ name }: TaskNode, befores: readonly ReadonlyMap<string, string[]>[]): boolean =>
    befores.every((before) => !before.get(name)?.some((other) => left.has(other)));
  const ordered: TaskNode[] = [];
  while (left.size > 0) {
    const waiting = [...left.values()];
    const next = waiting.find((node) => isReady(node, [firm, loose])) ?? waiting.find((node) => isReady(node, [firm])) ?? (waiting[0] as TaskNode);
    ordered.push(next);
    left.delete(next.name);
  }
  return ordered;
}

/**
 * The requirements that do not follow from others: "B waits for A" need not be drawn where B waits for C and C for A.
 * It follows only from statuses that stay once they are reached (`lasts`), so not from `processing` nor from one that the task is claimed from.
 */
function withoutImplied(requirements: readonly Requirement[], lasts: (requirement: Requirement) => boolean): Requirement[] {
  const lasting = Map.groupBy(requirements.filter(lasts), ({ task }) => task);
  return requirements.filter((requirement) => {
    const own = lasting.get(requirement.task) ?? [];
    if (!own.includes(requirement)) return true;
    const seen = new Set([requirement.task]);
    const open = own.filter((other) => other !== requirement).map(({ prerequisite }) => prerequisite);
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const behind = lasting.get(at) ?? [];
      if (behind.some(({ prerequisite, statuses }) => prerequisite === requirement.prerequisite && statuses.every((status) => requirement.statuses.includes(status)))) return false;
      open.push(...behind.map(({ prerequisite }) => prerequisite));
    }
    return true;
  });
}

/** Mermaid ends a quoted label at a quotation mark and reads HTML, Markdown (lists too: `1. `, `- `) and `#name;` in it: all of these as numeric entities. */
function escaped(text: string): string {
  return text.replace(/[^\p{L}\p{N} ,:()/_.-]|[.-](?![\p{L}\p{N}])/gu, (mark) => `#${mark.codePointAt(0)};`);
}
