import { INITIAL, PROCESSING, TIME_LIMIT_EXCEEDED } from '../../status/status.ts';
import type { Declaration } from './declaration.ts';
import { claimedFrom, subjectRunners } from './world.ts';
import type { World } from './world.ts';

/** One other task that a step waits for. */
export interface Need {
  readonly task: string;
  /** Any of which will do; those that the task can come to. */
  readonly statuses: readonly string[];
  /**
   * What has to happen before it can hold: `done`, an attempt of that task has ended so; `running`, an attempt of it
   * is under way; `begun`, either; `still`, that task's last attempt has not begun; `free`, nothing, or nothing that is known.
   */
  readonly by: 'done' | 'running' | 'begun' | 'still' | 'free';
}

/** What one object can do in one task: the graph that the checks of the whole walk along. */
export interface Step {
  readonly task: string;
  readonly runner: Declaration;
  /** The status it is claimed from. */
  readonly from: string;
  /** The statuses that an attempt can end with; undefined: any. */
  readonly outcomes: ReadonlySet<string> | undefined;
  readonly needs: readonly Need[];
  /** Whether an attempt can leave the entry where it was claimed from, so that there may be several. */
  readonly repeats: boolean;
}

/**
 * The steps of all tasks that a runner does, in the order of the fixtures. Whatever has a mistake of its own (an
 * unknown name, a status that is never left behind) is taken as harmless here, so that one mistake is reported once.
 */
export function stepsOf(world: World): ReadonlyMap<string, Step> {
  const bare = subjectRunners(world).map(({ task, runner }) => {
    const own = claimedFrom(task, runner);
    const from = world.statuses.has(own) && own !== PROCESSING ? own : INITIAL;
    const outcomes = outcomesOf(runner, world);
    return { task, runner, from, outcomes, repeats: outcomes?.has(from) ?? true };
  });
  const byTask = new Map(bare.map((step) => [step.task, step]));
  return new Map(bare.map((step) => [step.task, { ...step, needs: needsOf(step.task, step.runner, byTask, world) }]));
}

function needsOf(task: string, runner: Declaration, steps: ReadonlyMap<string, Omit<Step, 'needs'>>, world: World): Need[] {
  return runner.prerequisites.flatMap(([name, wanted]): Need[] => {
    const other = steps.get(name);
    if (name === task || !wanted.every((status) => world.statuses.has(status))) return [];
    if (other === undefined || wanted.some((status) => world.isGiven(name, status))) return [{ task: name, statuses: wanted, by: 'free' }];
    const ways = wanted.map((status) => ({ status, by: wayTo(status, other) })).filter(({ by }) => by !== 'never');
    const by = joined(new Set(ways.map((way) => way.by as Need['by'])));
    return [{ task: name, statuses: ways.length === 0 ? wanted : ways.map(({ status }) => status), by }];
  });
}

function wayTo(status: string, { from, outcomes }: Omit<Step, 'needs'>): Need['by'] | 'never' {
  if (status === PROCESSING) return 'running';
  if (status === from) return 'still';
  if (status === INITIAL) return 'free';
  return isProduced(status, outcomes) ? 'done' : 'never';
}

/** What has to happen in any case where alternatives differ in it. */
function joined(ways: ReadonlySet<Need['by']>): Need['by'] {
  if (ways.size === 1) return [...ways][0] as Need['by'];
  return ways.size === 2 && ways.has('done') && ways.has('running') ? 'begun' : 'free';
}

/** The tasks that must have been attempted before a step can start. */
export function runFirst({ needs }: Step): string[] {
  return needs.filter(({ by }) => by === 'done' || by === 'running' || by === 'begun').map(({ task }) => task);
}

/** Whether an attempt can end with a status. */
export function isProduced(status: string, outcomes: ReadonlySet<string> | undefined): boolean {
  return outcomes === undefined || outcomes.has(status);
}

/** Undefined where returns are not declared, or not all of what is declared exists. */
function outcomesOf({ returns, failedStatusMessage: failed }: Declaration, { statuses }: World): ReadonlySet<string> | undefined {
  if (returns === undefined || returns.length === 0 || failed === undefined || ![...returns, failed].every((status) => statuses.has(status))) return undefined;
  return new Set([...returns, failed, TIME_LIMIT_EXCEEDED]);
}
