import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { show } from './words.ts';
import type { World } from './world.ts';

/** What a daemon's label may look like; one that no daemon can have would be waited for for ever. */
const LABEL = /^[\w.:/-]{1,64}$/;

/** Required labels that no daemon can have. */
export function* labels({ declarations }: World): Generator<Finding> {
  for (const { label, taskName, requires = [] } of declarations) {
    for (const required of requires) {
      if (typeof required === 'string' && LABEL.test(required)) continue;
      const expected = 'should have labels only, each of 1 to 64 letters, digits and . _ : / -';
      yield finding('label-invalid', taskName, `${label}.requires ${expected}, but one of them is ${show(required)}.`);
    }
  }
}
