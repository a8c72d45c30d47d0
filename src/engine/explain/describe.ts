import { oneOf } from '../../runner/prerequisites.ts';
import { OMITTED } from '../../status/status.ts';
import type { Explanation, Obstacle } from './obstacles.ts';
import { MOST_AHEAD } from './snapshot.ts';

/** What is spoken of. */
interface About {
  subject: string;
  task: string;
  /** Of the subject; a transient or the like unless given. */
  kind?: string;
  /** The database's clock. */
  now: Date;
}

/** One sentence for people, with what they can do about it. */
export function describeObstacle(obstacle: Obstacle, about: About): string {
  const act = actOf(obstacle, about);
  return `${sentenceOf(obstacle, about)}${act === undefined ? '.' : `; ${act}.`}`;
}

/** The same without what can be done, where that stands beside it. */
export const describePlainly = (obstacle: Obstacle, about: About): string => `${sentenceOf(obstacle, about)}.`;

/** Why an entry with nothing in its way has not run yet. */
export const CAN_RUN = 'It can run now: the next look at the register takes it.';

/** Where prerequisites are not met: what it comes down to, one sentence each. */
export function describeRoots({ subject, kind, roots }: Explanation, now: Date): string[] {
  return roots.map(({ task, obstacles }) => {
    const about = { subject, task, kind, now };
    return `It comes down to "${task}": ${lowerFirst(obstacles.length === 0 ? CAN_RUN : obstacles.map((obstacle) => describeObstacle(obstacle, about)).join(' '))}`;
  });
}

function sentenceOf(obstacle: Obstacle, { task, now }: About): string {
  const at = (iso: string) => moment(new Date(iso), now);
  switch (obstacle.kind) {
    case 'done':
      return doneSentence(obstacle, at);
    case 'running': {
      const { attempt, by, since, leaseSeconds, progress, cancelledBy, cancelReason } = obstacle;
      const lease = leaseSeconds > 0 ? `its lease lasts another ${span(leaseSeconds)}` : `its lease ran out ${span(-leaseSeconds)} ago, so that it will be taken back`;
      const told = cancelReason === null ? '' : `; ${cancelledBy ?? 'somebody'} wants it stopped: ${cancelReason}`;
      return `It runs: attempt ${attempt}${by === null ? '' : ` on ${by}`}, since ${at(since)}${progress === null ? '' : `, ${Math.round(progress * 100)} % done`}; ${lease}${told}`;
    }
    case 'prerequisite': {
      const wanted = oneOf(obstacle.wanted.map((status) => `"${status}"`));
      if (obstacle.found === null) return `It waits for "${obstacle.task}" to be ${wanted}, which its object does not go through`;
      return `It waits for "${obstacle.task}" to be ${wanted}; that is "${obstacle.found}" since ${at(obstacle.since!)}`;
    }
    case 'parent':
      return `It waits for job ${obstacle.id} "${obstacle.name}", which ${parentStands(obstacle)}`;
    case 'key':
      return `It waits for its turn among the jobs of the key "${obstacle.key}"${obstacle.most === null ? '' : `, of which ${obstacle.most} may run at once`}; ${obstacle.ahead} came before it`;
    case 'hold':
      return `${obstacle.task === null ? 'Its object is' : 'It is'} held by ${obstacle.by} since ${at(obstacle.at)}: ${obstacle.reason}${obstacle.until === null ? '' : `; until ${at(obstacle.until)}`}`;
    case 'drift':
      return `The register says that ${obstacle.unmet} prerequisites are not met${obstacle.held ? ' and that it is held' : ''}, which is wrong: please report this`;
    case 'inactive':
      return `"${task}" is not active in the fixtures`;
    case 'schedule off':
      return `The schedule of "${task}" is switched off${obstacle.by === null ? '' : ` by ${obstacle.by}`}, which pauses it`;
    case 'window':
      return `"${task}" runs from ${obstacle.from} to ${obstacle.to} (${obstacle.zone}) alone${obstacle.opensAt === null ? ', which is never' : `; that begins at ${at(obstacle.opensAt)}`}`;
    case 'due':
      return dueSentence(obstacle, at);
    case 'dispatched':
      return `It lies in the queue since ${at(obstacle.since)}; if it is lost there, it is queued again at ${at(obstacle.until)}`;
    case 'outdated':
      return `A runner of version ${obstacle.needed} has worked on "${task}"; the one here is version ${obstacle.here}, and older ones claim nothing of it`;
    case 'limit':
      return limitSentence(obstacle, task);
    case 'turn':
      return `There is room for ${obstacle.room} more (${obstacle.by}); eligible before it: ${obstacle.ahead >= MOST_AHEAD ? `${MOST_AHEAD} or more` : obstacle.ahead}`;
    case 'no runner':
      return `No runner here does "${task}"`;
    case 'no run':
      return 'No process works on this run';
    case 'on schedule':
      return `"${task}" works only when its schedule fires${obstacle.nextAt === null ? '' : `, next at ${at(obstacle.nextAt)}`}`;
    case 'no daemon':
      return 'No daemon is alive';
    case 'labels':
      return `No living daemon has ${obstacle.requires.map((label) => `the label "${label}"`).join(' and ')}, which "${task}" requires`;
    case 'unqualified':
      return `No living daemon that could run it qualifies: ${obstacle.daemons.map(({ daemon, reason, againAt }) => `${daemon}: ${reason.replace(/\.$/, '')}, asked again at ${at(againAt)}`).join('; ')}`;
    case 'no place':
      return `All ${obstacle.concurrency} places of the daemons that can run it are taken`;
  }
}

