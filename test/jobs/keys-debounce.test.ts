import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { jobsOf } from '../../src/jobs/open.ts';
import { skip } from '../../src/runner/job.ts';
import { step } from '../../src/runner/jobs.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld, type JobWorld } from './job-world.ts';
import { KeyedJob, type KeyedArgs } from './keyed-job.ts';
import { gate } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const merge = (older: KeyedArgs, newer: KeyedArgs): KeyedArgs => ({ repo: newer.repo, list: [...(older.list ?? []), ...(newer.list ?? [])] });
const dueInSeconds = async (id: string): Promise<number | null> =>
  (await database.em().execute<{ s: number | null }[]>(`select extract(epoch from due_at - clock_timestamp())::float8 as s from task_register where subject_id = ?`, [id]))[0]!.s;
const settled = (world: JobWorld) => vi.waitFor(async () => expect(await world.jobs.list({ states: ['pending', 'running'] })).toEqual([]), { timeout: 10_000, interval: 30 });

describe('debouncing', () => {
  it('puts a pending job of the key off, and merges the arguments into it', async () => {
    const type = new KeyedJob('Drain', { debounce: { seconds: 60, merge } });
    const { jobs } = await createJobWorld(database, [type]);
    const first = await jobs.enqueue(type, { repo: 'a', list: [1] });
    await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '5 s'`);
    expect(await jobs.enqueue(type, { repo: 'a', list: [2, 3] })).toMatchObject({ id: first.id });
    expect((await jobs.enqueue(type, { repo: 'b', list: [9] })).id).not.toBe(first.id);
    expect(await jobs.get(first)).toMatchObject({ args: { repo: 'a', list: [1, 2, 3] }, state: 'pending', key: 'a', merged: 1 });
    expect((await jobs.list({ key: 'a' })).map(({ id }) => id)).toEqual([first.id]);
    expect(await dueInSeconds(first.id)).toBeGreaterThan(55);
    expect(await jobs.list()).toHaveLength(2);
  });

  it('takes the newer arguments where nothing says how to merge', async () => {
    const type = new KeyedJob('Newest', { debounce: { seconds: 60 } });
    const { jobs } = await createJobWorld(database, [type]);
    const job = await jobs.enqueue(type, { repo: 'a', n: 1, list: [1] });
    await jobs.enqueue(type, { repo: 'a', n: 2 });
    expect((await jobs.get(job)).args).toEqual({ repo: 'a', n: 2 });
  });

  it('puts off no longer than it says, counted from the first', async () => {
    const type = new KeyedJob('Drain', { debounce: { seconds: 60, longestSeconds: 300, merge } });
    const { jobs } = await createJobWorld(database, [type]);
    const job = await jobs.enqueue(type, { repo: 'a', list: [1] });
    await database.em().execute(`update job set enqueued_at = enqueued_at - interval '280 s'`);
    await jobs.enqueue(type, { repo: 'a', list: [2] });
    expect(await dueInSeconds(job.id)).toBeLessThanOrEqual(20);
    await database.em().execute(`update job set enqueued_at = enqueued_at - interval '30 s'`);
    await jobs.enqueue(type, { repo: 'a', list: [3] });
    expect(await dueInSeconds(job.id)).toBeNull();
    expect((await jobs.get(job)).args).toMatchObject({ list: [1, 2, 3] });
  });

  it('waits until enough of a key are there, and at the latest until its time is over', async () => {
    const type = new KeyedJob('Batch', { debounce: { seconds: 3600, longestSeconds: 3600, enough: 3, merge } });
    const { jobs, work } = await createJobWorld(database, [type]);
    await work();
    const job = await jobs.enqueue(type, { repo: 'a', list: [1] });
    await jobs.enqueue(type, { repo: 'a', list: [2] });
    expect(await dueInSeconds(job.id)).toBeGreaterThan(3500);
    await jobs.enqueue(type, { repo: 'a', list: [3] });
    await jobs.wait(job, { timeoutSeconds: 10 });
    expect(type.runs).toEqual([{ repo: 'a', list: [1, 2, 3] }]);
  });

  it('gives a job that has begun a successor, so that nothing is lost that comes after its start', async () => {
    const turn = gate();
    const type = new KeyedJob('Drain', { debounce: { seconds: 0, merge }, concurrencyPerKey: 1 }, turn.script as never);
    const world = await createJobWorld(database, [type]);
    await world.work();
    const first = await world.jobs.enqueue(type, { repo: 'a', list: [1] });
    await vi.waitFor(() => expect(type.runs).toHaveLength(1));
    const second = await world.jobs.enqueue(type, { repo: 'a', list: [2] });
    expect(await world.jobs.enqueue(type, { repo: 'a', list: [3] })).toMatchObject({ id: second.id });
    expect(second.id).not.toBe(first.id);
    turn.open();
    await settled(world);
    expect(type.runs).toEqual([{ repo: 'a', list: [1] }, { repo: 'a', list: [2, 3] }]);
  });

  it('makes one job of all that many enqueue at once over several connections', async () => {
    const type = new KeyedJob('Drain', { debounce: { seconds: 60, merge } });
    const world = await createJobWorld(database, [type]);
    const other = jobsOf(database.address, { types: [type], by: 'other' });
    const given = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? world.jobs : other).enqueue(type, { repo: 'a', list: [n] })));
    await other.close();
    expect(new Set(given.map(({ id }) => id)).size).toBe(1);
    expect(((await world.jobs.get(given[0]!)).args.list as number[]).toSorted((one, two) => one - two)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it('loses nothing while jobs are claimed as fast as they are merged', { timeout: 20_000 }, async () => {
    const done: number[] = [];
    const type = new KeyedJob('Race', { debounce: { seconds: 0, merge } }, ({ list }) => void done.push(...list!));
    const world = await createJobWorld(database, [type]);
    for (const daemonId of [1, 2]) await world.work({ daemonId, concurrency: 3 });
    await Promise.all([0, 1, 2].map(async (writer) => {
      for (let n = 0; n < 60; n += 1) await world.jobs.enqueue(type, { repo: n % 2 === 0 ? 'a' : 'b', list: [writer * 100 + n] });
    }));
    await settled(world);
    expect(done.toSorted((one, two) => one - two)).toEqual([0, 1, 2].flatMap((writer) => Array.from({ length: 60 }, (_, n) => writer * 100 + n)));
  });

  it('leaves jobs that are enqueued together as they are, as others may wait for them', async () => {
    const type = new KeyedJob('Drain', { debounce: { seconds: 60, merge } });
    const { jobs } = await createJobWorld(database, [type]);
    await jobs.group([step(type, { repo: 'a', list: [1] }), step(type, { repo: 'a', list: [2] })]);
    expect(await jobs.list()).toHaveLength(2);
  });

  it('refuses merged arguments that are not what the class declares', async () => {
    const type = new KeyedJob('Wrong', { debounce: { seconds: 60, merge: () => ({ n: 'three' }) } });
    const { jobs } = await createJobWorld(database, [type]);
    const job = await jobs.enqueue(type, { repo: 'a', n: 1 });
    await expect(jobs.enqueue(type, { repo: 'a', n: 2 })).rejects.toThrow(/Wrong/);
    expect((await jobs.get(job)).args).toEqual({ repo: 'a', n: 1 });
  });
});

describe('superseding', () => {
  it('skips an older pending job of the key with a structured reason, and counts it by that', async () => {
    const type = new KeyedJob('Notify', { supersedes: true }, ({ n }) => (n === 9 ? skip('no head report', { head: 'abc' }) : undefined));
    const world = await createJobWorld(database, [type]);
    const [older, other] = [await world.jobs.enqueue(type, { repo: 'a', n: 1 }), await world.jobs.enqueue(type, { repo: 'b', n: 9 })];
    const newer = await world.jobs.enqueue(type, { repo: 'a', n: 2 });
    expect(await world.jobs.get(older)).toMatchObject({ state: 'skipped', result: { reason: 'superseded', by: newer.id }, reason: 'superseded', attempts: 0 });
    await world.work();
    await settled(world);
    expect(type.runs.map(({ n }) => n)).toEqual([9, 2]);
    expect(await world.jobs.get(other)).toMatchObject({ state: 'skipped', result: { reason: 'no head report', head: 'abc' } });
    await world.jobs.enqueue(type, { repo: 'c' }, { delaySeconds: 3600 });
    await world.jobs.enqueue(type, { repo: 'c' });
    expect(await world.jobs.skipReasons()).toEqual([{ name: 'Notify', reason: 'superseded', count: 2 }, { name: 'Notify', reason: 'no head report', count: 1 }]);
    expect(await world.jobs.skipReasons({ names: ['Other'] })).toEqual([]);
  });

  it('tells a running job that asks, unless its successor came to nothing', async () => {
    const answers: boolean[] = [];
    const type = new KeyedJob('Notify', { supersedes: true }, async ({ n }, context) => {
      if (n === 1) {
        answers.push(await context.isSuperseded());
        const newer = await world.jobs.enqueue(type, { repo: 'a', n: 2 }, { delaySeconds: 3600 });
        answers.push(await context.isSuperseded());
        await world.jobs.cancel(newer, 'not needed');
        answers.push(await context.isSuperseded());
        await world.jobs.enqueue(type, { repo: 'b', n: 2 });
        answers.push(await context.isSuperseded());
      }
    });
    const world = await createJobWorld(database, [type]);
    await world.work();
    await world.jobs.wait(await world.jobs.enqueue(type, { repo: 'a', n: 1 }), { timeoutSeconds: 10 });
    expect(answers).toEqual([false, true, false, false]);
  });

  it('leaves a job alone that others wait for', async () => {
    const type = new KeyedJob('Notify', { supersedes: true });
    const { jobs } = await createJobWorld(database, [type]);
    const parent = await jobs.enqueue(type, { repo: 'a' });
    await jobs.enqueue(type, { repo: 'b' }, { parent });
    await jobs.enqueue(type, { repo: 'a' });
    expect((await jobs.get(parent)).state).toBe('pending');
  });

  it('goes with a limit and with turns: what is superseded makes room', async () => {
    const type = new KeyedJob('Notify', { supersedes: true, limit: { most: 1 }, concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    for (let n = 0; n < 5; n += 1) await world.jobs.enqueue(type, { repo: 'a', n });
    expect((await world.jobs.list({ states: ['pending'] })).map(({ args }) => args.n)).toEqual([4]);
    await world.work();
    await settled(world);
    expect(type.runs.map(({ n }) => n)).toEqual([4]);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('never runs none of them, whatever comes at once', async () => {
    const type = new KeyedJob('Notify', { supersedes: true });
    const world = await createJobWorld(database, [type]);
    await world.work();
    await Promise.all(Array.from({ length: 30 }, (_, n) => world.jobs.enqueue(type, { repo: 'a', n })));
    await settled(world);
    const jobs = await world.jobs.list();
    expect(jobs[0]!.state).toBe('completed');
    expect(jobs.every(({ state }) => state === 'completed' || state === 'skipped')).toBe(true);
  });
});

describe('the last run of a key', () => {
  it('is the newest that did not fail, within the time that is asked', async () => {
    const type = new KeyedJob('Sync', {}, ({ n }) => {
      if (n === 2) throw new Error('broken');
    });
    const world = await createJobWorld(database, [type]);
    await world.work();
    expect(await world.jobs.lastRun(type, 'a')).toBeUndefined();
    const good = await world.jobs.enqueue(type, { repo: 'a', n: 1 });
    await world.jobs.wait(good, { timeoutSeconds: 10 });
    await world.jobs.wait(await world.jobs.enqueue(type, { repo: 'a', n: 2 }), { timeoutSeconds: 10 }).catch(() => {});
    await world.jobs.enqueue(type, { repo: 'b', n: 3 });
    expect(await world.jobs.lastRun(type, 'a', { withinSeconds: 60 })).toMatchObject({ id: good.id, state: 'completed', args: { n: 1 } });
    await database.em().execute(`update job set enqueued_at = enqueued_at - interval '5 min' where subject_id = ?`, [good.id]);
    expect(await world.jobs.lastRun('Sync', 'a', { withinSeconds: 60 })).toBeUndefined();
    expect(await world.jobs.lastRun('Sync', 'a')).toMatchObject({ id: good.id });
  });
});
