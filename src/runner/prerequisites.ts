import { INITIAL } from '../status/status.ts';

/** Task and status, or task and several statuses, any of which will do. */
export type Prerequisites = Readonly<Record<string, string | readonly string[]>>;

/** What a prerequisite is met by: one status or more. */
export function statusesOf(prerequisite: string | readonly string[]): readonly string[] {
  return typeof prerequisite === 'string' ? [prerequisite] : [...new Set(prerequisite)];
}

/** The status that a runner's entries are claimed from: the one that it names for its own task, else `not processed`. */
export function claimFromOf({ taskName, prerequisites }: { readonly taskName: string; readonly prerequisites: Prerequisites }): string {
  return statusesOf(prerequisites[taskName] ?? INITIAL)[0] ?? INITIAL;
}

/** `processed`, or `processed or no host`. */
export function oneOf(statuses: readonly string[]): string {
  return statuses.length < 2 ? statuses.join('') : `${statuses.slice(0, -1).join(', ')} or ${statuses.at(-1)}`;
}
