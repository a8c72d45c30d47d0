import { nearest } from '../../nearest.ts';
import type { Hook } from '../hook.ts';
import { matches } from '../matches.ts';
import { finding, type Finding } from './finding.ts';
import { quote } from './words.ts';

/** Hooks that name what is no task, so that they would never be called; those of one name; and those that do nothing. */
export function checkHooks(hooks: readonly Hook[], taskNames: readonly string[]): Finding[] {
  return hooks.flatMap(({ name, tasks, before, after }, place) => [
    ...[tasks].flat().filter((pattern) => !taskNames.some((task) => matches(pattern, task))).map((pattern) => {
      const meant = pattern.includes('*') ? undefined : nearest(pattern, [...taskNames]);
      return finding('unknown-task', undefined, `The hook ${quote(name)} is for ${quote(pattern)}, which is no task${meant === undefined ? '.' : `; did you mean ${quote(meant)}?`}`);
    }),
    ...(hooks.findIndex((other) => other.name === name) < place ? [finding('name-twice', undefined, `Two hooks are called ${quote(name)}.`)] : []),
    ...(before === undefined && after === undefined ? [finding('field-missing', undefined, `The hook ${quote(name)} has neither before nor after, so it does nothing.`)] : []),
  ]);
}
