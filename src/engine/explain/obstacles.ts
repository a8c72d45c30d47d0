import { PROCESSING } from '../../status/status.ts';
import type { StatusType } from '../../status/status.ts';
import type { Failure } from '../advance.ts';
import { limitsOf, type Limit } from '../room.ts';
import type { EntryState, Snapshot, TaskState, UnqualifiedState } from './snapshot.ts';

/** Why an entry is not claimed; then, why nobody is there who would claim it. Instants are ISO 8601 texts. */
export type Obstacle =
  /** Its status is not the one that it is claimed from: it is done, or failed. */
  | { kind: 'done'; status: string; type: StatusType; claimFrom: string; since: string; failure: Failure | null; reason: string | null }
  | { kind: 'running'; attempt: number; by: string | null; since: string; leaseSeconds: number; progress: number | null; cancelledBy: string | null; cancelReason: string | null }
  /** Any of the statuses `wanted` will do; `found` is null where the object has no entry of that task. */
  | { kind: 'prerequisite'; task: string; wanted: readonly string[]; found: string | null; since: string | null }
  /** A job waits for a parent. */
  | { kind: 'parent'; id: string; name: string; state: string; reason: string | null }
  /** A job waits for others of its key. */
  | { kind: 'key'; key: string; most: number | null; ahead: number }
  /** `task` is null where the object is held as a whole. */
  | { kind: 'hold'; task: string | null; by: string; reason: string; at: string; until: string | null }
  /** The counter or the mark in the register disagrees with what it is made of: a defect. */
  | { kind: 'drift'; unmet: number; held: boolean }
  | { kind: 'inactive' }
  | { kind: 'schedule off'; by: string | null }
  | { kind: 'window'; from: string; to: string; zone: string; opensAt: string | null }
  | { kind: 'due'; at: string; isOver: boolean; reason: string | null; setbacks: number; mostAttempts: number; waitsFor: string | null }
  /** It lies in a queue outside, from where a worker takes it. */
  | { kind: 'dispatched'; since: string; until: string }
  /** `here` is null where no runner of the task is known. */
  | { kind: 'outdated'; needed: number; here: number }
  | ({ kind: 'limit'; probedBy: string | null; error: string | null } & Limit)
  | { kind: 'turn'; ahead: number; room: number; by: string }
  | { kind: 'no runner' }
  | { kind: 'no run' }
  | { kind: 'on schedule'; nextAt: string | null }
  | { kind: 'no daemon' }
  | { kind: 'labels'; requires: readonly string[] }
  /** All daemons that could run it do not qualify now. */
  | { kind: 'unqualified'; daemons: readonly { daemon: string; reason: string; againAt: string }[] }
  | { kind: 'no place'; running: number; concurrency: number };

/** Obstacles that a claim does not know of: with them alone, an entry is eligible, but nobody is there to claim it now. */
const OUTSIDE: ReadonlySet<Obstacle['kind']> = new Set(['no runner', 'no run', 'on schedule', 'no daemon', 'labels', 'unqualified', 'no place']);

/** Why an entry runs or does not. */
export interface Explanation {
  subject: string;
  task: string;
  /** Of the subject: `transient`, `job:…`, … */
  kind: string;
  status: string;
  type: StatusType;
  /** Whether a claim would take it. */
  claimable: boolean;
  /** All that keeps it from running; empty where it can run now. */
  obstacles: readonly Obstacle[];
  /** Where prerequisites are not met: the entries that it comes down to, each with what keeps it. */
  roots: readonly { task: string; status: string; obstacles: readonly Obstacle[] }[];
}

/** Of a task's runner, what the database does not know. */
export interface RunnerFacts {
  version: number;
  wakes: 'at once' | 'on schedule';
}

/**
 * Says of every entry of a snapshot what keeps it from running. Pure; it must agree with what the claim's SQL selects, and a
 * test compares them.
 *
 * @param runners by task, those of the newest daemon that is known; undefined where nothing is known of runners
 */
export function explain(snapshot: Snapshot, runners?: ReadonlyMap<string, RunnerFacts>): Explanation[] {
  const explainer = new Explainer(snapshot, runners);
  return snapshot.entries.map((entry) => explainer.explain(entry));
}

class Explainer {
  readonly #snapshot: Snapshot;
  readonly #runners: ReadonlyMap<string, RunnerFacts> | undefined;
  readonly #tasks: ReadonlyMap<number, TaskState>;
  readonly #entries: ReadonlyMap<string, EntryState>;

