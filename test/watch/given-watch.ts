import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { Leases, type HeldAttempt } from '../../src/engine/leases.ts';
import { Watch, type WatchOptions } from '../../src/watch/watch.ts';
import { listeningLog, type LogLine, type World } from '../engine/world.ts';

/** An attempt without a runner, which keeps what it is told. */
export interface FakeAttempt extends HeldAttempt {
  told: Error[];
}

export interface GivenWatch {
  watch: Watch;
  leases: Leases;
  lines: LogLine[];
  daemonId: number;
  /** The threads that were started, in order. */
  threads: Worker[];
  /** Has the daemon run "Match" of a subject of the world, for so long. */
  hold(subject: string, leaseSeconds?: number): Promise<FakeAttempt>;
}

/** A watch with a real thread, over attempts that are claims in the database and nothing else. It is stopped when the test is over. */
export async function startWatch(world: World<'Match'>, address: DatabaseAddress, given: Partial<WatchOptions> = {}): Promise<GivenWatch> {
  const { log, lines } = listeningLog();
  const leases = new Leases();
  const threads: Worker[] = [];
  const [row] = await world.database.em().execute<{ id: number }[]>(
    `insert into daemon (host, machine, pid, process_start, version, concurrency, heartbeat_at) values ('here', '', 1, '', '0', 4, now() - interval '1 hour') returning id`,
  );
  const daemonId = row!.id;
  const watch = new Watch({
    address, daemonId, leases, log, leaseSeconds: 0.6, settleSeconds: 0.1, logFormat: 'silent', running: () => leases.size, ...given,
    createThread: (setting) => {
      const thread = new Worker(new URL('../../src/watch/thread.ts', import.meta.url), { workerData: setting, execArgv: [] });
      threads.push(thread);
      return thread;
    },
  });
  onTestFinished(() => watch.stop());
  watch.start();
  return {
    watch, leases, lines, daemonId, threads,
    async hold(subject, leaseSeconds = 0.6) {
      await world.put(subject, 'Match', 'processing', { owner: daemonId, seconds: leaseSeconds });
      const [entry] = await world.database.em().execute<{ subject_id: string; task_id: number; attempt: number }[]>(
        `select r.subject_id, r.task_id, r.attempt from task_register r join subject s on s.id = r.subject_id where s.name = ?`, [subject],
      );
      const told: Error[] = [];
      const attempt: FakeAttempt = {
        subjectId: entry!.subject_id, taskId: entry!.task_id, attempt: entry!.attempt, task: 'Match', subject, told,
        progress: undefined, begun: true, over: false, timeLimitSeconds: null, abort: (reason) => void told.push(reason),
      };
      leases.add(attempt);
      return attempt;
    },
  };
}

/** How often a lease has been prolonged since the first look; to be called often. */
export function renewalsOf(world: World<'Match'>, subject: string): () => Promise<number> {
  let renewals = 0;
  let last = Infinity;
  return async () => {
    const left = (await world.entry(subject, 'Match')).lease_seconds ?? -Infinity;
    if (left > last) renewals += 1;
    last = left;
    return renewals;
  };
}
