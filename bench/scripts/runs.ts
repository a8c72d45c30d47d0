import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { openDatabase } from '../../src/db/database.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import { createLog } from '../../src/log.ts';
import { runScript } from '../../src/scripts/run-script.ts';
import { TransientScriptRunner } from '../../src/scripts/script-task-runner.ts';
import { statuses } from '../blast17.ts';
import { addTransients, storeGraph } from '../graph.ts';
import { DeliveryError } from '../pipeline/delivery-error.ts';
import { untilEnded } from '../pipeline/engine-run.ts';
import type { BenchServer } from '../server.ts';

/** A script of the benchmark, and the program that it is run with. */
export interface BenchScript {
  name: string;
  program: string;
  file: string;
}

const INPUT = { task: 'only', subject: { id: '1', name: 'bench1', raDeg: 10.5, decDeg: -3 }, results: {}, attempt: 1 };

/** Those that this machine can run. */
export function benchScripts(): BenchScript[] {
  const all = [{ name: 'shell', program: 'sh', file: 'answer.sh' }, { name: 'Python', program: 'python3', file: 'answer.py' }];
  return all.map((script) => ({ ...script, file: path.join(import.meta.dirname, script.file) })).filter(({ program }) => spawnSync(program, ['-c', ':']).error === undefined);
}

/** Starts the program with the script as Node does, gives it the input and reads what it says. @returns milliseconds until it is gone */
export async function bareSpawn({ program, file }: BenchScript): Promise<number> {
  const startedMs = performance.now();
  const child = spawn(program, [file]);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.resume();
  child.stdin.end(`${JSON.stringify(INPUT)}\n`);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const ms = performance.now() - startedMs;
  if (code !== 0 || !said.includes('3.5')) throw new DeliveryError([`${file} ended with ${code} and said ${said}`]);
  return ms;
}

/** The same with everything that a script gets from us. @returns milliseconds until it is gone and its folder is removed */
export async function ownRun({ file }: BenchScript, folder: string): Promise<number> {
  const startedMs = performance.now();
  const { ended } = await runScript({ script: file, folders: path.join(folder, 'scripts'), input: INPUT });
  const ms = performance.now() - startedMs;
  if (!('result' in ended) || ended.result.result?.flux !== 3.5) throw new DeliveryError([`${file} gave ${JSON.stringify(ended)}`]);
  return ms;
}

class ScriptOnly extends TransientScriptRunner {
  readonly taskName = 'only';
  readonly schedule = '0 0 1 1 *';
  readonly prerequisites = {};
  readonly failedStatusMessage = 'failed';
  readonly script: string;

  constructor(script: string) {
    super();
    this.script = script;
  }
}

/**
 * Has an engine run the script for so many objects, one after the other, each claimed, run and advanced.
 *
 * @returns milliseconds of each, all in all
 * @throws {DeliveryError} an object was not processed
 */
export async function throughTheRegister(server: BenchServer, { file }: BenchScript, objects: number): Promise<number> {
  const address = await server.create();
  try {
    const database = await openDatabase(address);
    const task = { name: 'only', kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true };
    const { machine, statusIds, tasks } = await storeGraph(database.em(), { statuses, tasks: [task], runners: [new ScriptOnly(file) as never] });
    await addTransients(database.em(), objects);
    const engine = new LocalEngine({
      fork: () => database.em(), hot: database.hot, tasks, machine, statusIds, daemonId: 1, actor: 'bench', concurrency: 1, leaseSeconds: 30,
      folders: { data: server.folder, products: server.folder }, clock: systemClock, log: createLog('silent'),
    });
    const startedMs = performance.now();
    await untilEnded(engine, objects);
    const ms = performance.now() - startedMs;
    await engine.stop(0);
    const [row] = await database.em().execute<{ done: number }[]>(`select count(*)::int as done from attempt where result->>'flux' = '3.5'`);
    await database.close();
    if (row!.done !== objects) throw new DeliveryError([`${row!.done} of ${objects} objects have the script's result`]);
    return ms / objects;
  } finally {
    await server.drop(address);
  }
}
