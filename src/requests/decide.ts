import type { Batch, Place } from '../runner/request.ts';

/** A task of requests, with what its runner declares. */
export interface RequestTask {
  id: number;
  name: string;
  active: boolean;
  /** Null where no runner has ever said: such a task applies to nothing. */
  requestTypes: readonly string[] | null;
  needsIdentifiers: readonly string[];
  batch: Batch | null;
  place: Place;
}

/** Of a request, what decides. */
export interface RequestContent {
  type: string;
  identifiers: Readonly<Record<string, string>>;
}

/**
 * Why a task does not apply to a request, a sentence; undefined where it applies. Pure, and never an exception: a request that
 * lacks everything is one to which nothing applies.
 */
export function whyOmitted(task: RequestTask, request: RequestContent): string | undefined {
  if (task.requestTypes === null) return 'No runner says which requests this task is for.';
  if (!task.requestTypes.includes(request.type)) {
    return `This task is for requests of type ${task.requestTypes.map((type) => `"${type}"`).join(' or ')}, and this one is of type "${request.type}".`;
  }
  return whyImpossible(task, request);
}

/** Why a task cannot be done for a request, even where a person wants it. */
export function whyImpossible(task: Pick<RequestTask, 'active' | 'needsIdentifiers'>, request: RequestContent): string | undefined {
  if (!task.active) return 'This task is not active.';
  const missing = task.needsIdentifiers.filter((name) => !Object.hasOwn(request.identifiers, name));
  if (missing.length === 0) return undefined;
  return `This task needs the ${missing.length === 1 ? 'identifier' : 'identifiers'} ${missing.map((name) => `"${name}"`).join(' and ')}, which the request does not have.`;
}
