import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { claimLimited } from '../../src/engine/limits.ts';
import { createDatabase } from '../harness.ts';
import { gate, obeys } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';
import type { World } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const names = (count: number) => Array.from({ length: count }, (_, n) => `sn${n}`);
const claimFor = (world: World, task: string, limit: number, daemonId = 1) =>
  claimLimited(database.hot, { ...world.task(task), version: 7 }, { daemonId, actor: `daemon ${daemonId}`, leaseSeconds: 60 }, limit);

describe('the concurrency of a task', () => {
  it('holds over all daemons, however many claim at once', async () => {
    const world = await createWorld(database, { tasks: { Heavy: { concurrency: 3 } } });
    await world.add(...names(50));
    const claims = await Promise.all(Array.from({ length: 12 }, (_, daemonId) => claimFor(world, 'Heavy', 5, daemonId)));
    expect(claims.flatMap(({ entries }) => entries)).toHaveLength(3);
    expect(claims.filter(({ entries }) => entries.length === 0).every(({ heldBack }) => heldBack?.by === 'its concurrency of 3')).toBe(true);
  });

  it('is used up and given back, and all entries are done, never more at once', async () => {
    const world = await createWorld(database, { tasks: { Heavy: { concurrency: 2 } } });
    await world.add(...names(20));
    let now = 0;
    let most = 0;
    world.runner('Heavy').does(async () => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return 'processed';
    });
    const [one, two] = [world.engine({ daemonId: 1 }), world.engine({ daemonId: 2 })];
    await vi.waitFor(async () => {
      await Promise.all([one.work(), two.work()]);
      expect(new Set(Object.values(await world.statuses('Heavy')))).toEqual(new Set(['processed']));
    }, 10_000);
    expect(most).toBe(2);
    expect(world.runner('Heavy').runs).toHaveLength(20);
  });

  it('when one ends, the task is woken everywhere', async () => {
    const world = await createWorld(database, { tasks: { Heavy: { concurrency: 1 } } });
    await world.add('a', 'b');
    const open = gate();
    world.runner('Heavy').does(open.script);
    const { engine, quiet } = world.engine();
    await engine.wake();
    const client = await database.connect('test');
    try {
      await client.query('listen afterglow_ready');
      const heard = new Promise((resolve) => client.on('notification', ({ payload }) => payload === String(world.task('Heavy').id) && resolve(payload)));
      open.open();
      await quiet();
      await heard;
    } finally {
      await client.end();
    }
    await engine.wake();
    await quiet();
    expect(await world.statuses('Heavy')).toEqual({ a: 'processed', b: 'processed' });
  });
});

describe('a resource', () => {
  const tasks = { Report: { uses: { tns: 1 } }, Fetch: { uses: { tns: 2 } }, Free: {} };

  it('is shared by its tasks, by their units', async () => {
    const world = await createWorld(database, { resources: [{ name: 'tns', concurrency: 5 }], tasks });
    await world.add(...names(10));
    expect((await claimFor(world, 'Fetch', 1)).entries).toHaveLength(1);
    expect((await claimFor(world, 'Report', 2)).entries).toHaveLength(2);
    const { entries, heldBack } = await claimFor(world, 'Fetch', 4);
    expect([entries.length, heldBack]).toEqual([0, { by: '"tns", of which there are 5', againInSeconds: undefined }]);
    expect((await claimFor(world, 'Report', 4)).entries).toHaveLength(1);
    const { engine } = world.engine();
    await engine.wake(world.task('Free').id);
    await vi.waitFor(async () => expect(new Set(Object.values(await world.statuses('Free')))).toEqual(new Set(['processed'])));
  });

  it('with a rate is asked so often in any minute, over all daemons and tasks', async () => {
    const world = await createWorld(database, { resources: [{ name: 'tns', perMinute: 10 }], tasks });
    await world.add(...names(40));
    const claims = await Promise.all([...Array(6).keys()].flatMap((daemonId) => [claimFor(world, 'Report', 3, daemonId), claimFor(world, 'Fetch', 3, daemonId)]));
    const units = claims.reduce((sum, { entries }) => sum + entries.reduce((more, { taskId }) => more + (taskId === world.task('Fetch').id ? 2 : 1), 0), 0);
    expect(units).toBeGreaterThanOrEqual(9);
    expect(units).toBeLessThanOrEqual(10);
    const { entries, heldBack } = await claimFor(world, 'Fetch', 1);
    expect(entries).toEqual([]);
    expect(heldBack!.by).toBe('"tns", 10 a minute');
    expect(heldBack!.againInSeconds).toBeGreaterThan(50);
    expect(heldBack!.againInSeconds).toBeLessThanOrEqual(60);
    // 40 s later the first of these starts are still within the minute; 61 s later none is.
    await database.em().execute(`update resource_start set at = at - interval '40 seconds'`);
    expect((await claimFor(world, 'Fetch', 1)).heldBack!.againInSeconds).toBeLessThanOrEqual(20);
    await database.em().execute(`update resource_start set at = at - interval '21 seconds'`);
    expect((await claimFor(world, 'Fetch', 9)).entries).toHaveLength(5);
    expect(await database.em().execute(`select sum(units)::int as units from resource_start`)).toEqual([{ units: 10 }]);
  });

  it('that has no room does not keep entries of other tasks from running, nor take a place', async () => {
    const world = await createWorld(database, { resources: [{ name: 'tns', concurrency: 1 }], tasks: { Report: { uses: { tns: 1 }, does: obeys }, Free: {} } });
    await world.add(...names(6));
    const { engine } = world.engine({ concurrency: 2 });
    await engine.wake();
    await vi.waitFor(async () => expect(new Set(Object.values(await world.statuses('Free')))).toEqual(new Set(['processed'])));
    expect(engine.running).toBe(1);
  });
});
