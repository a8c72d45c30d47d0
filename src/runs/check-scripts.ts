import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ProblemList } from '../fixtures/problem-list.ts';
import { whyUnreadable } from '../fixtures/read-text.ts';
import { shown } from '../fixtures/shown.ts';
import { launchOf } from '../scripts/launch.ts';
import type { Job, ScriptUse } from './job-file.ts';

/** Adds what keeps scripts from being run: one that stands twice in a job, one that is not there, one that nothing can run. */
export async function checkScripts(jobs: readonly Job[], folder: string, problems: ProblemList): Promise<void> {
  for (const job of jobs) for (const { use, first } of repeats(job)) problems.add(use.line, `every script once in job "${job.name}"`, `${shown(use.script)} again (first in line ${first.line})`);
  const seen = new Set<string>();
  for (const job of jobs) {
    for (const use of job.steps.flat()) {
      if (seen.has(use.script)) continue;
      seen.add(use.script);
      await checkFile(use, job, folder, problems);
    }
  }
}

/** The job with each script where it stands first. */
export function withoutRepeats(job: Job): Job {
  const again = new Set(repeats(job).map(({ use }) => use));
  return { ...job, steps: job.steps.map((step) => step.filter((use) => !again.has(use))).filter((step) => step.length > 0) };
}

function repeats({ steps }: Job): { use: ScriptUse; first: ScriptUse }[] {
  const firsts = new Map<string, ScriptUse>();
  return steps.flat().flatMap((use) => {
    const first = firsts.get(use.script);
    if (first !== undefined) return [{ use, first }];
    firsts.set(use.script, use);
    return [];
  });
}

async function checkFile({ script, file, line }: ScriptUse, job: Job, folder: string, problems: ProblemList): Promise<void> {
  const expected = `a script of job "${job.name}" that is there`;
  try {
    const found = await stat(file);
    const launch = found.isFile() ? launchOf(file) : undefined;
    if (launch !== undefined && 'fault' in launch) problems.add(line, `a script of job "${job.name}" that can be run`, `${shown(script)}: ${launch.fault}`);
    if (launch !== undefined) return;
    problems.add(line, expected, `${shown(script)}, which is ${found.isDirectory() ? 'a folder' : 'neither a file nor a folder'}`);
  } catch (error) {
    const place = path.relative(folder, path.dirname(file)) || '.';
    const siblings = await readdir(path.dirname(file)).catch(() => undefined);
    const where = siblings === undefined ? `, as there is no folder ${shown(place)} beside the file` : '';
    problems.add(line, expected, `${shown(script)}: ${whyUnreadable(error)}${where}`, siblings && { given: path.basename(file), known: siblings });
  }
}
