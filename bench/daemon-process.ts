import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../src/clock.ts';
import { Daemon } from '../src/daemon/daemon.ts';
import { openDatabase, type DatabaseAddress } from '../src/db/database.ts';
import { createLog } from '../src/log.ts';
import type { TransientTaskRunner } from '../src/runner/runner.ts';
import { VERSION } from '../src/version.ts';
import * as blast17 from './blast17.ts';
import { readGraph, type Graph } from './graph.ts';
import { oneTask } from './one-task.ts';

/** What a daemon in a process of its own is to be. */
export interface DaemonOrders {
  address: DatabaseAddress;
  /** Blast's empty runners, or one that goes on until it is told to stop. */
  graph: 'blast17' | 'endless';
  folder: string;
  concurrency: number;
  leaseSeconds: number;
  /** The daemon's own default unless given. */
  careSeconds?: number;
}

/** Such a daemon, which has begun. */
export interface DaemonProcess {
  child: ChildProcess;
  /** Of its row. */
  daemonId: number;
  /** Tells it to stop; resolves when the process is gone. */
  stop(): Promise<void>;
  /** Kills it with SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Runners that go on until they are told to stop. */
export function endless(): Graph {
  const graph = oneTask();
  const runProcess: TransientTaskRunner['runProcess'] = (_transient, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  return { ...graph, runners: graph.runners.map((runner) => Object.assign(runner, { runProcess })) };
}

/** Starts a daemon in a process of its own. @param signal stops it, too */
export async function startDaemonProcess(orders: DaemonOrders, signal: AbortSignal): Promise<DaemonProcess> {
  const child = fork(import.meta.filename, { signal, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  child.send(orders);
  const first = await Promise.race([once(child, 'message') as Promise<[number]>, ended.then(([code, killedBy]) => new Error(`A daemon ended with ${code ?? killedBy} before it had begun.`))]);
  if (first instanceof Error) throw first;
  return {
    child,
    daemonId: first[0],
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

if (import.meta.main) process.once('message', (orders: DaemonOrders) => void serve(orders));

async function serve({ address, graph: which, folder, concurrency, leaseSeconds, careSeconds }: DaemonOrders): Promise<void> {
  const graph = which === 'blast17' ? blast17 : endless();
  const database = await openDatabase(address);
  const { machine, statusIds, tasks } = await readGraph(database.em(), graph);
  const daemon = await Daemon.create({
    database, machine, statusIds, tasks, runners: graph.runners, timeLimits: new Map(), clock: systemClock, log: createLog('silent'), version: VERSION,
    config: { concurrency, leaseSeconds, graceSeconds: 0, log: 'silent' }, folders: { data: folder, products: folder },
    ...(careSeconds !== undefined && { careSeconds }),
  });
  // The one who started us wants us to stop, or is gone.
  const disconnected = once(process, 'disconnect');
  await daemon.begin();
  process.send!(daemon.id);
  await disconnected;
  await daemon.stop();
  await database.close();
}
