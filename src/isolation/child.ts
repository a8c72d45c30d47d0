// A process that runs isolated attempts, one after the other: started by an IsolatedProcess, told what to do by messages.
// What to make of how a runner ended is decided by the parent; here it is only run, and what it wrote is committed on demand.
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { MikroORM } from '@mikro-orm/postgresql';
import { attachDatabase } from '../db/database.ts';
import { ConfigError } from '../errors.ts';
import { loadPipeline } from '../runner/pipeline.ts';
import { isSubjectRunner, type SubjectTaskRunner } from '../runner/runner.ts';
import { ChildRun } from './child-run.ts';
import type { FromProcess, ProcessSettings, ToProcess } from './messages.ts';
import { toWire } from './wire-error.ts';

/** What is there once the process is prepared. */
interface Prepared {
  settings: ProcessSettings;
  runners: ReadonlyMap<string, SubjectTaskRunner<unknown>>;
  orm: MikroORM;
}

let prepared: Prepared | undefined;
let current: ChildRun | undefined;

// Our own: a runner's module may load others that take messages too.
const send = process.send!.bind(process);
const say = (message: FromProcess): void => void send(message, () => {});

process.on('unhandledRejection', (reason) => say({ type: 'rejection', error: toWire(reason) }));
process.on('message', (message) => {
  void hear(message as ToProcess);
});

async function hear(message: ToProcess): Promise<void> {
  if (message.type === 'prepare') {
    try {
      prepared = await prepare(message.settings);
      say({ type: 'ready' });
    } catch (error) {
      say({ type: 'unable', error: toWire(error) });
    }
  } else if (message.type === 'run') {
    say(await run(message));
  } else if (message.type === 'abort') {
    current?.abort(message.reason);
  } else if (message.type === 'commit') {
    say(await current!.commit(message.taskId, message.actor, message.ending));
  } else if (message.type === 'rollback') {
    say(await current!.rollback());
  } else {
    // The server would write a line for each connection that breaks.
    await prepared?.orm.close(true).catch(() => {});
    process.exit(0);
  }
}

async function run(order: Extract<ToProcess, { type: 'run' }>): Promise<FromProcess> {
  const { settings, runners, orm } = prepared!;
  const runner = runners.get(order.task);
  if (runner === undefined) {
    const error = new ConfigError(`${settings.runnersFile}, loaded in a process of its own, has no runner of "${order.task}".`);
    return { type: 'ended', outcome: { thrown: toWire(error) }, wrote: false, interruption: undefined, cpuSeconds: 0 };
  }
  current = new ChildRun({ runner, folders: settings.folders, fork: () => orm.em.fork(), say }, order);
  return current.run();
}

/** Where the machine's memory runs out, this process and what it starts go before the daemon and the database. From −1000 to 1000; raising it is free to everybody. */
function goFirst(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // No Linux.
  }
}

async function prepare(settings: ProcessSettings): Promise<Prepared> {
  goFirst();
  const watched = watchParent();
  const pipeline = await loadPipeline(settings.runnersFile);
  const runners = new Map(pipeline.periodicRunners.filter(isSubjectRunner).map((runner) => [runner.taskName, runner]));
  // The attempt's transaction, and named locks beside it.
  const orm = attachDatabase(settings.address, pipeline, 2);
  await watched;
  return { settings, runners, orm };
}

/** Resolves when this process is sure to end with its parent. */
async function watchParent(): Promise<void> {
  const watchdog = new Worker(new URL('watchdog.ts', import.meta.url));
  watchdog.unref();
  await new Promise((resolve, reject) => {
    watchdog.once('online', resolve);
    watchdog.once('error', reject);
  });
}