  constructor(snapshot: Snapshot, runners: ReadonlyMap<string, RunnerFacts> | undefined) {
    this.#snapshot = snapshot;
    this.#runners = runners;
    this.#tasks = new Map(snapshot.tasks.map((task) => [task.id, task]));
    this.#entries = new Map(snapshot.entries.map((entry) => [`${entry.subjectId}/${entry.taskId}`, entry]));
  }

  explain(entry: EntryState): Explanation {
    const obstacles = this.#obstacles(entry);
    const { subject, status, type } = entry;
    const task = this.#taskOf(entry);
    const waits = obstacles.some(({ kind }) => kind === 'prerequisite');
    return {
      subject, task: task.name, kind: task.kind, status, type, obstacles,
      claimable: obstacles.every(({ kind }) => OUTSIDE.has(kind)),
      roots: waits ? this.#roots(entry).map((root) => ({ task: this.#taskOf(root).name, status: root.status, obstacles: this.#obstacles(root) })) : [],
    };
  }

  #obstacles(entry: EntryState): Obstacle[] {
    const task = this.#taskOf(entry);
    const holds = this.#holds(entry);
    const lost: Obstacle[] = entry.runIsAlive === false ? [{ kind: 'no run' }] : [];
    if (entry.status === PROCESSING) return [runningOf(entry), ...lost, ...holds];
    if (entry.status !== task.claimFrom) {
      const { status, type, since, failure, reason, error } = entry;
      return [{ kind: 'done', status, type, claimFrom: task.claimFrom, since, failure, reason: reason ?? error }, ...holds];
    }
    const prerequisites = [...this.#unmet(entry, task), ...jobWaits(entry)];
    const drift: Obstacle[] = entry.unmet !== prerequisites.length || entry.held !== holds.length > 0 ? [{ kind: 'drift', unmet: entry.unmet, held: entry.held }] : [];
    const stops = [...prerequisites, ...holds, ...drift, ...this.#ofTask(task), ...dueOf(entry, task, this.#snapshot.now), ...limitsOfTask(task)];
    const turn = stops.length === 0 ? turnOf(entry, task) : [];
    // Nobody but the process of the run claims its scripts, and no daemon has runners for them.
    return [...stops, ...turn, ...(entry.runIsAlive === null ? this.#outside(entry, task) : lost)];
  }

  #unmet(entry: EntryState, task: TaskState): Obstacle[] {
    return task.requirements.flatMap(({ task: name, taskId, statuses }): Obstacle[] => {
      const found = this.#entryOf(entry, taskId);
      return found !== undefined && statuses.includes(found.status) ? [] : [{ kind: 'prerequisite', task: name, wanted: statuses, found: found?.status ?? null, since: found?.since ?? null }];
    });
  }

  #holds({ subjectId, taskId }: EntryState): Obstacle[] {
    return this.#snapshot.holds
      .filter((hold) => hold.subjectId === subjectId && (hold.taskId === null || hold.taskId === taskId))
      .map(({ taskId: id, by, reason, at, until }) => ({ kind: 'hold', task: id === null ? null : this.#tasks.get(id)!.name, by, reason, at, until }));
  }

  #ofTask(task: TaskState): Obstacle[] {
    const obstacles: Obstacle[] = [];
    if (!task.active) obstacles.push({ kind: 'inactive' });
    if (task.schedule?.enabled === false) obstacles.push({ kind: 'schedule off', by: task.schedule.editedBy });
    if (task.window !== null && !isOpen(task.window)) {
      const { from, to, zone, opensAt } = task.window;
      obstacles.push({ kind: 'window', from, to, zone, opensAt: from === to ? null : opensAt });
    }
    const here = this.#runners?.get(task.name)?.version;
    if (here !== undefined && here < task.version) obstacles.push({ kind: 'outdated', needed: task.version, here });
    return obstacles;
  }

  /** Who would claim it. */
  #outside(entry: EntryState, task: TaskState): Obstacle[] {
    const { daemons } = this.#snapshot;
    const obstacles: Obstacle[] = [];
    const runner = this.#runners?.get(task.name);
    if (this.#runners !== undefined && runner === undefined) obstacles.push({ kind: 'no runner' });
    if (runner?.wakes === 'on schedule') obstacles.push({ kind: 'on schedule', nextAt: task.schedule?.nextAt ?? null });
    const able = daemons.filter(({ labels }) => task.requires.every((label) => labels.includes(label)));
    const free = able.filter(({ running, concurrency }) => running < concurrency);
    if (daemons.length === 0) obstacles.push({ kind: 'no daemon' });
    else if (able.length === 0) obstacles.push({ kind: 'labels', requires: task.requires });
    else if (able.every(({ id }) => this.#unqualified(id, entry) !== undefined)) {
      obstacles.push({ kind: 'unqualified', daemons: able.map((daemon) => {
        const { reason, againAt } = this.#unqualified(daemon.id, entry)!;
        return { daemon: `${daemon.role} ${daemon.id} (${daemon.host}:${daemon.pid})`, reason, againAt };
      }) });
    } else if (free.length === 0) obstacles.push({ kind: 'no place', running: sum(able, ({ running }) => running), concurrency: sum(able, ({ concurrency }) => concurrency) });
    return obstacles;
  }

  #unqualified(daemonId: number, { taskId, qualifiesAs }: EntryState): UnqualifiedState | undefined {
    return this.#snapshot.unqualified.find((one) => one.daemonId === daemonId && one.taskId === taskId && (one.key === '' || one.key === qualifiesAs));
  }

  /** What it comes down to: upstream, the entries that do not themselves wait for others. */
  #roots(entry: EntryState, seen = new Set([entry.taskId])): EntryState[] {
    const task = this.#taskOf(entry);
    return task.requirements.flatMap(({ taskId, statuses }) => {
      const before = this.#entryOf(entry, taskId);
      if (before === undefined || statuses.includes(before.status) || seen.has(taskId)) return [];
      seen.add(taskId);
      const waits = before.status === this.#taskOf(before).claimFrom && this.#unmet(before, this.#taskOf(before)).length > 0;
      return waits ? this.#roots(before, seen) : [before];
    });
  }

  #taskOf({ taskId }: EntryState): TaskState {
    return this.#tasks.get(taskId)!;
  }

  #entryOf({ subjectId }: EntryState, taskId: number): EntryState | undefined {
    return this.#entries.get(`${subjectId}/${taskId}`);
  }
}

