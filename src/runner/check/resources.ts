import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { didYouMean, quote, show } from './words.ts';
import type { KnownResource, World } from './world.ts';

/** As many as a resource of the fixtures may have. */
const MOST_UNITS = 1_000_000;

/** Resources that are not in the fixtures, and amounts of them that are none or that there never are. */
export function* resources({ declarations, resources: known }: World): Generator<Finding> {
  for (const { label, taskName, uses = [] } of declarations) {
    for (const [name, units] of uses) {
      const resource = known.get(name);
      if (resource === undefined) {
        yield finding('unknown-resource', taskName, `${label} uses ${quote(name)}, but there is no resource of that name.${didYouMean(name, [...known.keys()])}`);
      }
      if (typeof units !== 'number' || !Number.isInteger(units) || units < 1 || units > MOST_UNITS) {
        const message = `${label}.uses should say how many units of ${quote(name)} an attempt takes, a whole number from 1 to ${MOST_UNITS}, but it is ${show(units)}.`;
        yield finding('units-invalid', taskName, message);
      } else if (resource !== undefined) {
        yield* neverFree(`${label} uses ${units} of ${quote(name)}`, taskName, units, resource);
      }
    }
  }
}

function* neverFree(use: string, taskName: string | undefined, units: number, { concurrency, perMinute }: KnownResource): Generator<Finding> {
  const found = [
    ...(concurrency !== undefined && units > concurrency ? [`there are ${concurrency}`] : []),
    ...(perMinute !== undefined && units > perMinute ? [`there are ${perMinute} a minute`] : []),
  ];
  if (found.length > 0) yield finding('units-never-free', taskName, `${use} for an attempt, but ${found.join(' and ')}, so it would never run.`);
}
