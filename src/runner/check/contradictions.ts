import { shortestCircle, sorted } from './digraph.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { runFirst, stepsOf } from './steps.ts';
import type { Step } from './steps.ts';
import { anyOf, quote } from './words.ts';
import type { World } from './world.ts';

/**
 * Tasks that can never start although each of their prerequisites, taken alone, can be met.
 *
 * Walking through all states that an object can reach would take 2^tasks steps. It is not needed, because prerequisites
 * are a conjunction and each task has one runner: what has to happen before a task starts is one fixed set of attempts
 * (those it waits for, those that they wait for, and so on), and the only freedom is their order and, of alternatives, the
 * end. So it can start if and only if each task of the set has an end that suits all who wait for one, and the beginnings
 * and ends can be put in an order:
 *
 *   "X waits for A to be done so"      end of A before beginning of X
 *   "X waits for A to be processing"   beginning of A before beginning of X before end of A
 *   "X waits for A to be untouched"    beginning of X before (last) beginning of A
 *
 * This rests on a status that an attempt leaves staying, unless the task is claimed from that very status: "untouched"
 * means that one. A test compares the verdict with a walk over all states of random small graphs. They agree, but that
 * a task which may be repeated and is awaited while it runs is sometimes let pass, and so is one that has alternatives of
 * different sorts (untouched, running, done); the other error is never made.
 */
export function* contradictions(world: World): Generator<Finding> {
  const steps = stepsOf(world);
  const { order } = sorted(new Map([...steps].map(([task, step]) => [task, runFirst(step)])));
  const possible = possibleTasks(order, steps);
  const never = new Set<string>();
  for (const task of order) {
    const step = steps.get(task);
    if (step === undefined || possible.has(task)) continue;
    const reason = runFirst(step).some((other) => never.has(other)) ? 'behind another' : reasonAgainst(step, coneOf(step, steps), steps);
    if (reason === undefined) continue;
    never.add(task);
    if (reason !== 'behind another') yield finding('contradiction', task, `${quote(task)} can never start, because what it waits for contradicts itself: ${reason}.`);
  }
}

/** What can happen before a late task can happen before each of its ancestors as well, so that one look at each last task settles most graphs. */
function possibleTasks(order: readonly string[], steps: ReadonlyMap<string, Step>): Set<string> {
  const possible = new Set<string>();
  const looked = new Set<string>();
  for (const task of order.toReversed()) {
    const step = steps.get(task);
    if (step === undefined || looked.has(task)) continue;
    const cone = coneOf(step, steps);
    const isPossible = reasonAgainst(step, cone, steps) === undefined;
    for (const one of [task, ...cone]) {
      looked.add(one);
      if (isPossible) possible.add(one);
    }
  }
  return possible;
}

function reasonAgainst(step: Step, cone: ReadonlySet<string>, steps: ReadonlyMap<string, Step>): string | undefined {
  return twoEnds(step, cone, steps) ?? impossibleOrder(step, cone, steps);
}

/** All tasks that must have been attempted before a step can start, without its own. */
function coneOf(step: Step, steps: ReadonlyMap<string, Step>): Set<string> {
  const cone = new Set<string>();
  const open = runFirst(step);
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    if (cone.has(task)) continue;
    cone.add(task);
    const other = steps.get(task);
    if (other !== undefined) open.push(...runFirst(other));
  }
  return cone;
}

function twoEnds(goal: Step, cone: ReadonlySet<string>, steps: ReadonlyMap<string, Step>): string | undefined {
  const ends = new Map<string, { left: readonly string[]; wishes: { statuses: readonly string[]; by: string }[] }>();
  for (const step of membersOf(goal, cone, steps)) {
    for (const { task, statuses, by } of step.needs) {
      if (by !== 'done') continue;
      const { left, wishes } = ends.get(task) ?? { left: statuses, wishes: [] };
      const both = left.filter((status) => statuses.includes(status));
      if (both.length === 0) {
        const against = wishes.find((wish) => !wish.statuses.some((status) => statuses.includes(status)));
        const others = (against === undefined ? wishes : [against]).map((wish) => `${quote(wish.by)} waits for ${quote(task)} to be ${anyOf(wish.statuses)}`);
        return `${others.join(', ')}, but ${quote(step.task)} waits for it to be ${anyOf(statuses)}`;
      }
      ends.set(task, { left: both, wishes: [...wishes, { statuses, by: step.task }] });
    }
  }
  return undefined;
}

function impossibleOrder(goal: Step, cone: ReadonlySet<string>, steps: ReadonlyMap<string, Step>): string | undefined {
  const events = eventsOf(goal, cone, steps);
  const circle = shortestCircle(new Map([...events].map(([event, later]) => [event, [...later.keys()]])));
  return circle?.flatMap((event, at, all) => events.get(event)?.get(all[(at + 1) % all.length] ?? '')?.() ?? []).join(', ');
}

/** Why one event must precede another; undefined where that is plain, since an attempt ends after it began. */
type Because = (() => string) | undefined;

/**
 * The order that the events before a step must have: each with those that must be later. The events are the beginnings
 * and ends of attempts; of a task that may be repeated, the last attempt counts, and apart from it one that is only
 * seen running and may be an earlier one.
 */
function eventsOf(goal: Step, cone: ReadonlySet<string>, steps: ReadonlyMap<string, Step>): Map<string, Map<string, Because>> {
  const members = membersOf(goal, cone, steps);
  const tasksBy = (by: string): Set<string> => new Set(members.flatMap(({ needs }) => needs.filter((need) => need.by === by).map(({ task }) => task)));
  const [ended, seenRunning] = [tasksBy('done'), tasksBy('running')];
  const repeats = (task: string): boolean => task !== goal.task && steps.get(task)?.repeats === true;
  const hasLast = (task: string): boolean => ended.has(task) || !repeats(task);

  const later = new Map<string, Map<string, Because>>();
  const add = (event: string, other: string, because?: Because): void => {
    const known = later.get(event);
    if (known === undefined) later.set(event, new Map([[other, because]]));
    else known.set(other, because);
  };
  for (const { task: own, needs } of members) {
    if (ended.has(own)) add(beginning(own), end(own));
    const beginnings = [...(hasLast(own) ? [beginning(own)] : []), ...(repeats(own) && seenRunning.has(own) ? [repetition(own)] : [])];
    for (const { task, statuses, by } of needs) {
      const waits = (): string => `${quote(own)} waits for ${quote(task)} to be ${anyOf(statuses)}`;
      const precedes = (): string => `${quote(own)} must begin while ${quote(task)} is still ${anyOf(statuses)}`;
      for (const begin of beginnings) {
        if (by === 'done') add(end(task), begin, waits);
        if (by === 'begun' && !repeats(task)) add(beginning(task), begin, waits);
        if (by === 'still' && cone.has(task) && hasLast(task)) add(begin, beginning(task), precedes);
        if (by === 'running') {
          add(repeats(task) ? repetition(task) : beginning(task), begin, waits);
          if (ended.has(task)) add(begin, end(task), precedes);
        }
      }
    }
  }
  return later;
}

function membersOf(goal: Step, cone: ReadonlySet<string>, steps: ReadonlyMap<string, Step>): Step[] {
  return [goal, ...[...steps.values()].filter(({ task }) => task !== goal.task && cone.has(task))];
}

function beginning(task: string): string {
  return `beginning of ${task}`;
}
function end(task: string): string {
  return `end of ${task}`;
}
function repetition(task: string): string {
  return `earlier beginning of ${task}`;
}
