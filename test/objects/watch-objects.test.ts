import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { placeHolds } from '../../src/engine/hold.ts';
import { watchObjects, type BatchProgress, type WatchOptions } from '../../src/objects/watch-objects.ts';
import { createWorld } from '../engine/create-world.ts';
import { gate } from '../engine/scripted-runner.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { addDaemon } from '../web/given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const names = ['a', 'b', 'c'];
async function given() {
  const world = await createWorld(database, { tasks: { Match: {}, Host: { needs: { Match: 'processed' } } } });
  await world.add(...names, 'other');
  await addDaemon(database);
  return world;
}
const watch = (world: World, options: Partial<WatchOptions> = {}) =>
  watchObjects(database, names, { runners: new Map(world.runners.map((runner) => [runner.taskName, runner])), wait: true, patienceSeconds: 0.2, ...options });

describe('watching a batch', () => {
  it('Bd16: counts what is completed and ends when all are', async () => {
    const world = await given();
    const seen: BatchProgress[] = [];
    const watching = watch(world, { patienceSeconds: 30, onProgress: (progress) => seen.push(progress) });
    await world.engine().work();
    expect(await watching).toEqual(names.map((name) => ({ name, state: 'completed', because: '' })));
    expect(seen.at(-1)).toEqual({ completed: 3, stuck: 0, open: 0, entries: 6, done: 6 });
  });

  it('Bd16: ends with what failed as stuck, and says why', async () => {
    const world = await given();
    world.runner('Match').on('b', () => 'no host').on('c', () => {
      throw new Error('the catalogue is not loaded.');
    });
    await world.engine().work();
    expect(await watch(world)).toEqual([
      { name: 'a', state: 'completed', because: '' }, { name: 'b', state: 'stuck', because: '"Match" is "no host".' }, { name: 'c', state: 'stuck', because: '"Match" is "failed": the catalogue is not loaded.' },
    ]);
  });

  it.each<[string, (world: World) => Promise<unknown>, string]>([
    ['no daemon is alive', () => database.em().execute(`delete from daemon`), 'No daemon is alive'],
    ['it is held', () => placeHolds(database, { subjects: names, reason: 'bad field', by: 'ada', until: undefined }), 'held by ada since'],
    ['its task is not active', () => database.em().execute(`update task set active = false where name = 'Match'`), 'not active in the fixtures'],
    ['no daemon has the labels', () => database.em().execute(`update task set requires = '{gpu}' where name = 'Match'`), 'the label "gpu"'],
    ['its window never opens', () => database.em().execute(`update task set window_from = '04:00', window_to = '04:00' where name = 'Match'`), 'which is never'],
  ])('Bd16: does not wait for ever where %s', async (_, make, words) => {
    const world = await given();
    await make(world);
    const objects = await watch(world);
    expect(objects.map(({ state }) => state)).toEqual(['stuck', 'stuck', 'stuck']);
    expect(objects[0]!.because).toContain(words);
  });

  it('waits for what runs, and for what is due later, as long as it takes', async () => {
    const world = await given();
    const slow = gate();
    world.runner('Match').on('c', slow.script);
    const { engine, work } = world.engine();
    await engine.wake();
    await world.runner('Match').began('c');
    let looks = 0;
    const watching = watch(world, { patienceSeconds: 0, onProgress: () => {
      looks += 1;
      if (looks === 3) slow.open();
    } });
    await work();
    expect((await watching).map(({ state }) => state)).toEqual(['completed', 'completed', 'completed']);
    expect(looks).toBeGreaterThanOrEqual(3);
  });

  it('ends when its time is over, and says what is open', async () => {
    const world = await given();
    await world.put('a', 'Match', 'processing');
    expect((await watch(world, { mostSeconds: 0.3 })).map(({ state }) => state)).toEqual(['open', 'open', 'open']);
  });

  it('looks once where nobody waits', async () => {
    const world = await given();
    let looks = 0;
    expect((await watch(world, { wait: false, onProgress: () => void (looks += 1) })).map(({ state }) => state)).toEqual(['open', 'open', 'open']);
    expect(looks).toBe(1);
  });
});
