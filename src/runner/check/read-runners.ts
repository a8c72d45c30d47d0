import { SubjectTaskRunner, SystemTaskRunner, TaskRunner } from '../runner.ts';
import { readDeclaration } from './declaration.ts';
import type { Declaration } from './declaration.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { classNamesOf, isA, listFrom, read } from './reading.ts';
import { show } from './words.ts';

/** What a list of runners declares, and what is wrong with its members as such. */
export interface ReadRunners {
  readonly declarations: readonly Declaration[];
  readonly findings: readonly Finding[];
  /** Whether every member could be read, so that a task that no declaration names really has no runner. */
  readonly complete: boolean;
}

const BASES: readonly string[] = ['TaskRunner', 'SubjectTaskRunner', 'TransientTaskRunner', 'SystemTaskRunner'];

/** Reads `periodicRunners`, whatever it is. */
export function readRunners(value: unknown): ReadRunners {
  const members = listFrom(value);
  if (members === undefined) return { declarations: [], findings: [notAList(value)], complete: false };
  if (members.length === 0) {
    const message = 'The list of runners is empty, so no task will ever be done. Add an instance of each runner to periodicRunners.';
    return { declarations: [], findings: [finding('no-runners', undefined, message)], complete: false };
  }
  const classes = members.map((member) => classNamesOf(member)[0]);
  const declarations: Declaration[] = [];
  const findings: Finding[] = [];
  for (const [at, member] of members.entries()) {
    const fault = faultOf(member, `Number ${at + 1} of the list of runners`);
    if (fault !== undefined) {
      findings.push(fault);
      continue;
    }
    const name = classes[at];
    const unique = name !== undefined && classes.filter((other) => other === name).length === 1;
    const label = unique ? name : `${name ?? 'The runner'} (number ${at + 1} of the list, ${show(read(member, 'taskName'))})`;
    const result = readDeclaration(member as TaskRunner, label);
    declarations.push(result.declaration);
    findings.push(...result.findings);
  }
  return { declarations, findings, complete: declarations.length === members.length && declarations.every((one) => one.taskName !== undefined) };
}

function notAList(value: unknown): Finding {
  const nested = ['periodicRunners', 'default', 'runners'].find((name) => listFrom(read(value, name)) !== undefined);
  const hint = nested === undefined ? '' : ` It has a list called ${nested}: give that one.`;
  return finding(
    'runners-not-a-list',
    undefined,
    `periodicRunners should be a list of runners, [new HostMatch(), …], but it is ${show(value)}.${hint}`,
  );
}

/** Why a member of the list is no runner; undefined where it is one. */
function faultOf(member: unknown, place: string): Finding | undefined {
  if (isA(member, SubjectTaskRunner) || isA(member, SystemTaskRunner)) return undefined;
  const expected = 'should be an instance of a class that extends TransientTaskRunner or SystemTaskRunner';
  const not = (found: string): Finding => finding('not-a-runner', undefined, `${place} ${expected}, but it is ${found}`);
  if (typeof member === 'function') {
    const name = read(member, 'name');
    const shown = typeof name === 'string' && name !== '' ? name : 'Runner';
    if (isA(read(member, 'prototype'), TaskRunner)) {
      return finding('class-not-instance', undefined, `${place} is the class ${shown} itself, but an instance was expected. Write new ${shown}().`);
    }
    return not(`the function or class ${shown}.`);
  }
  if (isA(member, TaskRunner)) return not('an instance of a class that extends TaskRunner itself, which has no way to be run.');
  const exported = ['default', 'runner'].find((name) => isRunnerOrClass(read(member, name)));
  if (exported !== undefined) return not(`a module or an object that holds the runner as "${exported}". Import the class by its name and write new ….`);
  if (typeof read(member, 'then') === 'function') return not('a promise. Await it first.');
  const copy = classNamesOf(member).find((name) => BASES.includes(name));
  if (copy !== undefined) return not(`one of the ${copy} of another copy of Afterglow. Import the base class from the copy that runs.`);
  const task = read(member, 'taskName');
  if (typeof task === 'string') return not(`an object with the fields of a runner for the task ${show(task)}, made without the class.`);
  return not(`${show(member)}.`);
}

function isRunnerOrClass(value: unknown): boolean {
  return isA(value, TaskRunner) || (typeof value === 'function' && isA(read(value, 'prototype'), TaskRunner));
}
