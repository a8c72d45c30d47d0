import { BUILT_IN } from '../../status/status.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { folded, quote } from './words.ts';
import type { World } from './world.ts';

/** The widths of the columns that names are kept in, characters. */
const LONGEST = { task: 100, status: 64, resource: 64 } as const;

/** Names of tasks, statuses and resources that are empty, padded, too long, there twice, or so alike that people mix them up. */
export function* names({ taskNames, statusNames, resourceNames }: World): Generator<Finding> {
  yield* namesOf('task', taskNames);
  yield* namesOf('status', statusNames);
  yield* namesOf('resource', resourceNames);
}

/** The statuses that the machinery itself uses are there, with their types. */
export function* builtIns({ statuses }: World): Generator<Finding> {
  for (const { message, type } of BUILT_IN) {
    const found = statuses.get(message);
    if (!statuses.has(message)) {
      yield finding(
        'built-in-missing',
        undefined,
        `The statuses must have ${quote(message)} of type ${type}, because the daemon itself uses it, but it is missing.`,
      );
    } else if (found !== undefined && found !== type) {
      yield finding(
        'built-in-type',
        undefined,
        `The status ${quote(message)} must be of type ${type}, because the daemon itself uses it, but its type is ${found}.`,
      );
    }
  }
}

function* namesOf(what: keyof typeof LONGEST, given: readonly string[]): Generator<Finding> {
  const seen = new Map<string, string>();
  const reported = new Set<string>();
  for (const [at, name] of given.entries()) {
    const task = what === 'task' ? name : undefined;
    if (name.trim() === '') {
      yield finding('name-empty', undefined, `The ${what} number ${at + 1} should have a name, but it is empty.`);
      continue;
    }
    if (name !== name.trim() || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) {
      yield finding('name-spaces', task, `The ${what} ${quote(name)} should have no spaces around its name and no line breaks or tabs in it.`);
    }
    if (name.length > LONGEST[what]) {
      yield finding('name-too-long', task, `The ${what} ${quote(name)} has ${name.length} characters, but at most ${LONGEST[what]} are kept.`);
    }
    const alike = seen.get(folded(name));
    if (alike === undefined) {
      seen.set(folded(name), name);
    } else if (alike === name) {
      if (!reported.has(name)) yield finding('name-twice', task, `The ${what} ${quote(name)} is there twice, but a name may be used once only.`);
      reported.add(name);
    } else {
      yield finding(
        'names-alike',
        task,
        `The ${what} ${quote(name)} differs from ${quote(alike)} in spaces or capital letters only; they will be mixed up.`,
      );
    }
  }
}
