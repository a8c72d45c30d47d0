import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { look } from '../../src/daemon/look.ts';
import { countDrift, syncGraph } from '../../src/db/sync-graph.ts';
import { letGo } from '../../src/engine/due.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { ServiceError } from '../../src/errors.ts';
import { skip } from '../../src/runner/job.ts';
import { step } from '../../src/runner/jobs.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN, JOB_STATUSES } from '../../src/status/status.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld, type JobWorld } from './job-world.ts';
import { KeyedJob } from './keyed-job.ts';
import { gate } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const add = async ({ jobs }: JobWorld, type: KeyedJob, ...given: [repo: string, n: number][]) => jobs.group(given.map(([repo, n]) => step(type, { repo, n })));
const settled = (world: JobWorld, what: string) => vi.waitFor(async () => expect((await world.jobs.list({ states: ['pending', 'running'] })).length, what).toBe(0), { timeout: 10_000, interval: 30 });
const states = async (world: JobWorld): Promise<string[]> => (await world.jobs.list()).map(({ state }) => state).toReversed();

describe('concurrency per key', () => {
  it('lets so many of a key run at once, and any number of keys', async () => {
    const turn = gate();
    const type = new KeyedJob('Per key', { concurrencyPerKey: 2 }, turn.script as never);
    const world = await createJobWorld(database, [type]);
    await add(world, type, ...Array.from({ length: 15 }, (_, n): [string, number] => ['abc'[n % 3]!, n]));
    await world.work({ concurrency: 50 });
    await vi.waitFor(() => expect(type.runs).toHaveLength(6));
    turn.open();
    await settled(world, 'open jobs');
    expect(Object.fromEntries(type.most)).toMatchObject({ a: 2, b: 2, c: 2 });
    expect(type.runs).toHaveLength(15);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('of one keeps the order in which jobs were enqueued', async () => {
    const type = new KeyedJob('In order', { concurrencyPerKey: 1 }, () => new Promise((resolve) => setImmediate(resolve)));
    const world = await createJobWorld(database, [type]);
    await world.work({ concurrency: 8 });
    await Promise.all(['a', 'b'].map(async (repo) => {
      for (let n = 0; n < 12; n += 1) await world.jobs.enqueue(type, { repo, n }, { priority: n });
    }));
    await settled(world, 'open jobs');
    for (const key of ['a', 'b']) expect(type.runs.filter(({ repo }) => repo === key).map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('Fd7: of ten thousand jobs of one key that wait, none keeps another key from running at once', { timeout: 30_000 }, async () => {
    const stuck = gate();
    const type = new KeyedJob('Crowded', { concurrencyPerKey: 1 }, ({ repo }) => (repo === 'crowd' ? stuck.script({}, undefined as never) : undefined));
    const world = await createJobWorld(database, [type]);
    await world.jobs.group(Array.from({ length: 10_000 }, (_, n) => step(type, { repo: 'crowd', n })));
    await world.work({ concurrency: 4 });
    await vi.waitFor(() => expect(type.runs).toHaveLength(1));
    const startedMs = performance.now();
    await world.jobs.wait(await world.jobs.enqueue(type, { repo: 'other' }), { timeoutSeconds: 10 });
    expect(performance.now() - startedMs).toBeLessThan(3000);
    expect(type.runs).toHaveLength(2);
    stuck.open();
    await vi.waitFor(() => expect(type.runs.length).toBeGreaterThan(20), { timeout: 10_000 });
    expect(type.most.get('crowd')).toBe(1);
    expect(type.runs.filter(({ repo }) => repo === 'crowd').slice(0, 20).map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it('admits the next whatever became of the one before: failed, skipped, cancelled while it ran or while it waited', async () => {
    const type = new KeyedJob('Ends', { concurrencyPerKey: 1 }, async ({ n }, { signal }) => {
      if (n === 0) throw new Error('broken');
      if (n === 1) return skip('nothing new');
      if (n === 2) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      return n;
    });
    const world = await createJobWorld(database, [type]);
    const jobs = await add(world, type, ['a', 0], ['a', 1], ['a', 2], ['a', 3], ['a', 4]);
    await world.jobs.cancel(jobs[3]!, 'not needed');
    await world.work();
    await vi.waitFor(() => expect(type.runs).toHaveLength(3));
    await world.jobs.cancel(jobs[2]!, 'enough');
    expect(await world.jobs.wait(jobs[4]!, { timeoutSeconds: 10 })).toBe(4);
    expect(await states(world)).toEqual(['failed', 'skipped', 'cancelled', 'cancelled', 'completed']);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('keeps the place of a job that waits for its next attempt', async () => {
    const type = new KeyedJob('Backs off', { concurrencyPerKey: 1, retry: { attempts: 3, baseSeconds: 1 } }, ({ n }, { attempt }) => {
      if (n === 0 && attempt < 3) throw new ServiceError('sky', 'clouds');
    });
    const world = await createJobWorld(database, [type]);
    await add(world, type, ['a', 0], ['a', 1]);
    await world.work({ random: () => 0.1 });
    await settled(world, 'open jobs');
    expect(type.runs.map(({ n }) => n)).toEqual([0, 0, 0, 1]);
  });

  it('admits the next when a job is given up because its daemons were lost', async () => {
    const type = new KeyedJob('Lost', { concurrencyPerKey: 1, retry: { attempts: 1 } });
    const world = await createJobWorld(database, [type]);
    const [lost, next] = await add(world, type, ['a', 0], ['a', 1]);
    await database.em().execute(
      `with claimed as (
         update task_register set status_id = 2, cause = 'claim', attempt = 1, lease_owner = 99, lease_until = clock_timestamp() + interval '1 h' where subject_id = ? returning *)
       insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version) select subject_id, task_id, attempt, 99, 1 from claimed`,
      [lost!.id],
    );
    expect((await world.entry(next!.id)).unmet).toBe(1);
    await rescue(database.hot, 'test', [99], 60);
    expect(await states(world)).toEqual(['failed', 'pending']);
    expect((await world.entry(next!.id)).unmet).toBe(0);
  });

  it('Cd3: a hundred jobs of one key take their turns in order, each on its first attempt', { timeout: 20_000 }, async () => {
    const type = new KeyedJob('Hundred', { concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    await add(world, type, ...Array.from({ length: 100 }, (_, n): [string, number] => ['a', n]));
    await world.work();
    await world.work({ daemonId: 2 });
    await settled(world, 'open jobs');
    expect(type.runs.map(({ n }) => n)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect((await world.jobs.list()).every(({ attempts }) => attempts === 1)).toBe(true);
  });

  it('Cd4: what a running job enqueues for its own key follows it, and is not dropped', async () => {
    const type: KeyedJob = new KeyedJob('Follows', { concurrencyPerKey: 1, limit: { most: 2 } }, async ({ n }, context) => {
      if (n! < 3) await context.jobs.enqueue(type, { repo: 'a', n: n! + 1 });
    });
    const world = await createJobWorld(database, [type]);
    await world.work();
    await world.jobs.enqueue(type, { repo: 'a', n: 0 });
    await vi.waitFor(() => expect(type.runs).toHaveLength(4));
    await settled(world, 'open jobs');
    expect(type.runs.map(({ n }) => n)).toEqual([0, 1, 2, 3]);
  });

  it('Cd5: the next of a key begins only when all that the one before wrote is committed', async () => {
    await database.em().execute(`create table if not exists seen (n integer primary key, before bigint not null)`);
    const type = new KeyedJob('Writes', { concurrencyPerKey: 1 }, async ({ n }, { em }) => {
      await em.execute(`insert into seen (n, before) values (?, (select count(*) from seen))`, [n!]);
    });
    const world = await createJobWorld(database, [type]);
    await add(world, type, ...Array.from({ length: 10 }, (_, n): [string, number] => ['a', n]));
    await world.work();
    await world.work({ daemonId: 2 });
    await settled(world, 'open jobs');
    expect((await database.em().execute<{ n: number; before: string }[]>(`select * from seen order by n`)).map(({ n, before }) => [n, Number(before)])).toEqual(Array.from({ length: 10 }, (_, n) => [n, n]));
  });

  it('has a requeued job go before those that came later, and never runs too many', async () => {
    const [first, turn] = [gate(), gate()];
    const type = new KeyedJob('Again', { concurrencyPerKey: 1 }, async ({ n }) => (n === 1 ? first.script({}, undefined as never) : n === 2 ? turn.script({}, undefined as never) : undefined));
    const world = await createJobWorld(database, [type]);
    const [a, , c] = await add(world, type, ['a', 0], ['a', 1], ['a', 2], ['a', 3]);
    await world.work();
    await vi.waitFor(() => expect(type.runs.map(({ n }) => n)).toEqual([0, 1]));
    await world.jobs.requeue(a!);
    expect((await world.entry(a!.id)).unmet).toBe(1);
    first.open();
    await vi.waitFor(() => expect(type.runs.map(({ n }) => n)).toEqual([0, 1, 0, 2]));
    expect((await world.entry(c!.id)).status).toBe('processing');
    turn.open();
    await settled(world, 'open jobs');
    expect(type.runs.map(({ n }) => n)).toEqual([0, 1, 0, 2, 3]);
    expect(type.most.get('a')).toBe(1);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('takes back a place from one that has not begun, when an older one is requeued', async () => {
    const type = new KeyedJob('Place', { concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    const [a, b] = await add(world, type, ['a', 0], ['a', 1]);
    await world.jobs.cancel(a!, 'wait');
    expect((await world.entry(b!.id)).unmet).toBe(0);
    await world.jobs.requeue(a!);
    expect([(await world.entry(a!.id)).unmet, (await world.entry(b!.id)).unmet]).toEqual([0, 1]);
    await world.work();
    await settled(world, 'open jobs');
    expect(type.runs.map(({ n }) => n)).toEqual([0, 1]);
  });

  it('admits more, or fewer, when the class says so at the next start', async () => {
    const type = new KeyedJob('Changes', { concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    const jobs = await add(world, type, ['a', 0], ['a', 1], ['a', 2], ['a', 3]);
    const unmet = async () => Promise.all(jobs.map(async ({ id }) => (await world.entry(id)).unmet));
    expect(await unmet()).toEqual([0, 1, 1, 1]);
    const start = (concurrencyPerKey?: number) =>
      syncGraph(database.em(), createStatusMachine([...BUILT_IN.map(({ message, type: of }) => ({ message, type: of })), ...JOB_STATUSES]), [new KeyedJob('Changes', concurrencyPerKey === undefined ? {} : { concurrencyPerKey })]);
    await start(3);
    expect(await unmet()).toEqual([0, 0, 0, 1]);
    await start(2);
    expect(await unmet()).toEqual([0, 0, 1, 1]);
    await start();
    expect(await unmet()).toEqual([0, 0, 0, 0]);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('admits the next later, when somebody has it in hand at the moment of its turn', async () => {
    const type = new KeyedJob('In hand', { concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    const [a, b] = await add(world, type, ['a', 0], ['a', 1]);
    const other = database.em();
    await other.begin();
    await other.execute(`select from task_register where subject_id = ? for update`, [b!.id]);
    await world.jobs.cancel(a!, 'make room');
    await other.commit();
    expect((await world.entry(b!.id)).unmet).toBe(1);
    expect(await look(database.hot.run, 1)).toMatchObject({ due: true });
    await letGo(database.hot.run);
    expect((await world.entry(b!.id)).unmet).toBe(0);
    expect(await look(database.hot.run, 1)).toMatchObject({ due: false });
  });

  it('admits the next when the one before it is deleted', async () => {
    const type = new KeyedJob('Deleted', { concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    const [a, b] = await add(world, type, ['a', 0], ['a', 1]);
    await database.em().execute(`delete from subject where id = ?`, [a!.id]);
    expect((await world.entry(b!.id)).unmet).toBe(0);
  });

  it('loses no turn and lets in no one too many, with three daemons at work while jobs are enqueued, cancelled and requeued', { timeout: 30_000 }, async () => {
    const type = new KeyedJob('Busy', { concurrencyPerKey: 2, retry: { attempts: 3, baseSeconds: 0.01, thrown: true } }, async ({ n }, { attempt }) => {
      await new Promise((resolve) => setTimeout(resolve, n! % 5));
      if (n! % 7 === 0 && attempt === 1) throw new Error('once more');
    });
    const world = await createJobWorld(database, [type]);
    for (const daemonId of [1, 2, 3]) await world.work({ daemonId, concurrency: 5 });
    await Promise.all(['a', 'b', 'c', 'd'].map(async (repo, place) => {
      for (let n = 0; n < 30; n += 1) {
        const job = await world.jobs.enqueue(type, { repo, n: n + place });
        if (n % 3 === 0) await world.jobs.cancel(job, 'perhaps not');
        if (n % 6 === 0) await world.jobs.requeue(job).catch(() => {});
      }
    }));
    await settled(world, 'open jobs');
    for (const key of ['a', 'b', 'c', 'd']) expect(type.most.get(key)).toBeLessThanOrEqual(2);
    expect(await countDrift(database.em())).toBe(0);
    expect(await database.em().execute(`select * from key_left`)).toEqual([]);
  });
});
