import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { RefusedError, TaskLimitError } from '../../src/errors.ts';
import { jobsOf } from '../../src/jobs/open.ts';
import { step } from '../../src/runner/jobs.ts';
import { JobRunner } from '../../src/runner/job.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { KeyedJob } from './keyed-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

class Quiet extends JobRunner<{ n: number; repo: string }> {
  readonly taskName = 'Quiet';
  readonly args = z.object({ n: z.number(), repo: z.string() });
  override readonly limit = { most: 1, action: 'silence' } as const;
  override limitId({ repo }: { repo: string }): string {
    return repo;
  }
  run(): void {}
}

describe('a limit by key', () => {
  it('refuses a job when as many of its key are pending or running, and says which', async () => {
    const sync = new KeyedJob('Sync', { limit: { most: 2 } });
    const { jobs } = await createJobWorld(database, [sync]);
    const [one, two] = [await jobs.enqueue(sync, { repo: 'a', n: 1 }), await jobs.enqueue(sync, { repo: 'a', n: 2 })];
    await jobs.enqueue(sync, { repo: 'b', n: 1 });
    const refused = await jobs.enqueue(sync, { repo: 'a', n: 3 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(TaskLimitError);
    expect(refused).toMatchObject({ code: 'TASK_LIMIT', task: 'Sync', limitId: 'a', most: 2, jobs: [one.id, two.id] });
    expect((refused as Error).message).toBe(`"Sync" may have at most 2 pending or running for "a", and there are 2 (${one.id}, ${two.id}); nothing was enqueued.`);
    expect(await jobs.list()).toHaveLength(3);
  });

  it('lets the next one in when one has ended, be it completed, failed or cancelled', async () => {
    const sync = new KeyedJob('Sync', { limit: { most: 1 } }, ({ n }) => {
      if (n === 2) throw new Error('broken');
    });
    const { jobs, work } = await createJobWorld(database, [sync]);
    await jobs.cancel(await jobs.enqueue(sync, { repo: 'a' }), 'not needed');
    await work();
    for (const n of [1, 2, 3]) await jobs.wait(await jobs.enqueue(sync, { repo: 'a', n }), { timeoutSeconds: 10 }).catch(() => {});
    expect((await jobs.list()).map(({ state }) => state)).toEqual(['completed', 'failed', 'completed', 'cancelled']);
  });

  it('counts all jobs of a class together where nothing says by what', async () => {
    const only = new KeyedJob('Only', { limit: { most: 1 } });
    const { jobs } = await createJobWorld(database, [only]);
    await jobs.enqueue(only, { n: 1 });
    await expect(jobs.enqueue(only, { n: 2 })).rejects.toThrow(/^"Only" may have at most 1 pending or running, and there is 1 \(\d+\); nothing was enqueued\.$/);
  });

  it('Fd14: gives undefined and no error where it is silent', async () => {
    const quiet = new Quiet();
    const { jobs } = await createJobWorld(database, [quiet]);
    expect(await jobs.enqueue(quiet, { n: 1, repo: 'a' })).toMatchObject({ name: 'Quiet' });
    const second = await jobs.enqueue(quiet, { n: 2, repo: 'a' });
    expect(second?.id).toBeUndefined();
    expect(await jobs.list()).toHaveLength(1);
    await expect(jobs.enqueue('Quiet', { n: 2, repo: 'a' }), 'by name, which says nothing of what may come back').rejects.toBeInstanceOf(TaskLimitError);
  });

  it('Fd8: assumes nothing of the order of arguments, and nothing of classes without a limit', async () => {
    const [quiet, plain] = [new Quiet(), new KeyedJob('Plain', {})];
    const { jobs } = await createJobWorld(database, [quiet, plain]);
    await jobs.enqueue(quiet, { n: 7, repo: 'a' });
    expect(await jobs.enqueue(quiet, { repo: 'a', n: 8 })).toBeUndefined();
    expect(await jobs.enqueue(quiet, { n: 7, repo: 'b' })).toBeDefined();
    for (const n of [1, 2, 3]) await jobs.enqueue(plain, { repo: 'a', n });
    expect(await jobs.list({ names: ['Plain'] })).toHaveLength(3);
  });

  it('is exact when twenty enqueue at once over several connections', async () => {
    const sync = new KeyedJob('Sync', { limit: { most: 3 } });
    const { jobs } = await createJobWorld(database, [sync]);
    const others = [1, 2, 3].map(() => jobsOf(database.address, { types: [sync], by: 'other' }));
    try {
      const all = [jobs, ...others];
      const ends = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => all[n % all.length]!.enqueue(sync, { repo: 'a', n })));
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
      expect(ends.filter((end) => end.status === 'rejected').every(({ reason }) => reason instanceof TaskLimitError)).toBe(true);
      expect(await jobs.list()).toHaveLength(3);
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
  });

  it('counts what an open transaction has enqueued, once it is committed, and not what was rolled back', async () => {
    const sync = new KeyedJob('Sync', { limit: { most: 1 } });
    const { jobs } = await createJobWorld(database, [sync]);
    const own = await openDatabase(database.address, { entities: [], migrations: [] });
    try {
      const em = own.em();
      await em.begin();
      await jobs.within(em).enqueue(sync, { repo: 'a' });
      const late = jobs.enqueue(sync, { repo: 'a' });
      await em.rollback();
      await expect(late).resolves.toMatchObject({ name: 'Sync' });
      const other = own.em();
      await other.begin();
      await jobs.within(other).enqueue(sync, { repo: 'b' });
      const refused = jobs.enqueue(sync, { repo: 'b' });
      await Promise.all([expect(refused).rejects.toBeInstanceOf(TaskLimitError), other.commit()]);
    } finally {
      await own.close();
    }
  });

  it('holds for jobs that are enqueued together, all of them or none', async () => {
    const [sync, quiet] = [new KeyedJob('Sync', { limit: { most: 2 } }), new Quiet()];
    const { jobs } = await createJobWorld(database, [sync, quiet]);
    await expect(jobs.group(['a', 'b', 'a', 'a'].map((repo) => step(sync, { repo })))).rejects.toThrow('"Sync" may have at most 2 pending or running for "a", and there are 0, and 2 more would come with it; nothing was enqueued.');
    expect(await jobs.list()).toEqual([]);
    expect(await jobs.group(['a', 'b', 'a'].map((repo) => step(sync, { repo })))).toHaveLength(3);
    await expect(jobs.group([step(quiet, { n: 1, repo: 'c' }), step(quiet, { n: 2, repo: 'c' })])).rejects.toBeInstanceOf(TaskLimitError);
  });

  it('keeps a distance in time where it is told to, which what failed does not count for', async () => {
    const hourly = new KeyedJob('Hourly', { limit: { most: 1, withinSeconds: 3600 } }, ({ n }) => {
      if (n === 1) throw new Error('broken');
    });
    const { jobs, work } = await createJobWorld(database, [hourly]);
    await work();
    await expect(jobs.wait(await jobs.enqueue(hourly, { repo: 'a', n: 1 }), { timeoutSeconds: 10 })).rejects.toThrow('broken');
    await jobs.wait(await jobs.enqueue(hourly, { repo: 'a', n: 2 }), { timeoutSeconds: 10 });
    await expect(jobs.enqueue(hourly, { repo: 'a', n: 3 })).rejects.toThrow('pending, running or enqueued within the last 3600 s');
    await database.em().execute(`update job set enqueued_at = enqueued_at - interval '2 h', ended_at = ended_at - interval '1 h 59 min'`);
    await expect(jobs.enqueue(hourly, { repo: 'a', n: 4 })).resolves.toBeDefined();
  });

  it('counts what was requeued, with its arguments and its key', async () => {
    const sync = new KeyedJob('Sync', { limit: { most: 1 } });
    const { jobs } = await createJobWorld(database, [sync]);
    const job = await jobs.enqueue(sync, { repo: 'a', n: 1 });
    await jobs.cancel(job, 'not now');
    await jobs.requeue(job);
    await expect(jobs.enqueue(sync, { repo: 'a', n: 2 })).rejects.toMatchObject({ jobs: [job.id] });
    expect(await jobs.get(job)).toMatchObject({ state: 'pending', key: 'a', args: { repo: 'a', n: 1 } });
  });

  it('cannot be gone around by enqueueing by name where the class is not known', async () => {
    const sync = new KeyedJob('Sync', { limit: { most: 1 } });
    const { jobs } = await createJobWorld(database, [sync]);
    await jobs.enqueue('Sync', { repo: 'a' });
    await expect(jobs.enqueue('Sync', { repo: 'a' })).rejects.toBeInstanceOf(TaskLimitError);
    const stranger = jobsOf(database.address, { by: 'stranger' });
    await expect(stranger.enqueue('Sync', { repo: 'b' })).rejects.toThrow(RefusedError);
    await stranger.close();
    expect(await countDrift(database.em())).toBe(0);
  });
});
