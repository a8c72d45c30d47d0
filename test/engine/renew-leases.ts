import type { Database } from '../../src/db/database.ts';
import type { Engine } from '../../src/engine/port.ts';
import { keyOf } from '../../src/engine/leases.ts';
import { renew } from '../../src/watch/renew.ts';

/** What a daemon's watch does every third of a lease, once and now: renews all leases of an engine and tells it what was found. */
export async function renewLeases({ leases }: Engine, database: Database, leaseSeconds: number): Promise<void> {
  const beat = { daemonId: 0, running: 0, rssBytes: 0, cpuLoad: 0, clockSkewSeconds: null, troubles: [] };
  const held = leases.all.map((attempt) => ({ subjectId: attempt.subjectId, taskId: attempt.taskId, attempt: attempt.attempt, progress: attempt.progress, key: keyOf(attempt) }));
  const { lost, cancelled } = await renew(database.hot.run, beat, leaseSeconds, held);
  for (const { key } of lost) leases.lost(key);
  for (const { attempt, by, reason } of cancelled) leases.cancelled(attempt.key, by, reason);
}
