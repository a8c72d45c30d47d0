import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { renewalsOf, startWatch } from './given-watch.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given(options: { leaseSeconds?: number }, ...subjects: string[]) {
  const world = await createWorld(database, { tasks: { Match: {} } });
  await world.add(...subjects);
  return { world, ...(await startWatch(world, database.address, options)) };
}
const beat = async (id: number) => (await database.em().execute<{ ago: number; running: number; rss: number; skew: number }[]>(
  `select extract(epoch from clock_timestamp() - heartbeat_at)::float as ago, running, rss_bytes::float as rss, clock_skew_seconds as skew from daemon where id = ?`, [id],
))[0]!;

describe('the watch', () => {
  it('keeps a lease alive as long as its attempt is held, with its progress, and no longer', async () => {
    const { world, hold, leases } = await given({}, 'a');
    const attempt = await hold('a');
    const renewals = renewalsOf(world, 'a');
    attempt.progress = 0.25;
    await vi.waitFor(async () => expect(await renewals()).toBeGreaterThanOrEqual(4), 10_000);
    await vi.waitFor(async () => expect(await world.attempts('a', 'Match')).toMatchObject([{ progress: 0.25 }]), 10_000);
    leases.delete(attempt);
    await vi.waitFor(async () => expect((await world.entry('a', 'Match')).lease_seconds).toBeLessThan(0), 10_000);
    expect(attempt.told).toEqual([]);
  });

  it('beats the heart whether anything is held or not, and says what the process is like', async () => {
    const { hold, daemonId } = await given({}, 'a');
    await vi.waitFor(async () => expect(await beat(daemonId)).toMatchObject({ running: 0, ago: expect.toSatisfy((ago: number) => ago < 60) }), 10_000);
    await hold('a');
    await database.em().execute(`update daemon set heartbeat_at = now() - interval '1 hour'`);
    await vi.waitFor(async () => expect(await beat(daemonId)).toMatchObject({ running: 1, ago: expect.toSatisfy((ago: number) => ago < 60) }), 10_000);
    const { rss, skew } = await beat(daemonId);
    expect(rss).toBeGreaterThan(1e7);
    // It is the same machine's clock.
    expect(Math.abs(skew)).toBeLessThan(1);
  });

  it('tells attempts that were lost or that a person cancels, and nobody else, and each once', async () => {
    const { world, hold } = await given({}, 'kept', 'lost', 'unwanted');
    const [kept, lost, unwanted] = [await hold('kept'), await hold('lost'), await hold('unwanted')];
    await database.em().execute(
      `update task_register r set cancel_reason = 'wrong catalogue', cancelled_by = 'person dora' from subject s where s.id = r.subject_id and s.name = 'unwanted';
       update task_register r set status_id = 1, cause = 'reset', actor = 'dora' from subject s where s.id = r.subject_id and s.name = 'lost'`,
    );
    const renewals = renewalsOf(world, 'unwanted');
    await vi.waitFor(async () => expect(await renewals()).toBeGreaterThanOrEqual(4), 10_000);
    expect(lost.told).toMatchObject([{ name: 'LeaseLostError', task: 'Match', subject: 'lost', attempt: 1 }]);
    expect(unwanted.told).toMatchObject([{ name: 'CancelledError', by: 'person dora', reason: 'wrong catalogue' }]);
    expect(kept.told).toEqual([]);
  });

  it('does not tell an attempt whose end is just being written that it was lost', async () => {
    const { world, hold } = await given({}, 'written', 'other');
    const [written, other] = [await hold('written'), await hold('other')];
    written.over = true;
    await database.em().execute(`update task_register set status_id = 1, cause = 'reset', actor = 'dora'`);
    await vi.waitFor(() => expect(other.told).toHaveLength(1), 10_000);
    expect(written.told).toEqual([]);
    expect((await world.entry('written', 'Match')).status).toBe('not processed');
  });

  it('has told the thread of an attempt before a runner of the same turn can hold the loop up', async () => {
    const { world, hold, daemonId } = await given({ leaseSeconds: 1.5 }, 'a', 'b');
    await vi.waitFor(async () => expect((await beat(daemonId)).ago).toBeLessThan(60), 10_000);
    await hold('a', 1.5);
    const b = await hold('b', 1.5);
    // What the engine does: what was claimed together is added in one turn, and the runners are called in a later microtask.
    await Promise.resolve();
    const end = performance.now() + 2500;
    while (performance.now() < end);
    expect((await world.entry('b', 'Match')).lease_seconds).toBeGreaterThan(0);
    expect(b.told).toEqual([]);
  });

  it('starts its thread anew when it dies, which takes over what is held', async () => {
    const { world, hold, threads, lines, watch } = await given({}, 'a');
    const attempt = await hold('a', 3600);
    await threads[0]!.terminate();
    await vi.waitFor(async () => expect((await world.entry('a', 'Match')).lease_seconds).toBeLessThan(1), 10_000);
    expect(threads).toHaveLength(2);
    const renewals = renewalsOf(world, 'a');
    await vi.waitFor(async () => expect(await renewals()).toBeGreaterThanOrEqual(3), 10_000);
    expect(lines).toContainEqual(expect.objectContaining({ level: 50, msg: expect.stringContaining('starting it anew') }));
    expect([attempt.told, watch.troubles]).toEqual([[], []]);
  });

  it('ends its thread when it is stopped', async () => {
    const { watch, threads, lines } = await given({});
    const gone = once(threads[0]!, 'exit');
    await watch.stop();
    await gone;
    const connections = () => database.em().execute<object[]>(`select pid from pg_stat_activity where datname = current_database() and application_name = 'afterglow watch'`);
    await vi.waitFor(async () => expect(await connections()).toEqual([]));
    expect([threads.length, lines]).toEqual([1, []]);
  });

  it('keeps no process alive', async () => {
    const watch = fileURLToPath(new URL('../../src/watch/watch.ts', import.meta.url));
    const leases = fileURLToPath(new URL('../../src/engine/leases.ts', import.meta.url));
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      const { Watch } = await import('${watch}');
      const { Leases } = await import('${leases}');
      const address = { url: process.env.DATABASE_URL };
      new Watch({ address, daemonId: 1, leases: new Leases(), leaseSeconds: 60, settleSeconds: 5, logFormat: 'plain', running: () => 0, log: console }).start();
      await new Promise((resolve) => setTimeout(resolve, 300));
    `], { env: { ...process.env, DATABASE_URL: urlOf(database.address) }, stdio: ['ignore', 'ignore', 'inherit'] });
    expect((await once(child, 'exit'))[0]).toBe(0);
  });
});
