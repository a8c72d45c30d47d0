import { OMITTED, type Status } from '../status/status.ts';
import type { RunContext } from './context.ts';
import type { Json, Outcome } from './outcome.ts';
import type { Prerequisites } from './prerequisites.ts';
import { SubjectTaskRunner, type TaskRunner } from './runner.ts';

/** The kind of subjects that are requests. */
export const REQUEST_KIND = 'request';

/** What a person asks for, as runners get it. */
export interface Request {
  /** The row's id, decimal digits. */
  id: string;
  /** `R-17`: what people call it. */
  name: string;
  kind: string;
  /** When it was made; entries of older ones are run first. */
  publicTimestamp: Date | null;
  priority: number;
  /** Whose request it is. */
  email: string;
  /** One of the types that runners are for, e.g. `delete`. */
  type: string;
  requestedAt: Date;
  /** Until when it should be completed. */
  deadline: Date;
  /** What the person is known by in the stores, e.g. `{ uuid: '…' }`. */
  identifiers: Readonly<Record<string, string>>;
  /** Whatever else was given. */
  details: { readonly [key: string]: Json | undefined };
  notes: string;
  /** All of it as it is kept. */
  data: { readonly [key: string]: Json | undefined };
}

/** A request as runners get it, from its row of the table of subjects: what is in its data, with the times as such. */
export function requestOf(subject: Pick<Request, 'id' | 'name' | 'publicTimestamp' | 'priority' | 'data'>): Request {
  const { email, type, requested_at: requestedAt, deadline, identifiers, details, notes } = subject.data;
  return {
    ...subject, kind: REQUEST_KIND, email: String(email), type: String(type), requestedAt: new Date(String(requestedAt)), deadline: new Date(String(deadline)),
    identifiers: (identifiers ?? {}) as Request['identifiers'], details: (details ?? {}) as Request['details'], notes: String(notes ?? ''),
  };
}

/** When entries of a costly task are run, all of them together: on Monday, or on the first of the month, from 00:00 UTC on. */
export type Batch = 'weekly' | 'monthly';

/**
 * Extend this for a task of requests. Nothing runs before a person has approved the request with its list of tasks.
 * A task that is for other types of request, or for which an identifier is missing, is omitted when a request comes in.
 */
export abstract class RequestTaskRunner extends SubjectTaskRunner<Request> {
  readonly kind: string = REQUEST_KIND;
  /** The types of request that this is for, e.g. `['delete']`. */
  abstract readonly requestTypes: readonly string[];
  /** Identifiers without which it cannot be done. */
  readonly needsIdentifiers: readonly string[] = [];
  /** It is run when all other tasks of the request have succeeded or are omitted; those that run last do not wait for each other. */
  readonly runsLast: boolean = false;
  /** It is run after all others, those that run last too: to write to the person that all is done. */
  readonly closes: boolean = false;
  /** Its entries wait for the next batch after the approval, unless a person releases them. Undefined: they are run as soon as they may be. */
  readonly batch: Batch | undefined = undefined;
  readonly schedule: string | number = '* * * * *';
  readonly prerequisites: Prerequisites = {};
  readonly failedStatusMessage: string = 'failed';

  /** Does the task for one request. The result is kept as the attempt's message: a text, or JSON with a field `message`. */
  abstract override runProcess(request: Request, context: RunContext): Promise<string | Outcome> | string | Outcome;
}

/** Whether a runner works on requests. */
export const isRequestRunner = (runner: TaskRunner): runner is RequestTaskRunner => runner instanceof RequestTaskRunner;

/** `any` place, after those of it the `last` ones, after all of them the `closing` ones. */
export type Place = 'any' | 'last' | 'closing';

/** Where a runner's task stands among those of its request. */
export const placeOf = ({ runsLast, closes }: Pick<RequestTaskRunner, 'runsLast' | 'closes'>): Place => (closes ? 'closing' : runsLast ? 'last' : 'any');

const PLACES: readonly Place[] = ['any', 'last', 'closing'];

/** What authors declared, before {@link waitForOthers} added to it. */
const declared = new WeakMap<RequestTaskRunner, Prerequisites>();

/**
 * Has the tasks that run last, and those that close, wait for the tasks before them: each must have a status of type success,
 * `omitted` among them. What an author declared of another task stays as it is. Doing it again changes nothing.
 */
export function waitForOthers(runners: readonly TaskRunner[], statuses: readonly Status[]): void {
  const mine = runners.filter(isRequestRunner);
  const successes = statuses.filter(({ type }) => type === 'success').map(({ message }) => message);
  for (const runner of mine) {
    const own = declared.get(runner) ?? runner.prerequisites;
    declared.set(runner, own);
    const before = mine.filter((other) => PLACES.indexOf(placeOf(other)) < PLACES.indexOf(placeOf(runner)));
    const waits = before.map(({ taskName, returns }) => [taskName, successes.filter((status) => status === OMITTED || !Array.isArray(returns) || returns.includes(status))]);
    Object.defineProperty(runner, 'prerequisites', { value: { ...Object.fromEntries(waits), ...own }, enumerable: true, configurable: true });
  }
}
