import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/database.ts';
import { createLog } from '../../src/log.ts';
import type { RunHooks } from '../../src/runner/run-hooks.ts';
import { executeRun, type ExecutedRun } from '../../src/runs/execute-run.ts';
import { readJobs } from '../../src/runs/read-jobs.ts';
import type { RunView, TaskView } from '../../src/runs/run-view.ts';
import { createDatabase } from '../harness.ts';

/** How a run is asked for, beside its file. */
export interface Asked {
  name?: string;
  only?: string[];
  forced?: boolean;
  anew?: boolean;
  hooks?: RunHooks;
  most?: number;
  haltOnFailure?: boolean;
  signal?: AbortSignal;
  pass?: string[];
  /** The register answers late what is left to do, when that may no longer be true, and claims take their time. */
  isSlow?: boolean;
  watch?: (view: RunView) => void;
}

/** What came of it. */
export interface Ran extends ExecutedRun {
  /** `script: state`, in the order of the plan. */
  states: string[];
  of(script: string): TaskView;
}

/** A database of its own for the runs of a test file. */
export function createRuns(): { database: () => Database; run(folder: string, asked?: Asked): Promise<Ran> } {
  let database: Database;
  let data: string;
  beforeAll(async () => {
    database = await createDatabase();
    data = await mkdtemp(path.join(os.tmpdir(), 'afterglow-runs-'));
  });
  afterAll(() => rm(data, { recursive: true, force: true }));
  return {
    database: () => database,
    async run(folder, { name = path.basename(folder), only = [], forced = false, anew = false, hooks = {}, most = 8, haltOnFailure = false, signal = new AbortController().signal, pass = [], isSlow = false, watch } = {}) {
      const file = await readJobs(path.join(folder, 'jobs.json'));
      const home = { config: readConfig({ log: 'silent' }), database: isSlow ? slow(database) : database, folders: { data, products: path.join(data, 'products') }, log: createLog('silent') };
      let view: RunView | undefined;
      const ended = await executeRun(home, {
        order: { name, file, only, forced, anew }, hooks, most, haltOnFailure, signal, pass,
        onOpen: (opened) => {
          view = opened;
          watch?.(opened);
        },
      });
      return { ...ended, states: view!.tasks.map(({ task, state }) => `${task.script}: ${state}`), of: (script) => view!.of(script) };
    },
  };
}

function slow(database: Database): Database {
  const run: Database['hot']['run'] = async (statement, params) => {
    if (statement.text.includes('attempt = r.attempt + 1')) await delay(150);
    const rows = await database.hot.run<never>(statement, params);
    if (statement.text.includes('$2::boolean or s.message')) await delay(500);
    return rows;
  };
  return { ...database, hot: { ...database.hot, run } };
}

/** The text of a shell script that does something and then says what came of it. */
export const says = (result: object, before = ''): string => `${before}\necho '== RESULT START =='\necho '${JSON.stringify(result)}'\necho '== RESULT END =='\n`;

/** The same with success. */
export const ok = (before = '', result: object = {}): string => says({ status: 'success', ...result }, before);
