import { nearest } from '../../nearest.ts';
import { isValueName, valueNames } from '../values.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { quote, show } from './words.ts';
import type { World } from './world.ts';

/** Figures that no object of the kind has: a change of what was meant would run nothing again. */
export function* reads({ declarations }: World): Generator<Finding> {
  for (const { label, taskName, kind, reads: declared = [] } of declarations) {
    if (kind === undefined) continue;
    for (const name of declared) {
      if (typeof name === 'string' && isValueName(kind, name)) continue;
      const meant = typeof name === 'string' ? nearest(name, valueNames(kind)) : undefined;
      const hint = meant === undefined ? `Known: ${valueNames(kind).map(quote).join(', ')}, and "data.<key>".` : `Did you mean ${quote(meant)}?`;
      yield finding('reads-unknown', taskName, `${label}.reads names ${show(name)}, which is no figure of a ${kind}. ${hint}`);
    }
  }
}
