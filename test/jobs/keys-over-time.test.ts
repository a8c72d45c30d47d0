import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { KeyedJob } from './keyed-job.ts';
import { gate } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const retry = { timeLimit: true, baseSeconds: 0.01 };

describe('Fd4: over-time jobs are never run twice at once', () => {
  it('one that stops when it is told to is tried again only then', async () => {
    const type = new KeyedJob('Stops late', { timeLimitSeconds: 0.1, retry }, async (_args, { signal, attempt }) => {
      if (attempt > 1) return;
      await new Promise((resolve) => signal.addEventListener('abort', () => setTimeout(resolve, 150)));
    });
    const { jobs, work, outcomes } = await createJobWorld(database, [type]);
    for (const daemonId of [1, 2]) await work({ daemonId });
    const job = await jobs.enqueue(type, { repo: 'a' });
    await jobs.wait(job, { timeoutSeconds: 10 });
    expect(await outcomes(job.id)).toEqual(['timed out', 'finished']);
    expect(type.most.get('all')).toBe(1);
  });

  it('one that does not stop is not tried again beside itself, and what it returns at last counts for nothing', async () => {
    const stuck = gate();
    const type = new KeyedJob('Never stops', { timeLimitSeconds: 0.1, retry }, () => stuck.script({}, undefined as never));
    const { jobs, work, entry } = await createJobWorld(database, [type]);
    const { engine } = await work({ settleSeconds: 0.1 });
    const job = await jobs.enqueue(type, { repo: 'a' });
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toThrow('The time limit of 0.1 s is exceeded. Its runner does not stop, so it is not tried again beside it.');
    await vi.waitFor(() => expect(engine.unsettled.all).toHaveLength(1));
    expect(type.runs).toHaveLength(1);
    stuck.open();
    await vi.waitFor(() => expect(engine.unsettled.all).toEqual([]));
    expect(await entry(job.id)).toMatchObject({ status: 'time limit exceeded', attempt: 1 });
    expect((await jobs.get(job)).state).toBe('failed');
  });
});

it('Cd2: a job that is put off for longer than a lease is run once, whoever looks for leases that are over', async () => {
  const type = new KeyedJob('Put off', { debounce: { seconds: 0.6 } });
  const { jobs, work, outcomes } = await createJobWorld(database, [type]);
  for (const daemonId of [1, 2]) await work({ daemonId, leaseSeconds: 0.1 });
  const job = await jobs.enqueue(type, { repo: 'a' });
  const enqueuedMs = performance.now();
  await vi.waitFor(async () => {
    expect(await rescue(database.hot, 'test', [], 0.1)).toEqual([]);
    expect(type.runs).toHaveLength(1);
  }, { timeout: 10_000, interval: 20 });
  expect(performance.now() - enqueuedMs).toBeGreaterThan(500);
  await jobs.wait(job, { timeoutSeconds: 10 });
  expect(await outcomes(job.id)).toEqual(['finished']);
});
