import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { launchPostgres } from '../../src/db/postgres/launch.ts';
import { createWorld } from '../engine/create-world.ts';
import { wireTo } from '../engine/wire.ts';
import { createDatabase } from '../harness.ts';
import { renewalsOf, startWatch } from './given-watch.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given() {
  const wire = await wireTo(database.address);
  const world = await createWorld(database, { tasks: { Match: {} } });
  await world.add('a');
  const watch = await startWatch(world, wire.address);
  const attempt = await watch.hold('a', 3600);
  const renewals = renewalsOf(world, 'a');
  await vi.waitFor(async () => expect((await world.entry('a', 'Match')).lease_seconds).toBeLessThan(1), 10_000);
  return { wire, world, attempt, renewals, ...watch };
}

describe('while the database is away', () => {
  it('the watch tries again and again, says so once, and goes on when it is back', async () => {
    const { wire, world, attempt, renewals, watch, lines, threads } = await given();
    await wire.cut();
    await vi.waitFor(() => expect(watch.troubles).toMatchObject([expect.stringMatching(/^leases could not be renewed for \d+ s: /)]), 10_000);
    await vi.waitFor(async () => expect((await world.entry('a', 'Match')).lease_seconds).toBeLessThan(-0.3), 10_000);
    await wire.mend();
    await vi.waitFor(async () => expect(await renewals()).toBeGreaterThanOrEqual(3), 10_000);
    expect(lines.map(({ level, msg }) => `${level} ${msg.replace(/: .*|\d+ s/, '')}`)).toEqual(['40 leases cannot be renewed; trying again', '30 leases are renewed again, after ']);
    expect([attempt.told, watch.troubles, threads.length]).toEqual([[], [], 1]);
  });

  it('an attempt that was rescued meanwhile hears of it when it is back', async () => {
    const { wire, world, attempt, watch } = await given();
    await wire.cut();
    await vi.waitFor(() => expect(watch.troubles).toHaveLength(1), 10_000);
    await database.em().execute(`update task_register set status_id = 1, cause = 'rescue', actor = 'daemon 9', lease_owner = null, lease_until = null`);
    await world.put('a', 'Match', 'processing', { owner: 9, seconds: 3600 });
    await wire.mend();
    await vi.waitFor(() => expect(attempt.told).toMatchObject([{ name: 'LeaseLostError', attempt: 1 }]), 10_000);
    expect((await world.entry('a', 'Match')).lease_seconds).toBeGreaterThan(3000);
  });

  it('a connection that has gone silent is dropped for a new one', async () => {
    const { wire, renewals, watch, lines } = await given();
    wire.silence();
    await vi.waitFor(() => expect(watch.troubles).toEqual([expect.stringContaining('timeout')]), 10_000);
    await vi.waitFor(async () => expect(await renewals()).toBeGreaterThanOrEqual(2), 10_000);
    expect([watch.troubles, lines.length]).toEqual([[], 2]);
  });

  it('the watch can be stopped at once', async () => {
    const { wire, watch, threads } = await given();
    wire.silence();
    await wire.cut();
    await vi.waitFor(() => expect(watch.troubles).toHaveLength(1), 10_000);
    const before = performance.now();
    await watch.stop();
    expect(performance.now() - before).toBeLessThan(2500);
    expect(threads).toHaveLength(1);
  });
});

describe('a server that is stopped with "immediate" and started again', () => {
  it('finds the watch there again, twice', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-watch-'));
    const server = await launchPostgres({ dataDir: folder });
    onTestFinished(async () => {
      await server.release();
      await rm(folder, { recursive: true, force: true });
    });
    const own = await openDatabase(server);
    onTestFinished(() => own.close());
    const world = await createWorld(own, { tasks: { Match: {} } });
    await world.add('a');
    const { hold, watch } = await startWatch(world, own.address);
    const attempt = await hold('a', 3600);
    for (let round = 1; round <= 2; round += 1) {
      const before = await postmaster(own);
      process.kill(before, 'SIGQUIT');
      // It may be back before the watch has missed it.
      await vi.waitFor(async () => expect(await postmaster(own).catch(() => before)).not.toBe(before), 20_000);
      const renewals = renewalsOf(world, 'a');
      await vi.waitFor(async () => expect(await renewals().catch(() => 0)).toBeGreaterThanOrEqual(2), 20_000);
      expect(watch.troubles).toEqual([]);
    }
    expect(attempt.told).toEqual([]);
  });
});

async function postmaster(of: Database): Promise<number> {
  const [row] = await of.em().execute<{ pid: number }[]>(`select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::integer as pid`);
  return row!.pid;
}
