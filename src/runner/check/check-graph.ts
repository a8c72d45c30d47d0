import { kinds, noRunner, twoRunners, unknownTasks } from './assignment.ts';
import { contradictions } from './contradictions.ts';
import { cycles } from './cycles.ts';
import type { Finding } from './finding.ts';
import { isolation } from './isolation.ts';
import { labels } from './labels.ts';
import { limits } from './limits.ts';
import { builtIns, names } from './names.ts';
import { endlessLoops, failedStatuses, returnedStatuses } from './outcomes.ts';
import { doubtfulWaits, otherKinds, ownStatuses, unknownPrerequisites } from './prerequisites.ts';
import { reads } from './reads.ts';
import { policies } from './policies.ts';
import { read } from './reading.ts';
import { requests } from './requests.ts';
import { resources } from './resources.ts';
import { retries } from './retries.ts';
import { schedules } from './schedules.ts';
import { unproduced } from './unproduced.ts';
import { unusable } from './unusable.ts';
import { readWorld } from './world.ts';
import type { GraphInput, World } from './world.ts';

export type { Finding } from './finding.ts';
export type { GraphInput } from './world.ts';

const CHECKS: readonly ((world: World) => Iterable<Finding>)[] = [
  names,
  builtIns,
  ({ unreadable }) => unreadable,
  unknownTasks,
  twoRunners,
  kinds,
  unknownPrerequisites,
  otherKinds,
  ownStatuses,
  failedStatuses,
  returnedStatuses,
  endlessLoops,
  unproduced,
  cycles,
  contradictions,
  schedules,
  limits,
  retries,
  resources,
  isolation,
  unusable,
  labels,
  policies,
  reads,
  doubtfulWaits,
  noRunner,
];

/**
 * Everything that is wrong, or looks wrong, with a graph of tasks before any of it runs. Errors would keep work from
 * being done and should stop the start; warnings should be logged.
 *
 * Only what needs no luck is reported as an error: a status counts as possible unless the runner's declared `returns`
 * exclude it, and a task counts as able to run unless no order of events whatever lets it. One mistake is reported
 * once, where it was made, and not again at each task behind it.
 *
 * @param input `runners` may be anything at all, it comes from users' files; nothing is thrown
 * @returns errors first, else in the order of the checks, the fixtures and the list of runners: the same input gives the same list
 */
export function checkGraph(input: GraphInput): Finding[] {
  const world = readWorld(input);
  const findings = [...CHECKS.flatMap((check) => [...check(world)]), ...requests(read(input, 'runners'))];
  return [...findings.filter(({ severity }) => severity === 'error'), ...findings.filter(({ severity }) => severity === 'warning')];
}
