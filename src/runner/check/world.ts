import { INITIAL, STATUS_TYPES } from '../../status/status.ts';
import type { Status, StatusType } from '../../status/status.ts';
import type { ResourceFixture, TaskFixture } from '../../fixtures/fixture.ts';
import type { Declaration } from './declaration.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { listFrom, read } from './reading.ts';
import { readRunners } from './read-runners.ts';
import { show } from './words.ts';

/** What is analysed. */
export interface GraphInput {
  statuses: readonly Status[];
  tasks: readonly TaskFixture[];
  /** None unless given. */
  resources?: readonly ResourceFixture[];
  /** The list that `runners/index.ts` exports: users' code, so it may be anything. */
  runners: unknown;
  /** Statuses that fixtures give to some objects from the beginning: those can be awaited even where no runner leaves them. */
  entries?: readonly { task: string; status: string }[];
}

/** A task of the fixtures, as far as it could be read. */
export interface KnownTask {
  readonly name: string;
  readonly kind: string | undefined;
  readonly active: boolean;
  readonly timeLimitSeconds: unknown;
  /** Whether it is done at some part of the day only. */
  readonly hasWindow: boolean;
}

/** A resource of the fixtures; a limit that it does not have is undefined. */
export interface KnownResource {
  readonly concurrency: number | undefined;
  readonly perMinute: number | undefined;
}

/** Everything that the checks look at: plain copies, so that no check has to expect a surprise. */
export interface World {
  /** As given, duplicates and all. */
  readonly statusNames: readonly string[];
  readonly taskNames: readonly string[];
  readonly statuses: ReadonlyMap<string, StatusType | undefined>;
  readonly resourceNames: readonly string[];
  readonly tasks: ReadonlyMap<string, KnownTask>;
  readonly resources: ReadonlyMap<string, KnownResource>;
  readonly declarations: readonly Declaration[];
  /** The runner of each task of the fixtures; where two claim one, the first. */
  readonly runnerOf: ReadonlyMap<string, Declaration>;
  /** Whether all runners and their tasks are known: else "no runner does it" cannot be said of any task. */
  readonly complete: boolean;
  /** Whether fixtures put some object's entry there from the beginning. */
  readonly isGiven: (task: string, status: string) => boolean;
  /** What was found while reading. */
  readonly unreadable: readonly Finding[];
}

/** Takes plain copies of all that is given and never throws. */
export function readWorld(input: GraphInput): World {
  const unreadable: Finding[] = [];
  const rowsOf = (what: string, value: unknown): unknown[] => {
    const rows = listFrom(value);
    if (rows === undefined) unreadable.push(finding('fixture-unreadable', undefined, `The ${what} should be a list, but they are ${show(value)}.`));
    return rows ?? [];
  };
  const named = (what: string, key: string, rows: readonly unknown[]): { name: string; row: unknown }[] =>
    rows.flatMap((row, at) => {
      const name = read(row, key);
      if (typeof name === 'string') return [{ name, row }];
      unreadable.push(finding('fixture-unreadable', undefined, `Number ${at + 1} of the ${what} should have a ${key}, a text, but it has ${show(name)}.`));
      return [];
    });

  const statusRows = named('statuses', 'message', rowsOf('statuses', read(input, 'statuses')));
  const taskRows = named('tasks', 'name', rowsOf('tasks', read(input, 'tasks')));
  const resourceRows = named('resources', 'name', rowsOf('resources', read(input, 'resources') ?? []));
  const statuses = new Map<string, StatusType | undefined>();
  for (const { name, row } of statusRows) {
    const type = STATUS_TYPES.find((known) => known === read(row, 'type'));
    if (type === undefined) {
      const message = `The status ${show(name)} should be of type ${STATUS_TYPES.join(', ')}, but its type is ${show(read(row, 'type'))}.`;
      unreadable.push(finding('status-type-unknown', undefined, message));
    }
    if (!statuses.has(name)) statuses.set(name, type);
  }
  const tasks = new Map<string, KnownTask>();
  for (const { name, row } of taskRows) {
    const kind = read(row, 'kind');
    if (typeof kind !== 'string' || kind.trim() === '') {
      unreadable.push(finding('fixture-unreadable', name, `The task ${show(name)} should have a kind, such as transient or system, but it has ${show(kind)}.`));
    }
    const known = {
      name, kind: typeof kind === 'string' ? kind : undefined, active: read(row, 'active') !== false, timeLimitSeconds: read(row, 'timeLimitSeconds'),
      hasWindow: (read(row, 'window') ?? undefined) !== undefined,
    };
    if (!tasks.has(name)) tasks.set(name, known);
  }

  const numberOf = (row: unknown, field: string): number | undefined => {
    const value = read(row, field);
    return typeof value === 'number' ? value : undefined;
  };
  const resources = new Map(resourceRows.map(({ name, row }) => [name, { concurrency: numberOf(row, 'concurrency'), perMinute: numberOf(row, 'perMinute') }]));

  const { declarations, findings, complete } = readRunners(read(input, 'runners'));
  unreadable.push(...findings);
  const runnerOf = new Map<string, Declaration>();
  for (const declaration of declarations) {
    const { taskName } = declaration;
    if (taskName !== undefined && tasks.has(taskName) && !runnerOf.has(taskName)) runnerOf.set(taskName, declaration);
  }
  const keyOf = (task: unknown, status: unknown): string => (typeof task === 'string' && typeof status === 'string' ? JSON.stringify([task, status]) : '');
  const entries = new Set((listFrom(read(input, 'entries')) ?? []).map((entry) => keyOf(read(entry, 'task'), read(entry, 'status'))));
  return {
    statusNames: statusRows.map(({ name }) => name),
    taskNames: taskRows.map(({ name }) => name),
    resourceNames: resourceRows.map(({ name }) => name),
    statuses,
    tasks,
    resources,
    declarations,
    runnerOf,
    complete: complete && declarations.every(({ taskName }) => tasks.has(taskName ?? '')),
    isGiven: (task, status) => entries.has(keyOf(task, status)),
    unreadable,
  };
}

/** The declarations that do a known task for each object, with that task. */
export function subjectRunners(world: World): { task: string; runner: Declaration }[] {
  return [...world.tasks.keys()].flatMap((task) => {
    const runner = world.runnerOf.get(task);
    return runner === undefined || runner.system ? [] : [{ task, runner }];
  });
}

/** The status that entries of a task are claimed from: its own one among the prerequisites, else the initial one. */
export function claimedFrom(task: string, runner: Declaration): string {
  return runner.prerequisites.find(([name]) => name === task)?.[1][0] ?? INITIAL;
}
