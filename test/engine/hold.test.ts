import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { saveTasks } from '../../src/db/save-tasks.ts';
import { letGo } from '../../src/engine/due.ts';
import { liftHolds, placeHolds, targetOf } from '../../src/engine/hold.ts';
import { RefusedError, UnknownNameError } from '../../src/errors.ts';
import { startDaemon } from '../daemon/start-daemon.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';
import { heard } from './heard.ts';
import { gate } from './scripted-runner.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const tasks = { Match: {}, Report: { needs: { Match: 'processed' } }, Shape: { kind: 'galaxy' } };
async function given() {
  const world = await createWorld(database, { tasks });
  await world.add('a', 'b', { name: 'g', kind: 'galaxy' });
  return world;
}
const order = { reason: 'bad pixel', by: 'dora' };
const held = async () => (await database.em().execute<{ text: string }[]>(
  `select s.name || ' ' || t.name as text from task_register r join subject s on s.id = r.subject_id join task t on t.id = r.task_id where r.held order by 1`)).map(({ text }) => text);

describe('a hold', () => {
  it('on an object keeps all of its entries from being claimed, until it is lifted, which wakes the tasks', async () => {
    const world = await given();
    expect(await placeHolds(database, { subjects: ['a'], ...order })).toEqual([{ subject: 'a', task: null, ...order, until: null, running: 0, before: null }]);
    expect(await held()).toEqual(['a Match', 'a Report']);
    await world.engine().work();
    expect(await world.statuses('Report')).toEqual({ a: 'not processed', b: 'processed' });
    expect(await heard(database, () => liftHolds(database, { subjects: ['a'] }))).toEqual([String(world.task('Match').id)]);
    await world.engine({ daemonId: 2 }).work();
    expect(await world.statuses('Report')).toEqual({ a: 'processed', b: 'processed' });
  });

  it('on one task of it lets the others run, and what waits for it waits', async () => {
    const world = await given();
    await placeHolds(database, { subjects: ['a'], task: 'Report', ...order });
    await world.engine().work();
    expect([await world.statuses('Match'), await world.statuses('Report')]).toEqual([{ a: 'processed', b: 'processed' }, { a: 'not processed', b: 'processed' }]);
    expect(await world.entry('a', 'Report')).toMatchObject({ held: true, unmet: 0 });
  });

  it('does not stop what runs, and says so', async () => {
    const world = await given();
    const { script, open } = gate();
    world.runner('Match').on('a', script);
    const { engine, quiet } = world.engine();
    await engine.wake();
    await world.runner('Match').began('a');
    expect(await placeHolds(database, { subjects: ['a'], ...order })).toMatchObject([{ subject: 'a', running: 1 }]);
    expect(await placeHolds(database, { subjects: ['a'], task: 'Report', ...order })).toMatchObject([{ running: 0 }]);
    open();
    await quiet();
    expect(await world.statuses('Match')).toMatchObject({ a: 'processed' });
    expect(await world.statuses('Report')).toMatchObject({ a: 'not processed' });
  });

  it('that is over is lifted by whoever takes care; one that is not over, or has no end, stays', async () => {
    const world = await given();
    await placeHolds(database, { subjects: ['a'], task: 'Match', ...order, until: 0.2 });
    await placeHolds(database, { subjects: ['a'], task: 'Report', ...order, until: 3600 });
    await placeHolds(database, { subjects: ['b'], ...order });
    const woken = await vi.waitFor(async () => {
      const payloads = await heard(database, () => letGo(database.hot.run));
      expect(payloads).not.toEqual([]);
      return payloads;
    }, 10_000);
    expect(woken).toEqual([String(world.task('Match').id)]);
    expect(await held()).toEqual(['a Report', 'b Match', 'b Report']);
  });

  it('that is over lets its entries run by themselves, where a daemon is', async () => {
    const world = await given();
    await placeHolds(database, { subjects: ['a'], ...order, until: 1 });
    await startDaemon(world);
    await vi.waitFor(async () => expect(await world.statuses('Match')).toMatchObject({ b: 'processed' }), 10_000);
    await vi.waitFor(async () => expect(await world.statuses('Match')).toMatchObject({ a: 'processed' }), 20_000);
    const [run] = await database.em().execute<{ late: boolean }[]>(`select min(started_at) filter (where s.name = 'a') > min(started_at) filter (where s.name = 'b') as late from attempt a join subject s on s.id = a.subject_id`);
    expect(run).toEqual({ late: true });
  });

  it('is replaced by the next one on the same, and says what was there', async () => {
    await given();
    const until = new Date(Date.now() + 3_600_000);
    await placeHolds(database, { subjects: ['a'], ...order, until });
    expect(await placeHolds(database, { subjects: ['a'], reason: 'again', by: 'emil' })).toEqual([
      { subject: 'a', task: null, reason: 'again', by: 'emil', until: null, running: 0, before: { ...order, until } },
    ]);
    expect(await database.em().execute(`select reason, placed_by, until from hold`)).toEqual([{ reason: 'again', placed_by: 'emil', until: null }]);
  });

  it('is kept by a dry run as it is, which says what would be done', async () => {
    await given();
    expect(await placeHolds(database, { subjects: ['b', 'a'], ...order, until: 60 }, true)).toMatchObject([{ subject: 'a', until: expect.any(Date) }, { subject: 'b' }]);
    expect(await held()).toEqual([]);
    await placeHolds(database, { subjects: ['a'], ...order });
    expect(await liftHolds(database, { subjects: ['a'] }, true)).toEqual([{ subject: 'a', task: null, lifted: { ...order, until: null }, left: [] }]);
    expect(await held()).toEqual(['a Match', 'a Report']);
  });

  it('on an object is none on its tasks: lifting says which holds are left', async () => {
    await given();
    await placeHolds(database, { subjects: ['a'], ...order });
    await placeHolds(database, { subjects: ['a'], task: 'Report', reason: 'wait for redshift', by: 'emil' });
    expect(await liftHolds(database, { subjects: ['a'], task: 'Report' }, true)).toMatchObject([{ lifted: { by: 'emil' }, left: [{ task: null, reason: 'bad pixel', by: 'dora' }] }]);
    expect(await liftHolds(database, { subjects: ['a'] })).toMatchObject([{ lifted: { by: 'dora' }, left: [{ task: 'Report', reason: 'wait for redshift', by: 'emil' }] }]);
    expect(await held()).toEqual(['a Report']);
    expect(await liftHolds(database, { subjects: ['a', 'b'] })).toMatchObject([{ subject: 'a', lifted: null, left: [{ task: 'Report' }] }, { subject: 'b', lifted: null, left: [] }]);
  });

  it('holds the entries that its object gets later too, as when the fixtures have a new task', async () => {
    await given();
    await placeHolds(database, { subjects: ['a'], ...order });
    await database.em().transactional((tx) => saveTasks(tx, [{ name: 'New', kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true }]));
    expect(await held()).toEqual(['a Match', 'a New', 'a Report']);
    await liftHolds(database, { subjects: ['a'] });
    expect(await held()).toEqual([]);
  });

  it('and the lifting of another one at the same time leave what is right', async () => {
    await given();
    for (let round = 0; round < 15; round += 1) {
      await placeHolds(database, { subjects: ['a'], task: 'Match', ...order });
      await Promise.all([placeHolds(database, { subjects: ['a'], ...order }), liftHolds(database, { subjects: ['a'], task: 'Match' })]);
      expect(await held(), `round ${round}`).toEqual(['a Match', 'a Report']);
      await liftHolds(database, { subjects: ['a'] });
      expect(await held()).toEqual([]);
    }
  });

  it('is refused for names that are not there, for tasks of other kinds, and with an end that is over', async () => {
    await given();
    await expect(placeHolds(database, { subjects: ['a', 'c'], ...order })).rejects.toThrow(UnknownNameError);
    await expect(placeHolds(database, { subjects: ['a'], task: 'Mach', ...order })).rejects.toMatchObject({ what: 'task', message: expect.stringContaining('"Match"') });
    await expect(placeHolds(database, { subjects: ['a', 'g'], task: 'Match', ...order })).rejects.toThrow(new RefusedError('g does not go through "Match", which is for objects of another kind.'));
    for (const until of [new Date(Date.now() - 1000), 0, -1, NaN]) await expect(placeHolds(database, { subjects: ['a'], ...order, until })).rejects.toThrow(RefusedError);
    await expect(liftHolds(database, { subjects: ['c'] })).rejects.toThrow(UnknownNameError);
    expect(await held()).toEqual([]);
  });
});

describe('words of a command line', () => {
  it('are objects, and the last of several a task where no object has its name', async () => {
    const world = await given();
    expect(await targetOf(database, ['a'])).toEqual({ subjects: ['a'] });
    expect(await targetOf(database, ['a', 'b'])).toEqual({ subjects: ['a', 'b'] });
    expect(await targetOf(database, ['a', 'b', 'Match'])).toEqual({ subjects: ['a', 'b'], task: 'Match' });
    await expect(targetOf(database, ['a', 'Mtch'])).rejects.toMatchObject({ what: 'transient or task', message: expect.stringContaining('did you mean "Match"?') });
    await world.add('Match');
    expect(await targetOf(database, ['a', 'Match'])).toEqual({ subjects: ['a', 'Match'] });
  });
});
