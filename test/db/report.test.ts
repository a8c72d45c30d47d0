import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { statusReport, type TransientState } from '../../src/db/report.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const TASKS = { Match: {}, Information: { needs: { Match: 'processed' } }, Apart: {} };
const report = () => statusReport(database.em());
const states = (given: Partial<Record<TransientState, number>>) => ({ waiting: 0, processing: 0, completed: 0, blocked: 0, ...given });

describe('the report', () => {
  it('of an empty register is all noughts', async () => {
    await createWorld(database, { tasks: {} });
    expect(await report()).toEqual({ transients: 0, states: states({}), entries: { total: 0, done: 0, processing: 0 }, others: {}, tasks: [] });
  });

  it('counts jobs, runs and requests apart from transients and every other kind of object', async () => {
    const em = database.em();
    await createWorld(database, { tasks: TASKS });
    await em.execute(`insert into task (name, kind) values ('mail', 'job:mail'), ('grab', 'run:housing'), ('erase', 'request'), ('assay', 'sample')`);
    await em.execute(`insert into subject (kind, name) values ('job:mail', '1'), ('job:mail', '2'), ('run:housing', 'one'), ('request', 'ada'), ('sample', 's'), ('transient', 't')`);
    const one = { subjects: 1, states: states({ waiting: 1 }), entries: { total: 1, done: 0, processing: 0 } };
    expect(await report()).toMatchObject({
      transients: 2, states: states({ waiting: 2 }), entries: { total: 4 },
      others: { jobs: { subjects: 2, states: states({ waiting: 2 }), entries: { total: 2, done: 0, processing: 0 } }, runs: one, requests: one },
    });
  });

  it('counts entries by task and status, what is ready and what waits', async () => {
    const world = await createWorld(database, { tasks: { ...TASKS, Later: { active: false } } });
    await world.add('a', 'b', 'c');
    await world.put('a', 'Match', 'processed');
    await world.put('b', 'Match', 'processing');
    const nothing = { failures: { science: 0, machinery: 0 }, postponed: 0, held: 0 };
    expect((await report()).tasks).toEqual([
      { name: 'Match', kind: 'transient', active: true, counts: { processed: 1, processing: 1, 'not processed': 1 }, ready: 1, waiting: 0, ...nothing },
      { name: 'Information', kind: 'transient', active: true, counts: { 'not processed': 3 }, ready: 1, waiting: 2, ...nothing },
      { name: 'Apart', kind: 'transient', active: true, counts: { 'not processed': 3 }, ready: 3, waiting: 0, ...nothing },
      { name: 'Later', kind: 'transient', active: false, counts: { 'not processed': 3 }, ready: 3, waiting: 0, ...nothing },
    ]);
  });

  it('has a transient wait until something of it is touched', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a', 'b');
    expect(await report()).toMatchObject({ transients: 2, states: states({ waiting: 2 }), entries: { total: 6, done: 0, processing: 0 } });
    await world.put('a', 'Apart', 'processing');
    expect(await report()).toMatchObject({ states: states({ waiting: 1, processing: 1 }), entries: { total: 6, done: 0, processing: 1 } });
    await world.put('a', 'Apart', 'no host');
    expect(await report()).toMatchObject({ states: states({ waiting: 1, processing: 1 }), entries: { total: 6, done: 1, processing: 0 } });
  });

  it('has a transient completed when all of it succeeded', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a');
    await world.engine().work();
    expect(await report()).toMatchObject({ states: states({ completed: 1 }), entries: { total: 3, done: 3, processing: 0 } });
  });

  it('has a transient blocked when nothing of it can run and not all succeeded; what waits behind counts as done', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a', 'warned');
    world.runner('Match').on('a', () => 'no host').on('warned', () => 'needs a look');
    await world.engine().work();
    expect(await world.statuses('Information')).toEqual({ a: 'not processed', warned: 'not processed' });
    expect(await report()).toMatchObject({ states: states({ blocked: 2 }), entries: { total: 6, done: 6, processing: 0 } });
  });

  it('has a transient in processing while a failed entry is what another runner starts from, or an entry waits for its time', async () => {
    const world = await createWorld(database, { tasks: { ...TASKS, Mend: { from: 'failed', needs: { Match: 'processed' } } } });
    await world.add('a', 'b');
    for (const name of ['a', 'b']) {
      for (const task of ['Match', 'Information', 'Apart'] as const) await world.put(name, task, 'processed');
      await world.put(name, 'Mend', 'failed');
    }
    expect((await report()).states).toEqual(states({ processing: 2 }));
    world.runner('Mend').on('a', () => 'processed').on('b', () => 'failed');
    await world.engine().work();
    expect(await world.entry('b', 'Mend')).toMatchObject({ status: 'failed', due_seconds: expect.any(Number) });
    expect((await report()).states).toEqual(states({ completed: 1, processing: 1 }));
  });

  it('counts subjects of every kind', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Answer: { kind: 'sample' } } });
    await world.add('a', { name: 'r', kind: 'sample' });
    await world.engine().work();
    expect(await report()).toMatchObject({ transients: 2, states: states({ completed: 2 }), entries: { total: 2, done: 2 } });
  });
});
