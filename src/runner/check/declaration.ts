import { distance } from 'fastest-levenshtein';
import { JobRunner } from '../job.ts';
import { SubjectTaskRunner, SystemTaskRunner, TaskRunner, TransientTaskRunner } from '../runner.ts';
import { finding } from './finding.ts';
import type { Finding, FindingCode } from './finding.ts';
import { isA, listFrom, namesOf, pairsFrom, read, Unreadable } from './reading.ts';
import { policyProblems } from './policy-problems.ts';
import { listed, quote, show } from './words.ts';

/** What one runner says of itself, read once; what could not be read is left out and has a finding. */
export interface Declaration {
  /** What messages call it: its class, and its place in the list where the class is there more than once. */
  readonly label: string;
  readonly system: boolean;
  readonly taskName: string | undefined;
  /** The kind of object; undefined for a system runner. */
  readonly kind: string | undefined;
  /** Task and statuses, one or more of which any will do; its own task too. */
  readonly prerequisites: readonly (readonly [task: string, statuses: readonly string[]])[];
  readonly failedStatusMessage: string | undefined;
  /** Undefined: any status may be returned (or what was declared could not be read). */
  readonly returns: readonly string[] | undefined;
  readonly initiallyEnabled: boolean;
  readonly schedule: unknown;
  readonly timeZone: unknown;
  readonly missedSlots: unknown;
  readonly timeLimitSeconds: unknown;
  readonly version: unknown;
  /** Copies, as are the lists below; undefined where it is no such thing, which then has a finding. */
  readonly retry: readonly (readonly [field: string, value: unknown])[] | undefined;
  readonly isolation: unknown;
  readonly memoryLimitMiB: unknown;
  readonly killGraceSeconds: unknown;
  readonly concurrency: unknown;
  /** Resource and units. */
  readonly uses: readonly (readonly [resource: string, units: unknown])[] | undefined;
  readonly requires: readonly unknown[] | undefined;
  /** What is wrong with its qualifiers and policies, each sentence beginning with the field. */
  readonly policyProblems: readonly string[];
  /** What it says keeps it from working on this machine. */
  readonly problems: readonly string[];
  /** Undefined: anything may be read (or what was declared could not be read). */
  readonly reads: readonly unknown[] | undefined;
}

class Bare extends SystemTaskRunner {
  readonly taskName = '';
  readonly schedule = '';
  override runProcess(): void {}
}
class BareSubject extends TransientTaskRunner {
  readonly taskName = '';
  readonly schedule = '';
  readonly prerequisites = {};
  readonly failedStatusMessage = '';
  override runProcess(): string {
    return '';
  }
}

/** What the base classes say where an author says nothing. */
const DEFAULTS: Readonly<Record<string, unknown>> = { ...new Bare(), ...new BareSubject(), supersedes: false };
const REQUIRED = ['taskName', 'schedule'];
const REQUIRED_OF_SUBJECTS = ['kind', 'prerequisites', 'failedStatusMessage'];
const OF_ALL = ['taskName', 'schedule', 'timeZone', 'initiallyEnabled', 'missedSlots', 'timeLimitSeconds', 'version', 'onFailure', 'problems', 'runProcess'];
const OF_SUBJECTS = [
  'kind', 'prerequisites', 'failedStatusMessage', 'returns', 'wakes', 'retry', 'isolation', 'memoryLimitMiB', 'killGraceSeconds', 'concurrency',
  'uses', 'requires', 'qualifiers', 'reads', 'takeResult',
];
/** What jobs may say besides; src/runner/check/policy-problems.ts reads it. */
const OF_JOBS = ['args', 'result', 'description', 'owner', 'active', 'limit', 'limitId', 'key', 'concurrencyPerKey', 'debounce', 'supersedes', 'run'];
const OF_SYSTEM = ['runsAtStart', 'runsWhenIdle'];
/** The fields that have one of two words. */
const WORDS = { wakes: ['at once', 'on schedule'], isolation: ['none', 'process', 'script'] } as const;
const BASES: readonly object[] = [TaskRunner, SubjectTaskRunner, TransientTaskRunner, SystemTaskRunner, JobRunner].map((base) => base.prototype as object);

