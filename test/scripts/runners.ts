import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { environmentOf, readProcesses } from '../../src/isolation/process-table.ts';
import { TransientScriptRunner } from '../../src/scripts/script-task-runner.ts';

/** A runner whose script a test writes. */
export class Shell extends TransientScriptRunner {
  readonly taskName: string = 'Do';
  readonly schedule = '* * * * *';
  // Not older than the one that a world of tests begins with.
  override readonly version: number = 7;
  readonly prerequisites: Readonly<Record<string, string>> = {};
  readonly failedStatusMessage = 'failed';
  readonly script: string;

  constructor(script: string) {
    super();
    this.script = script;
  }
}

/** A folder for a test file's scripts, and for what they are run in. */
export function scriptFolder(): { data: () => string; write: (text: string, name?: string) => Promise<string> } {
  let folder = '';
  let count = 0;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-scripts-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return {
    data: () => folder,
    async write(text, name = `script-${(count += 1)}.sh`) {
      const file = path.join(folder, name);
      await writeFile(file, text);
      return file;
    },
  };
}

/** What a shell script prints as its result: these lines, in which the shell puts values in place of variables. */
export const said = (json: string): string => `cat <<X\n== RESULT START ==\n${json}\n== RESULT END ==\nX\n`;

/** The processes that have this in their environment. */
export const processesWith = (name: string, value: string): number[] => readProcesses().map(({ pid }) => pid).filter((pid) => environmentOf(pid, name) === value);
