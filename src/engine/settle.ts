import { describeError, storableText } from '../db/storable.ts';
import { DatabaseUnavailableError, LockLostError, LockTakenError, PermanentError, ProcessDiedError, ScriptDiedError, ServiceError } from '../errors.ts';
import { waitSeconds, type RetryPolicy } from '../runner/retry-policy.ts';
import type { Ending, Failure } from './advance.ts';
import type { RunEnd } from './run.ts';

/** What an attempt's end means for its entry. */
export type Verdict = Pick<Ending, 'cause' | 'failure' | 'setbacks' | 'reason' | 'dueInSeconds'> & { status: string; waitsFor?: string | undefined };

/** Of an attempt, what its verdict depends on. */
export interface Setting {
  policy: RetryPolicy;
  /** Failures of the machinery before this attempt, since the last result. */
  setbacks: number;
  /** A failure of the database while the runner used it, whatever the runner made of that. */
  interruption: unknown;
  /** Whether the runner goes on after it was told to stop and given up: a second one beside it could do harm. */
  stillRuns?: boolean;
  /** The status that the entry was claimed from. */
  claimFrom: string;
  failedStatus: string;
  /** Status messages of type error. */
  errorStatuses: ReadonlySet<string>;
  /** 0 ≤ random < 1. */
  random: number;
  now: Date;
}

/** Seconds until an entry that its runner sent back to where it was claimed from may be claimed again. */
const SENT_BACK_SECONDS = 60;
/** What is thrown when it was not the science that failed. */
const MACHINERY: readonly (abstract new (...args: never[]) => Error)[] = [ServiceError, ProcessDiedError, ScriptDiedError, LockTakenError, LockLostError, DatabaseUnavailableError];

/** Judges how an attempt ended: a result, a failure of the science, or one of the machinery that is worth another attempt. Pure. */
export function settle(end: RunEnd, setting: Setting): Verdict {
  const { policy, setbacks, claimFrom, errorStatuses } = setting;
  if (end.cause === 'finish') {
    const sentBack = end.status === claimFrom;
    return { cause: 'finish', status: end.status, failure: errorStatuses.has(end.status) ? 'science' : undefined, setbacks: 0, reason: undefined, dueInSeconds: sentBack ? SENT_BACK_SECONDS : undefined };
  }
  if (end.cause === 'release') return { cause: 'release', status: claimFrom, failure: undefined, setbacks, reason: undefined, dueInSeconds: undefined };
  const message = messageOf(setting.interruption ?? end.error);
  if (end.cause === 'cancel') return { cause: 'cancel', status: end.status, failure: undefined, setbacks, reason: message, dueInSeconds: undefined };
  const failure: Failure = end.cause === 'fail' && (setting.interruption !== undefined || isMachinery(end.error)) ? 'machinery' : 'science';
  const retried = failure === 'machinery' || (end.cause === 'time out' ? policy.timeLimit && setting.stillRuns !== true : policy.thrown && !isA(PermanentError, end.error));
  if (!retried) {
    const reason = setting.stillRuns === true && end.cause === 'time out' && policy.timeLimit ? `${message} Its runner does not stop, so it is not tried again beside it.` : message;
    return { cause: end.cause, status: end.status, failure, setbacks: 0, reason, dueInSeconds: undefined };
  }
  if (setbacks + 1 >= policy.attempts) return givenUp(end, failure, setbacks + 1, message, setting);
  const wait = waitOf(end.error, setting);
  return { cause: 'postpone', status: claimFrom, failure, setbacks: setbacks + 1, reason: message, dueInSeconds: wait > 0 ? wait : undefined };
}

function givenUp(end: RunEnd, failure: Failure, attempts: number, message: string, { failedStatus }: Setting): Verdict {
  const reason = `given up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${message}`;
  if (end.cause === 'time out') return { cause: 'time out', status: end.status, failure, setbacks: 0, reason, dueInSeconds: undefined };
  return { cause: 'give up', status: failedStatus, failure, setbacks: 0, reason, dueInSeconds: undefined };
}

/** A service that says when it answers again is believed; a little later, so that not all ask it in the same moment. */
function waitOf(error: unknown, { policy, setbacks, random, now }: Setting): number {
  if (isA(ServiceError, error) && error.retryAt !== undefined) {
    const untilSeconds = (error.retryAt.getTime() - now.getTime()) / 1000;
    if (Number.isFinite(untilSeconds)) return Math.max(0, untilSeconds) + random * policy.baseSeconds;
  }
  return waitSeconds(policy, setbacks + 1, random);
}

/** A service was declared not to answer, the process that ran the attempt died, or a lock was not had or not kept. */
const isMachinery = (error: unknown): boolean => MACHINERY.some((type) => isA(type, error));

/** `instanceof` for what a runner threw, which may itself throw when it is looked at. */
export function isA<T extends Error>(type: abstract new (...args: never[]) => T, error: unknown): error is T {
  try {
    return error instanceof type;
  } catch {
    return false;
  }
}

const messageOf = (error: unknown): string => storableText(describeError(error).message, 500);
