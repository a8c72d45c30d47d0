import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { advance, type Ending } from '../../src/engine/advance.ts';
import { claim } from '../../src/engine/claim.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { createDatabase } from '../harness.ts';
import { gate, hangs, obeys } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';
import { renewLeases } from './renew-leases.ts';
import type { World } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const leaseRunsOut = () => database.em().execute(`update task_register set lease_until = clock_timestamp() - interval '1 ms' where status_id = 2`);
const take = (world: World<'Match'>) => claim(database.hot.run, { ...world.task('Match'), version: 7 }, { daemonId: 1, actor: 'daemon 1', leaseSeconds: 60 }, 10);
const ending = (world: World, subjectId: string, attempt: number, status = 'processed'): Ending => ({
  subjectId, attempt, statusId: world.statusIds.get(status)!, cause: 'finish', outcome: 'finished', wallSeconds: 1, cpuSeconds: 0.5,
  result: { from: attempt }, warning: undefined, cost: undefined, error: undefined, log: undefined, dueInSeconds: undefined, setbacks: 0,
});

describe('an advance', () => {
  it('by a late writer changes nothing and says so, in a batch with one that is in time', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const [late, intime] = await world.add('late', 'intime');
    await take(world);
    await resetEntries(database.em(), { subjects: ['late'] }, 'dora');
    await take(world);
    const endings = [ending(world, late!, 1, 'no host'), ending(world, intime!, 1)];
    expect(await advance(database.hot.run, world.task('Match').id, 'daemon 1', endings)).toEqual(new Map([[endings[1], undefined]]));
    expect(await world.entry('late', 'Match')).toMatchObject({ status: 'processing', attempt: 2 });
    expect(await world.attempts('late', 'Match')).toMatchObject([{ attempt: 1, outcome: 'superseded', result: null }, { attempt: 2, outcome: 'running', ended: false }]);
    expect(await world.attempts('intime', 'Match')).toMatchObject([{ outcome: 'finished', result: { from: 1 } }]);
  });

  it('tells two attempts of one entry in one batch apart', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const [id] = await world.add('a');
    await take(world);
    await resetEntries(database.em(), {}, 'dora');
    await take(world);
    const endings = [ending(world, id!, 1, 'no host'), ending(world, id!, 2)];
    expect(await advance(database.hot.run, world.task('Match').id, 'daemon 1', endings)).toEqual(new Map([[endings[1], undefined]]));
    expect(await world.statuses('Match')).toEqual({ a: 'processed' });
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'superseded', result: null }, { outcome: 'finished', result: { from: 2 } }]);
  });

  it('made twice is made once', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const [id] = await world.add('a');
    await take(world);
    expect((await advance(database.hot.run, world.task('Match').id, 'daemon 1', [ending(world, id!, 1)])).size).toBe(1);
    expect((await advance(database.hot.run, world.task('Match').id, 'daemon 1', [ending(world, id!, 1, 'failed')])).size).toBe(0);
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
  });
});