function runningOf({ attempt, runBy, startedAt, since, leaseSeconds, progress, cancelledBy, cancelReason }: EntryState): Obstacle {
  return { kind: 'running', attempt, by: runBy, since: startedAt ?? since, leaseSeconds: leaseSeconds ?? 0, progress, cancelledBy, cancelReason };
}

/** What a job waits for. */
function jobWaits({ parents, parkedBy }: EntryState): Obstacle[] {
  return [...parents.map((parent): Obstacle => ({ kind: 'parent', ...parent })), ...(parkedBy === null ? [] : [{ kind: 'key', ...parkedBy } as const])];
}

function dueOf({ dueAt, dispatchedAt, reason, setbacks, waitsFor }: EntryState, { mostAttempts }: TaskState, now: string): Obstacle[] {
  if (dueAt === null) return [];
  if (dispatchedAt !== null) return [{ kind: 'dispatched', since: dispatchedAt, until: dueAt }];
  return [{ kind: 'due', at: dueAt, isOver: new Date(dueAt) <= new Date(now), reason, setbacks, mostAttempts, waitsFor }];
}

function limitsOfTask(task: TaskState): Obstacle[] {
  return limitsOf(task).filter(({ entries }) => entries < 1).map((limit) => ({
    kind: 'limit', ...limit,
    probedBy: limit.limit === 'breaker' ? probeOf(task, limit.resource!) : null,
    error: limit.limit === 'breaker' ? (task.errors[limit.resource!] ?? null) : null,
  }));
}

function probeOf({ probes }: TaskState, resource: string): string | null {
  const probe = probes.find((one) => one.resource === resource);
  return probe === undefined ? null : `"${probe.task}" of ${probe.subject}${probe.by === null ? '' : ` on ${probe.by}`}`;
}

/** There is room, but others come first. */
function turnOf({ ahead }: EntryState, task: TaskState): Obstacle[] {
  const limits = limitsOf(task);
  if (limits.length === 0 || ahead === null) return [];
  const least = limits.reduce((one, other) => (other.entries < one.entries ? other : one));
  return ahead >= least.entries ? [{ kind: 'turn', ahead, room: least.entries, by: least.by }] : [];
}

// The time when it closes is left out; it may lie on the next day.
function isOpen({ from, to, local }: { from: string; to: string; local: string }): boolean {
  return from <= to ? local >= from && local < to : local >= from || local < to;
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number => items.reduce((total, item) => total + of(item), 0);
