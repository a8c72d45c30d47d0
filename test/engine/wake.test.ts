import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';
import { gate } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('a wake', () => {
  it('that comes while a claim is on its way is not lost', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const { engine, quiet } = world.engine();
    const wakes: Promise<void>[] = [];
    const names = Array.from({ length: 120 }, (_, n) => `sn${n}`);
    // Each wake tells of one subject only; there is no tick and nobody listens.
    for (const name of names) {
      await world.add(name);
      wakes.push(engine.wake(world.task('Match').id));
    }
    await Promise.all(wakes);
    await quiet();
    expect(world.runner('Match').runs).toHaveLength(120);
    expect(new Set(Object.values(await world.statuses('Match')))).toEqual(new Set(['processed']));
  });

  it('resolves only after a look that began after it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const { engine } = world.engine();
    const first = engine.wake();
    await world.add('a');
    await engine.wake();
    await first;
    expect(world.runner('Match').runs).toEqual([{ subject: 'a', attempt: 1 }]);
  });

  it('goes on until nothing is eligible, in claims of no more than half of what the engine may hold', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add(...Array.from({ length: 100 }, (_, n) => `sn${n}`));
    let most = 0;
    const { engine, quiet } = world.engine({ concurrency: 3 });
    world.runner('Match').does(() => {
      most = Math.max(most, engine.running);
      return 'processed';
    });
    await engine.wake();
    await quiet();
    expect([engine.ended, most]).toEqual([100, 3]);
  });

  it('of a task that nobody knows does nothing', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const { engine } = world.engine();
    await engine.wake(987_654);
    expect(world.runner('Match').runs).toEqual([]);
  });

  it('of one task leaves room for the others while the first has more than enough', async () => {
    const world = await createWorld(database, { tasks: { Long: {}, Short: {} } });
    await world.add(...Array.from({ length: 20 }, (_, n) => `sn${n}`));
    const held = gate();
    world.runner('Long').does(held.script);
    const { engine, quiet } = world.engine({ concurrency: 4 });
    const looked = Promise.all([engine.wake(world.task('Long').id), engine.wake(world.task('Short').id)]);
    await vi.waitFor(() => expect(world.runner('Short').runs.length).toBeGreaterThan(0));
    held.open();
    await looked;
    await quiet();
    expect([world.runner('Long').runs.length, world.runner('Short').runs.length]).toEqual([20, 20]);
  });

  it('after a claim that failed works again', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    let away = true;
    const { engine, quiet, lines } = world.engine({
      hot: {
        ...database.hot,
        async run(statement, params) {
          if (away) throw Object.assign(new Error('Connection terminated unexpectedly'), { code: '08006' });
          return database.hot.run(statement, params);
        },
      },
    });
    await engine.wake();
    expect([world.runner('Match').runs, engine.quiet]).toEqual([[], true]);
    expect(lines).toContainEqual(expect.objectContaining({ level: 50, msg: 'could not claim; trying again in 2 s', task: 'Match' }));
    away = false;
    await engine.wake();
    await quiet();
    expect(await world.statuses('Match')).toEqual({ a: 'processed' });
  });
});

describe('quiet', () => {
  it('is told once the last claimed entry is written, and when a look found nothing', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const { engine } = world.engine();
    const told: number[] = [];
    engine.onQuiet(() => told.push(engine.ended));
    await engine.wake();
    await vi.waitFor(() => expect(told).toEqual([0]));
    await world.add('a', 'b', 'c');
    await engine.wake();
    await vi.waitFor(() => expect(told.at(-1)).toBe(3));
    expect(new Set(Object.values(await world.statuses('Match')))).toEqual(new Set(['processed']));
  });
});
