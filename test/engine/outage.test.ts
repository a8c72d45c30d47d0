import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { createDatabase } from '../harness.ts';
import { gate, hangs, writes } from './scripted-runner.ts';
import { wireTo } from './wire.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given() {
  const wire = await wireTo(database.address);
  const far = await openDatabase(wire.address);
  onTestFinished(() => far.close());
  const world = await createWorld(database, { tasks: { Match: {} } });
  await world.add('a');
  return { wire, world, ...world.engine({ fork: () => far.em(), hot: far.hot }) };
}

describe('while the database is away', () => {
  it('a finished run is kept, and delivered when it is back', async () => {
    const { wire, world, engine, quiet } = await given();
    const open = gate(() => ({ status: 'processed', result: { dear: 1 } }));
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    expect((await world.entry('a', 'Match')).status).toBe('processing');
    await wire.mend();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', status: 'processed', result: { dear: 1 } }]);
    expect(world.runner('Match').runs).toHaveLength(1);
  });

  it('what a runner had written is lost, and the entry waits to be run again, not failed', async () => {
    const { wire, world, engine, quiet, work } = await given();
    const open = gate();
    world.runner('Match').does(writes('half', (subject, context) => (context.attempt === 1 ? open.script(subject, context) : 'processed')));
    await engine.wake();
    await vi.waitFor(async () => expect((await database.em().execute<object[]>(`select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`)).length).toBe(1));
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    await wire.mend();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', failure: 'machinery', status: 'not processed' }]);
    expect(await world.notes()).toEqual([]);
    await work();
    expect([await world.statuses('Match'), await world.notes()]).toEqual([{ a: 'processed' }, ['half']]);
  });

  it('a runner that needs it is not at fault', async () => {
    const { wire, world, engine, quiet } = await given();
    const open = gate(async (_subject, { em }) => {
      await em.execute(`select 1`);
      return 'processed';
    });
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    await wire.mend();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', failure: 'machinery' }]);
  });

  it('a runner that cannot reach somebody else has failed like any other', async () => {
    const { world, work } = await given();
    world.runner('Match').does(() => {
      throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' });
    });
    await work();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', error: { code: 'ECONNREFUSED' } }]);
  });

  it('an engine can be stopped, and what it could not hand back is rescued when its lease is over', async () => {
    const { wire, world, engine, lines } = await given();
    world.runner('Match').does(hangs);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    await engine.stop(0.02);
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'the end of an attempt could not be written', subject: 'a' }));
    await database.em().execute(`update task_register set lease_until = clock_timestamp()`);
    expect(await rescue(database.hot, 'daemon 2', [], 0)).toHaveLength(1);
    await wire.mend();
  });
});