/** Reads every field of a runner once and says what is missing, of a wrong type, misspelt or without effect. */
export function readDeclaration(runner: TaskRunner, label: string): { declaration: Declaration; findings: Finding[] } {
  const findings: Finding[] = [];
  const system = runner instanceof SystemTaskRunner;
  const task = textOf(read(runner, 'taskName'));
  const report = (code: FindingCode, message: string): void => void findings.push(finding(code, task, message));
  const wrong = (field: string, expected: string, found: unknown): void => report('field-wrong-type', wrongType(label, field, expected, found));

  // What could not be read has a finding already.
  const usable = (field: string): unknown => (values[field] instanceof Unreadable ? DEFAULTS[field] : values[field]);
  const pairsOf = (field: string, example: string): [string, unknown][] | undefined => {
    const pairs = pairsFrom(values[field]);
    if (pairs === undefined && !(values[field] instanceof Unreadable)) wrong(field, `an object such as ${example}`, values[field]);
    return pairs;
  };

  const values: Record<string, unknown> = {};
  const ofJobs = isA(runner, JobRunner) ? OF_JOBS : [];
  for (const field of [...OF_ALL, ...(system ? OF_SYSTEM : []), ...OF_SUBJECTS, ...ofJobs]) {
    const value = read(runner, field);
    if (value instanceof Unreadable) report('field-unreadable', `${label}.${field} cannot be read: ${value.reason}.`);
    values[field] = value;
  }

  for (const message of misspelt(runner, values, system ? [...OF_ALL, ...OF_SYSTEM] : [...OF_ALL, ...OF_SUBJECTS, ...ofJobs], label)) report('field-misspelt', message);
  for (const field of system ? REQUIRED : [...REQUIRED, ...REQUIRED_OF_SUBJECTS]) {
    if (values[field] === undefined || values[field] === null) report('field-missing', `${label} has no ${field}.${lookalike(runner, field, values)}`);
  }
  if (typeof values.runProcess !== 'function' && !(values.runProcess instanceof Unreadable)) {
    const found = values.runProcess === undefined ? 'has none' : `has ${show(values.runProcess)} instead`;
    report('run-process-missing', `${label} needs a method runProcess that does the work; it ${found}.${lookalike(runner, 'runProcess', values)}`);
  }
  for (const field of system ? ['taskName'] : ['taskName', 'kind', 'failedStatusMessage']) {
    if (given(values[field]) && typeof values[field] !== 'string') wrong(field, 'a text', values[field]);
  }
  if (given(values.schedule) && typeof values.schedule !== 'string' && typeof values.schedule !== 'number') {
    wrong('schedule', "a cron expression such as '* * * * *' or a number of seconds", values.schedule);
  }
  for (const field of system ? ['initiallyEnabled', ...OF_SYSTEM] : ['initiallyEnabled']) {
    if (typeof values[field] !== 'boolean' && !(values[field] instanceof Unreadable)) wrong(field, 'true or false', values[field]);
  }
  for (const [field, words] of system ? [] : Object.entries(WORDS)) {
    if (!words.some((word) => word === values[field]) && !(values[field] instanceof Unreadable)) wrong(field, words.map((word) => `'${word}'`).join(' or '), values[field]);
  }
  if (system) {
    const ignored = OF_SUBJECTS.filter((field) => field !== 'kind' && given(values[field]));
    if (ignored.length > 0) {
      const why = 'which a system runner does not use: it works without an object. Extend TransientTaskRunner if it should have one.';
      report('field-ignored', `${label} declares ${ignored.join(', ')}, ${why}`);
    }
  }
  const declared = !given(values.returns) ? undefined : listFrom(values.returns);
  if (!system && given(values.returns) && !declared?.every((status) => typeof status === 'string')) {
    wrong('returns', 'a list of status messages', values.returns);
  }
  const [retry, uses] = system ? [] : [pairsOf('retry', '{ attempts: 10 }'), pairsOf('uses', '{ tns: 1 }')];
  const requires = system ? undefined : listFrom(values.requires);
  if (!system && requires === undefined && !(values.requires instanceof Unreadable)) wrong('requires', "a list of labels such as ['gpu']", values.requires);
  const reads = system || !given(values.reads) ? undefined : listFrom(values.reads);
  if (!system && given(values.reads) && reads === undefined) wrong('reads', "a list of names such as ['position', 'redshift']", values.reads);
  if (!system && given(values.takeResult) && typeof values.takeResult !== 'function') wrong('takeResult', 'a method', values.takeResult);
  const pairs = system || !given(values.prerequisites) ? [] : pairsFrom(values.prerequisites);
  if (pairs === undefined) wrong('prerequisites', "an object such as { 'Host match': 'processed' }", values.prerequisites);
  const prerequisites = (pairs ?? []).flatMap(([name, wanted]): [string, string[]][] => {
    const statuses = listFrom(wanted) ?? [wanted];
    const others = statuses.filter((status) => typeof status !== 'string');
    if (statuses.length > 0 && others.length === 0) return [[name, [...new Set(statuses as string[])]]];
    const found = statuses.length === 0 ? 'one of no statuses: the list is empty' : `${show(others[0])}, which is no status message`;
    report('prerequisite-not-text', `${label} waits for ${quote(name)} to be ${found}.`);
    return [];
  });

  return {
    findings,
    declaration: {
      label,
      system,
      taskName: task,
      kind: system ? undefined : textOf(values.kind),
      prerequisites,
      failedStatusMessage: textOf(values.failedStatusMessage),
      returns: declared?.every((status) => typeof status === 'string') ? declared : undefined,
      initiallyEnabled: values.initiallyEnabled !== false,
      schedule: values.schedule,
      timeZone: values.timeZone,
      missedSlots: usable('missedSlots'),
      timeLimitSeconds: values.timeLimitSeconds,
      version: values.version,
      retry,
      isolation: values.isolation,
      memoryLimitMiB: usable('memoryLimitMiB'),
      killGraceSeconds: usable('killGraceSeconds'),
      concurrency: usable('concurrency'),
      uses,
      requires,
      policyProblems: system ? [] : policyProblems(runner),
      problems: problemsOf(runner),
      reads,
    },
  };
}

