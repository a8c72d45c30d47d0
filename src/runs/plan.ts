import path from 'node:path';
import { UnknownNameError, ConfigError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { sorted } from '../runner/check/digraph.ts';
import type { Job, JobFile } from './job-file.ts';
import { parentsOf } from './parents.ts';

/** A script as it is run once in a run, however many jobs name it. */
export interface PlannedTask {
  /** The path from the folder of the file. */
  script: string;
  /** Absolute. */
  file: string;
  /** The jobs of this run that name it, in the order of the file; the first one gives its arguments. */
  jobs: readonly [Job, ...Job[]];
  /** The scripts that must have ended well before. */
  parents: readonly string[];
  /** The scripts that wait for it. */
  children: readonly string[];
  /** The highest of its jobs. */
  priority: number;
  arguments: readonly string[];
  /** Of all its jobs, from the folder of the file. */
  inputs: readonly string[];
  always: boolean;
  /** The longest of its jobs; null where one of them sets none. */
  timeLimitSeconds: number | null;
  /** How often it is tried again when it has failed; the most of its jobs. */
  retries: number;
}

/** What one run does. */
export interface RunPlan {
  file: JobFile;
  /** The jobs of which something is run. */
  jobs: readonly Job[];
  /** Parents before children, else in the order of the file. */
  tasks: readonly PlannedTask[];
  /** Jobs of which nothing is run this time, with the reason. */
  left: readonly { job: Job; reason: string }[];
}

/**
 * Which scripts a run consists of, and what waits for what.
 *
 * @param options.number of the run among those of its name, from 1: jobs with a frequency of n take part in the runs 1, n+1, 2n+1, …
 * @param options.only these scripts and all that they wait for, whatever the frequency of their jobs; a path from the folder of the file, or a name that one script alone has
 * @throws {UnknownNameError} `only` names a script that no job has
 * @throws {ConfigError} `only` names several scripts at once
 */
export function planRun(file: JobFile, { number, only = [] }: { number: number; only?: readonly string[] }): RunPlan {
  const isDue = (job: Job): boolean => only.length > 0 || (number - 1) % job.frequency === 0;
  const due = file.jobs.filter(isDue);
  const parents = parentsOf(due);
  const wanted = only.length === 0 ? new Set(parents.keys()) : withAncestors(only.map((name) => scriptOf(name, [...parents.keys()])), parents);
  const { order } = sorted(new Map([...wanted].map((script) => [script, [...(parents.get(script)?.keys() ?? [])]])));
  const tasks = order.map((script): PlannedTask => {
    const jobs = due.filter(({ steps }) => steps.flat().some((use) => use.script === script)) as [Job, ...Job[]];
    const limits = jobs.map((job) => job.timeLimitSeconds);
    return {
      script, jobs,
      file: jobs[0].steps.flat().find((use) => use.script === script)!.file,
      parents: [...parents.get(script)!.keys()],
      children: order.filter((other) => parents.get(other)!.has(script)),
      priority: Math.max(...jobs.map(({ priority }) => priority)),
      arguments: jobs[0].arguments,
      inputs: [...new Set(jobs.flatMap(({ subfolder, inputs }) => inputs.map((input) => (path.posix.isAbsolute(input) ? input : path.posix.join(subfolder, input)))))],
      always: jobs.some(({ always }) => always),
      retries: Math.max(...jobs.map(({ retries }) => retries)),
      timeLimitSeconds: limits.includes(undefined) ? null : Math.max(...limits.map(Number)),
    };
  });
  const takesPart = (job: Job): boolean => due.includes(job) && job.steps.flat().some(({ script }) => wanted.has(script));
  return {
    file, tasks,
    jobs: file.jobs.filter(takesPart),
    left: file.jobs.filter((job) => !takesPart(job)).map((job) => ({ job, reason: only.length > 0 ? 'no script of it was asked for' : `it takes part in every ${ordinal(job.frequency)} run, and this is run ${number}` })),
  };
}

/** The script that a person means. */
function scriptOf(name: string, known: readonly string[]): string {
  const plain = path.posix.normalize(name);
  if (known.includes(plain)) return plain;
  const meant = known.filter((script) => path.posix.basename(script) === plain || script.endsWith(`/${plain}`));
  if (meant.length === 1) return meant[0]!;
  if (meant.length > 1) throw new ConfigError(`"${name}" may be ${meant.map((script) => `"${script}"`).join(' or ')}; say which.`);
  throw new UnknownNameError('script', name, known, nearest(name, known));
}

function withAncestors(scripts: readonly string[], parents: ReadonlyMap<string, ReadonlyMap<string, unknown>>): Set<string> {
  const found = new Set<string>();
  const open = [...scripts];
  for (let script = open.pop(); script !== undefined; script = open.pop()) {
    if (found.has(script)) continue;
    found.add(script);
    open.push(...(parents.get(script)?.keys() ?? []));
  }
  // In the order of the file, so that what is shown does not depend on what was asked for first.
  return new Set([...parents.keys()].filter((script) => found.has(script)));
}

function ordinal(number: number): string {
  const tens = number % 100;
  const suffix = tens > 10 && tens < 20 ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${suffix}`;
}
