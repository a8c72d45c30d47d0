import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';
import { gate } from './scripted-runner.ts';
import { STATUSES } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('an engine that takes other work', () => {
  it('does what is new, and no more of what is gone', async () => {
    const world = await createWorld(database, { tasks: { Old: {}, Kept: {}, New: {} } });
    const of = (...names: ('Old' | 'Kept' | 'New')[]) => ({ tasks: names.map((name) => world.task(name)), machine: world.machine, statusIds: world.statusIds });
    const { engine, work } = world.engine(of('Old', 'Kept'));
    await world.add('a');
    await work();
    engine.take(of('Kept', 'New'));
    await world.add('b');
    await work();
    expect([await world.statuses('Old'), await world.statuses('Kept'), await world.statuses('New')]).toEqual([
      { a: 'processed', b: 'not processed' }, { a: 'processed', b: 'processed' }, { a: 'processed', b: 'processed' },
    ]);
  });

  it('claims a changed task from its new status, while what it has claimed from the old one ends as it would have', async () => {
    const world = await createWorld(database, { tasks: { Match: { returns: ['processed', 'needs a look'] } } });
    await world.add('a', 'b');
    const open = gate();
    world.runner('Match').on('a', open.script).on('b', () => 'needs a look');
    const { engine, work, quiet } = world.engine();
    void engine.wake();
    await world.runner('Match').began('a');
    await expect.poll(async () => (await world.entry('b', 'Match')).status).toBe('needs a look');
    // Somebody else has made the graph another one.
    Object.assign(world.runner('Match'), { prerequisites: { Match: 'needs a look' } });
    Object.assign(world, { machine: createStatusMachine(STATUSES, ['needs a look']) });
    await world.sync();
    engine.take(world);
    world.runner('Match').on('b', () => 'processed');
    await world.add('c');
    void engine.wake();
    await expect.poll(async () => (await world.entry('b', 'Match')).status).toBe('processed');
    expect([engine.quiet, await world.statuses('Match')]).toEqual([false, { a: 'processing', b: 'processed', c: 'not processed' }]);
    open.open();
    await quiet();
    await work();
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed', c: 'not processed' });
    expect(world.runner('Match').order).toEqual(['a', 'b', 'b']);
  });

  it('and has not heard yet of the change claims nothing the old way', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Newer: {} } });
    const { engine, work } = world.engine();
    Object.assign(world.runner('Match'), { prerequisites: { Match: 'needs a look' } });
    Object.assign(world, { machine: createStatusMachine(STATUSES, ['needs a look']) });
    const before = world.tasks;
    await world.sync();
    await database.em().execute(`update task set runner_version = 8 where name = 'Newer'`);
    await world.add('a');
    await work();
    expect([await world.statuses('Match'), await world.statuses('Newer'), engine.ended]).toEqual([{ a: 'not processed' }, { a: 'not processed' }, 0]);
    expect(before).not.toEqual(world.tasks);
  });

  it('hands back what of the old is still running when it is stopped', async () => {
    const world = await createWorld(database, { tasks: { Old: {}, New: {} } });
    await world.add('a');
    world.runner('Old').does(gate().script);
    const { engine } = world.engine();
    void engine.wake(world.task('Old').id);
    await world.runner('Old').began('a');
    engine.take({ ...world, tasks: [world.task('New')] });
    await engine.stop(0);
    expect(await world.transitions('a', 'Old')).toEqual(['claim: not processed > processing', 'release: processing > not processed']);
  });
});