function problemsOf(runner: TaskRunner): string[] {
  // Read as a field is, since it may throw anything.
  const said = read({ get list() { return listFrom(runner.problems())?.map(String); } }, 'list');
  return said instanceof Unreadable ? [`It cannot say what keeps it from working here: ${said.reason}.`] : ((said ?? []) as string[]);
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null && !(value instanceof Unreadable);
}

function isEmpty(value: unknown): boolean {
  return (listFrom(value) ?? pairsFrom(value))?.length === 0;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function wrongType(label: string, field: string, expected: string, found: unknown): string {
  const hint = typeof found === 'function' ? ` Write it as a field, ${field} = …, not as a method.` : '';
  return `${label}.${field} should be ${expected}, but it is ${show(found)}.${hint}`;
}

/** An optional field left at its default beside one whose name is nearly the same was most likely meant. */
function misspelt(runner: TaskRunner, values: Readonly<Record<string, unknown>>, fields: readonly string[], label: string): string[] {
  const optional = fields.filter((field) => ![...REQUIRED, ...REQUIRED_OF_SUBJECTS, 'runProcess'].includes(field));
  const atDefault = optional.filter((field) => values[field] === DEFAULTS[field] || (isEmpty(values[field]) && isEmpty(DEFAULTS[field])));
  return unknownNames(runner).flatMap((name) => {
    const meant = atDefault.find((field) => isLookalike(name, field));
    return meant === undefined ? [] : [`${label} has ${quote(name)}, which nothing reads. Did you mean ${meant}?`];
  });
}

function lookalike(runner: TaskRunner, field: string, values: Readonly<Record<string, unknown>>): string {
  const names = unknownNames(runner).filter((name) => !(name in values) && isLookalike(name, field));
  return names.length === 0 ? '' : ` It has ${listed(names)}; did you mean that?`;
}

function unknownNames(runner: TaskRunner): string[] {
  const known = [...OF_ALL, ...OF_SUBJECTS, ...OF_SYSTEM, ...(isA(runner, JobRunner) ? OF_JOBS : [])];
  return namesOf(runner, BASES).filter((name) => !known.includes(name));
}

/** `task_name` and `_prerequisites` for the fields of those names, one or two letters wrong in a long name, or the beginning of one. */
function isLookalike(name: string, field: string): boolean {
  const [a, b] = [name, field].map((text) => text.replace(/[^a-z]/giu, '').toLowerCase()) as [string, string];
  if (a === b) return true;
  const short = Math.min(a.length, b.length);
  if (short >= 8 && (a.startsWith(b) || b.startsWith(a))) return true;
  return Math.abs(a.length - b.length) <= 2 && distance(a, b) <= (short >= 10 ? 2 : short >= 7 ? 1 : 0);
}
