import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import type { World } from './world.ts';

/** Runners that say themselves that they cannot work here: a script that is not there, an interpreter that is not installed. */
export function* unusable({ declarations }: World): Generator<Finding> {
  for (const { label, taskName, problems, requires } of declarations) {
    // What needs a label is done by machines that have it, and this may be another one.
    const isOnlyHere = (requires ?? []).length > 0;
    for (const problem of problems) {
      const message = isOnlyHere ? `${label} cannot work on this machine; those with its labels must be able to. ${problem}` : `${label} cannot work. ${problem}`;
      yield finding(isOnlyHere ? 'runner-unusable-here' : 'runner-unusable', taskName, message);
    }
  }
}