describe('a lease', () => {
  it('is renewed while the work lives, with its progress, and longer than it was first given', async () => {
    const world = await createWorld(database, { tasks: { Match: { limit: 3600 } } });
    await world.add('a');
    const open = gate();
    world.runner('Match').does((subject, context) => {
      context.progress(0.25);
      context.progress(NaN);
      context.progress(7);
      context.progress(0.5);
      return open.script(subject, context);
    });
    const { engine, quiet } = world.engine({ leaseSeconds: 1 });
    await engine.wake();
    await world.runner('Match').began('a');
    expect((await world.entry('a', 'Match')).lease_seconds).toBeLessThanOrEqual(1);
    await renewLeases(engine, database, 100);
    expect((await world.entry('a', 'Match')).lease_seconds).toBeGreaterThan(95);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'running', progress: 0.5 }]);
    expect(await rescue(database.hot, 'daemon 2', [], 0)).toEqual([]);
    open.open();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', progress: null }]);
    expect(engine.leases.size).toBe(0);
  });

  it('that was lost to a rescuer ends the runner at the next renewal, and its end writes nothing', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const reasons: unknown[] = [];
    world.runner('Match').does((subject, context) => {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      return context.attempt === 1 ? hangs(subject, context) : 'processed';
    });
    const one = world.engine({ daemonId: 1 });
    const two = world.engine({ daemonId: 2 });
    await one.engine.wake();
    await world.runner('Match').began('a');
    await leaseRunsOut();
    expect(await rescue(database.hot, 'daemon 2', [], 0)).toHaveLength(1);
    await two.work();
    await renewLeases(one.engine, database, 60);
    await one.quiet();
    expect(reasons).toMatchObject([{ name: 'LeaseLostError', task: 'Match', subject: 'a', attempt: 1 }]);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'rescued', daemon_id: 1 }, { outcome: 'finished', daemon_id: 2 }]);
    expect(one.lines.map(({ msg }) => msg)).toContain('an attempt came too late and wrote nothing');
    expect(one.engine.ended).toBe(1);
  });

  it('of an entry that was reset and claimed again by the same daemon: the old attempt is told to stop, the new one keeps its lease', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const reasons: Record<number, unknown> = {};
    const second = gate();
    world.runner('Match').does((subject, context) => {
      context.signal.addEventListener('abort', () => {
        reasons[context.attempt] = context.signal.reason;
      });
      return context.attempt === 1 ? obeys(subject, context) : second.script(subject, context);
    });
    const { engine, quiet } = world.engine({ leaseSeconds: 1 });
    await engine.wake();
    await world.runner('Match').began('a');
    await resetEntries(database.em(), {}, 'dora');
    await engine.wake();
    await world.runner('Match').began('a', 2);
    expect(engine.leases.size).toBe(2);
    await renewLeases(engine, database, 100);
    await vi.waitFor(() => expect(engine.leases.size).toBe(1));
    expect(reasons).toMatchObject({ 1: { name: 'LeaseLostError', attempt: 1 } });
    // The end of the first did not let go of the second's.
    await renewLeases(engine, database, 500);
    expect((await world.entry('a', 'Match')).lease_seconds).toBeGreaterThan(400);
    second.open();
    await quiet();
    expect(reasons[2]).toBeUndefined();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'superseded' }, { outcome: 'finished' }]);
    expect(await world.statuses('Match')).toEqual({ a: 'processed' });
  });

  it('is renewed for claimed entries that wait for a place, too', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const names = Array.from({ length: 30 }, (_, n) => `sn${n}`);
    await world.add(...names);
    const { engine, quiet } = world.engine({ concurrency: 1, leaseSeconds: 1 });
    const held = gate();
    let runs = 0;
    // Runs are short at first, so that the engine claims ahead; then one takes long.
    world.runner('Match').does((subject, context) => ((runs += 1) === 20 ? held.script(subject, context) : 'processed'));
    const looked = engine.wake();
    await vi.waitFor(() => expect(runs).toBe(20));
    await vi.waitFor(() => expect(engine.leases.size).toBeGreaterThan(1));
    // A claim may be on its way while we renew; then the next renewal has its entries too.
    await vi.waitFor(async () => {
      await renewLeases(engine, database, 100);
      const [leases] = await database.em().execute<{ count: string; least: number }[]>(`select count(*), min(extract(epoch from lease_until - clock_timestamp()))::float as least from task_register where status_id = 2`);
      expect(Number(leases!.count)).toBeGreaterThan(1);
      expect(leases!.least).toBeGreaterThan(90);
    });
    held.open();
    await looked;
    await quiet();
    expect(new Set(Object.values(await world.statuses('Match')))).toEqual(new Set(['processed']));
  });

  it('is known to whoever keeps it for all that was claimed together, before the first of their runners is called', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'b', 'c', 'd');
    const { engine, work } = world.engine({ concurrency: 8 });
    const kept: string[] = [];
    engine.leases.keepBy({ added: ({ subject }) => void kept.push(subject), ended: ({ subject }) => void kept.push(`${subject} ended`) });
    let known: string[] | undefined;
    world.runner('Match').does(() => {
      known ??= [...kept];
      return 'processed';
    });
    await work();
    expect(known).toEqual(['a', 'b', 'c', 'd']);
    expect(kept.slice(4).toSorted()).toEqual(['a ended', 'b ended', 'c ended', 'd ended']);
  });
});
