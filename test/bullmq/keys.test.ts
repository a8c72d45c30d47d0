import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BullEngine } from '../../src/bullmq/engine.ts';
import { queuePrefix } from '../../src/bullmq/queues.ts';
import type { Database } from '../../src/db/database.ts';
import { setSetting, unsetSetting } from '../../src/db/settings.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import { setting } from '../../src/runner/qualifier.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld, type JobWorld } from '../jobs/job-world.ts';
import { KeyedJob, type KeyedArgs } from '../jobs/keyed-job.ts';
import { hasRedis, startRedis, type TestRedis } from '../redis.ts';

let database: Database;
let redis: TestRedis;
beforeAll(async () => {
  database = await createDatabase();
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

const work = async (world: JobWorld, options: Partial<EngineOptions> = {}) => {
  const prefix = await queuePrefix(database.hot.run);
  return world.work(options, (whole) => new BullEngine(whole, { redisUrl: redis.url, prefix }));
};
const settled = (world: JobWorld) => vi.waitFor(async () => expect(await world.jobs.list({ states: ['pending', 'running'] })).toEqual([]), { timeout: 10_000, interval: 30 });

describe.skipIf(!hasRedis)('keys of jobs that go through a queue', () => {
  it('keep their order, one after another, over two at work', async () => {
    const type = new KeyedJob('In order', { concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    for (const daemonId of [1, 2]) await work(world, { daemonId });
    for (let n = 0; n < 15; n += 1) await world.jobs.enqueue(type, { repo: n % 3 === 0 ? 'b' : 'a', n });
    await settled(world);
    for (const key of ['a', 'b']) expect(type.runs.filter(({ repo }) => repo === key).map(({ n }) => n)).toEqual(Array.from({ length: 15 }, (_, n) => n).filter((n) => (n % 3 === 0) === (key === 'b')));
    expect([type.most.get('a'), type.most.get('b')]).toEqual([1, 1]);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('lose nothing of what is merged', async () => {
    const done: number[] = [];
    const merge = (older: KeyedArgs, newer: KeyedArgs): KeyedArgs => ({ repo: newer.repo, list: [...older.list!, ...newer.list!] });
    const type = new KeyedJob('Drain', { debounce: { seconds: 0, merge } }, ({ list }) => void done.push(...list!));
    const world = await createJobWorld(database, [type]);
    await work(world, { leaseSeconds: 1 });
    for (let n = 0; n < 40; n += 1) await world.jobs.enqueue(type, { repo: 'a', list: [n] });
    await settled(world);
    expect(done.toSorted((one, two) => one - two)).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  it('are looked at again where they do not qualify', async () => {
    const type = new KeyedJob('Night', { qualifiers: [setting('night', true)] });
    const world = await createJobWorld(database, [type]);
    await unsetSetting(database.hot.run, 'night');
    const { engine } = await work(world, { recheckSeconds: 0.1 });
    const job = await world.jobs.enqueue(type, { n: 1 });
    await vi.waitFor(async () => expect(await database.em().execute(`select reason from unqualified`)).toHaveLength(1));
    expect((await world.entry(job.id)).attempt).toBe(0);
    await setSetting(database.hot.run, 'night', true, 'test');
    await engine.settingsChanged();
    await world.jobs.wait(job, { timeoutSeconds: 10 });
  });
});
