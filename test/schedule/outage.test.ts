import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { launchPostgres } from '../../src/db/postgres/launch.ts';
import { parsePlan } from '../../src/schedule/plan.ts';
import { wireTo } from '../engine/wire.ts';
import { createDatabase } from '../harness.ts';
import { accountOf } from './account-of.ts';
import { rowOf, ticksOf, type GivenRunner } from './given.ts';
import { startSchedulers } from './start.ts';

const GIVEN: GivenRunner[] = [{ taskName: 'Cron', schedule: '* * * * * *' }, { taskName: 'Interval', schedule: 0.5, missedSlots: 'once' }];
const PLANS = { Cron: parsePlan('* * * * * *', 'UTC'), Interval: parsePlan('every 0.5 s', 'UTC') };

async function far() {
  const database = await createDatabase();
  const wire = await wireTo(database.address);
  const through = await openDatabase(wire.address);
  onTestFinished(async () => {
    // What waits for an answer would be waited for.
    await wire.cut();
    await through.close();
  });
  return { database, wire, through };
}

/** Every slot since one that was fired, held against the rows; how many were missed because of the database. */
async function away(database: Database, since: (name: string) => Date): Promise<number[]> {
  const counts: number[] = [];
  for (const [name, plan] of Object.entries(PLANS)) {
    const until = new Date((await rowOf(database, name))!.accounted_to);
    const { wrong, missed } = await accountOf(database, name, plan, new Date(since(name).getTime() - 1), until);
    expect([name, wrong]).toEqual([name, []]);
    counts.push(missed['database away'] ?? 0);
  }
  return counts;
}

describe('while the database is away', () => {
  it('nothing is fired; when it is back, schedules go on by themselves, and what was missed is recorded', async () => {
    const { database, wire, through } = await far();
    const { fired, stop, lines } = await startSchedulers(through, 2, GIVEN);
    await Promise.all([fired.more('Cron', 1), fired.more('Interval', 1)]);
    await wire.cut();
    await expect.poll(() => lines.filter((line) => line.includes('does not answer the schedules')), { timeout: 5000 }).not.toEqual([]);
    // Two slots of the slower schedule, told by the clock: nothing else goes on.
    const until = (Math.floor(Date.now() / 1000) + 2) * 1000;
    await expect.poll(() => Date.now(), { timeout: 5000 }).toBeGreaterThan(until);
    await wire.mend();
    await Promise.all([fired.more('Cron', 2), fired.more('Interval', 3)]);
    await stop();
    const [cron, interval] = await away(database, (name) => fired.of(name)[0]!.slot);
    expect(cron).toBeGreaterThanOrEqual(1);
    expect(interval).toBeGreaterThanOrEqual(2);
    expect(lines.filter((line) => line.includes('does not answer the schedules')).length).toBeLessThan(5);
    expect(lines.filter((line) => /^info: The database answers again; schedules go on after \d+\.\d s\.$/.test(line))).not.toEqual([]);
  });

  it('a call that gets no answer stops no tick for longer than its time', async () => {
    const { database, wire, through } = await far();
    const { fired, stop } = await startSchedulers(through, 1, GIVEN, { callSeconds: 1 });
    await Promise.all([fired.more('Cron', 1), fired.more('Interval', 1)]);
    // While nothing is asked: what is asked next gets no answer.
    await vi.waitFor(async () => expect(await database.em().execute<object[]>(`select from tick where ended_at is null`)).toEqual([]), { interval: 5 });
    wire.silence();
    const since = Date.now();
    await Promise.all([fired.more('Cron', 2), fired.more('Interval', 2)]);
    expect(Date.now() - since).toBeLessThan(6000);
    await stop();
    await away(database, (name) => fired.of(name)[0]!.slot);
  });

  it('a slot that was taken, of which the answer was lost, is run all the same', async () => {
    const { database, wire, through } = await far();
    const { fired, stop } = await startSchedulers(through, 1, [{ taskName: 'Cron', schedule: '*/2 * * * * *' }], { callSeconds: 1 });
    wire.deafenAt('"cause":"schedule"');
    const { slot } = await fired.more('Cron', 1);
    expect(Date.now() - slot.getTime()).toBeGreaterThanOrEqual(1000);
    await stop();
    expect(await ticksOf(database, 'Cron')).toMatchObject([{ cause: 'schedule', outcome: 'finished', slot: expect.any(String) }]);
  });
});

describe('a server that is stopped with "immediate" and started again', () => {
  it('finds the schedules going on, without a slot that is lost or fired twice', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-schedules-'));
    const server = await launchPostgres({ dataDir: folder });
    onTestFinished(async () => {
      await server.release();
      await rm(folder, { recursive: true, force: true });
    });
    const database = await openDatabase(server);
    onTestFinished(() => database.close());
    const postmaster = async () =>
      (await database.em().execute<{ pid: number }[]>(`select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::integer as pid`))[0]!.pid;
    const { fired, stop } = await startSchedulers(database, 2, GIVEN);
    await Promise.all([fired.more('Cron', 1), fired.more('Interval', 2)]);
    const before = await postmaster();
    process.kill(before, 'SIGQUIT');
    await expect.poll(() => postmaster().catch(() => before), { timeout: 20_000 }).not.toBe(before);
    await Promise.all([fired.more('Cron', 2), fired.more('Interval', 3)]);
    await stop();
    await away(database, (name) => fired.of(name)[0]!.slot);
    const slots = fired.ticks.map(({ tick }) => `${tick.runner} ${tick.slot.toISOString()}`);
    expect(new Set(slots).size).toBe(slots.length);
  });
});