function parentStands({ state, reason }: Extract<Obstacle, { kind: 'parent' }>): string {
  const why = reason === null ? '' : `: ${reason.replace(/\.$/, '')}`;
  return state === 'running' ? 'is running' : state === 'pending' ? `is pending${why}` : state === 'cancelled' ? `was cancelled${why}` : `has ${state}${why}`;
}

function doneSentence({ status, type, claimFrom, since, failure, reason }: Extract<Obstacle, { kind: 'done' }>, at: (iso: string) => string): string {
  if (status === OMITTED) return `It is omitted since ${at(since)}: ${reason?.replace(/\.$/, '') ?? 'no reason is kept'}`;
  if (type === 'success') return `It is done since ${at(since)}`;
  const why = reason === null ? '' : `: ${reason.replace(/\.$/, '')}`;
  // A status of type error that a runner returned is a result.
  if (type === 'error' && reason === null) return `It came to "${status}" at ${at(since)}, which is final until a person says otherwise`;
  if (type === 'error') return `It failed at ${at(since)}${failure === null ? '' : `, of the ${failure}`}${why}`;
  return `It is "${status}" since ${at(since)}, and is run from "${claimFrom}"${why}`;
}

function dueSentence({ at: due, isOver, reason, setbacks, mostAttempts, waitsFor }: Extract<Obstacle, { kind: 'due' }>, at: (iso: string) => string): string {
  const retry = setbacks === 0 ? '' : `, for attempt ${setbacks + 1} of ${mostAttempts}`;
  const why = [waitsFor === null ? '' : ` for "${waitsFor}"`, retry, reason === null ? '' : `: ${reason.replace(/\.$/, '')}`].join('');
  return isOver ? `It waited until ${at(due)}${why}; a daemon lets it go within seconds` : `It waits until ${at(due)}${why}`;
}

function limitSentence({ limit, resource, used, of, againInSeconds, probedBy, error }: Extract<Obstacle, { kind: 'limit' }>, task: string): string {
  const said = error === null ? '' : ` (${error.replace(/\.$/, '')})`;
  switch (limit) {
    case 'concurrency':
      return `Of "${task}", ${used} run, and at most ${of} may at once`;
    case 'resource':
      return `Of "${resource}", ${used} of ${of} are taken`;
    case 'rate':
      return `Of "${resource}", ${used} of ${of} were started within the last minute; again in ${span(againInSeconds ?? 60)}`;
    case 'breaker':
      if (againInSeconds !== undefined) return `"${resource}" does not answer${said}; it is left alone for another ${span(againInSeconds)}`;
      return `"${resource}" did not answer${said}; ${probedBy ?? 'one attempt'} tries whether it does again`;
  }
}

/** What a person can do about it, where that is one act. */
function actOf(obstacle: Obstacle, { subject, task, kind = '' }: About): string | undefined {
  const entry = `${quoted(subject)} ${quoted(task)}`;
  switch (obstacle.kind) {
    case 'done':
      if (obstacle.type !== 'error') return undefined;
      if (kind.startsWith('job:')) return `"afterglow jobs requeue ${subject}" has it done again`;
      // Nobody but the command runs the scripts of a run, and it makes a new one where the last has ended.
      if (kind.startsWith('run:')) return 'the same "afterglow run-jobs" does it again';
      return `"afterglow retry --transient ${quoted(subject)} --task ${quoted(task)}" has it done again`;
    case 'hold':
      if (obstacle.by === 'requests') return obstacle.reason === 'waits for approval' ? `"afterglow requests approve ${quoted(subject)}" lets it begin` : undefined;
      return `"afterglow unhold ${obstacle.task === null ? quoted(subject) : entry}" lets it go`;
    case 'schedule off':
      return 'the board switches it on';
    case 'parent':
      return obstacle.state === 'pending' || obstacle.state === 'running' ? undefined : `"afterglow jobs requeue ${obstacle.id}" has that done again`;
    case 'due':
      // Of a run's script the process of the run alone sees to the time.
      return obstacle.isOver || kind.startsWith('run:') ? undefined : `"afterglow retry --transient ${quoted(subject)} --task ${quoted(task)}" has it done now`;
    case 'no run':
      return 'the same "afterglow run-jobs" goes on where it was';
    case 'no daemon':
      return '"afterglow start" starts one';
    case 'outdated':
      return 'a daemon with the newer one does';
    case 'unqualified':
      return '"afterglow settings" lists what is set';
    case 'labels':
      return `start a worker with ${obstacle.requires.map((label) => `--label ${label}`).join(' ')}`;
    default:
      return undefined;
  }
}

// As a shell takes it.
const quoted = (name: string): string => (/^[\w.+-]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`);

/** `2026-11-21 22:00:00 UTC (in 5 h)`. */
function moment(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC (${seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`})`;
}

function span(seconds: number): string {
  if (seconds < 100) return `${Math.round(Math.max(0, seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
