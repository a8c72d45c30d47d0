import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { JobCancelledError, JobFailedError, PermanentError, UnknownNameError } from '../../src/errors.ts';
import { describeObstacle } from '../../src/engine/explain/describe.ts';
import { explain } from '../../src/engine/explain/obstacles.ts';
import { readSnapshot } from '../../src/engine/explain/snapshot.ts';
import { retryEntries } from '../../src/engine/reset.ts';
import { skip } from '../../src/runner/job.ts';
import type { OpenJobs } from '../../src/jobs/open.ts';
import { step, type Job, type JobRef } from '../../src/runner/jobs.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { gate, ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const sound = async () => {
  expect(await countDrift(database.em())).toBe(0);
  expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
};
/** Why a job waits, in words. */
async function said(id: string): Promise<string[]> {
  const [explanation] = explain(await readSnapshot(database.hot.run, [id]));
  return explanation!.obstacles.map((obstacle) => describeObstacle(obstacle, { subject: id, task: explanation!.task, now: new Date() }));
}

/** Gives its number, or the sum of what its parents gave. */
const adds = () => new ScriptedJob('Add', async ({ n }, context) => n ?? (await context.parentResults()).reduce<number>((sum, one) => sum + Number(one), 0));

describe('jobs in a row', () => {
  it('run one after the other, each with the result of the one before', async () => {
    const tell = new ScriptedJob('Tell', async ({ text }, context) => `${(await context.parentResults()).join()}${text}`);
    const { jobs, work } = await createJobWorld(database, [tell]);
    const chain = await jobs.chain(['a', 'b', 'c'].map((text) => step(tell, { text })));
    expect(tell.runs).toEqual([]);
    expect(await said(chain[1]!.id)).toEqual([`It waits for job ${chain[0]!.id} "Tell", which is pending.`, 'No daemon is alive; "afterglow start" starts one.']);
    await sound();
    await work();
    expect(await jobs.wait(chain[2]!, { timeoutSeconds: 10 })).toBe('abc');
    expect(tell.runs.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    await sound();
  });

  it('F13: do not begin before their parents are completed, whoever claims', async () => {
    const open = gate();
    const scan = new ScriptedJob('Scan', open.script);
    const { jobs, work } = await createJobWorld(database, [scan]);
    const { engine } = await work();
    const parent = await jobs.enqueue(scan, { n: 1 });
    const child = await jobs.enqueue(scan, { n: 2 }, { parent });
    await scan.begins(parent);
    await engine.wake();
    expect(await said(child.id)).toContain(`It waits for job ${parent.id} "Scan", which is running.`);
    expect((await jobs.get(child)).waitsFor).toEqual([{ id: parent.id, name: 'Scan', state: 'running' }]);
    expect(scan.runs).toEqual([{ n: 1 }]);
    open.open();
    await jobs.wait(child, { timeoutSeconds: 10 });
    expect(scan.runs).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('F14: are cancelled with the reason when a parent fails, and are never begun', async () => {
    const scan = new ScriptedJob('Scan', ({ n }) => {
      if (n === 1) throw new PermanentError('no such field');
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const [first, second, third] = await jobs.chain([1, 2, 3].map((n) => step(scan, { n })));
    await expect(jobs.wait(first!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobFailedError);
    await expect(jobs.wait(second!, { timeoutSeconds: 10 })).rejects.toThrow(new JobCancelledError(second!.id, 'Scan', `parent ${first!.id} "Scan" failed: no such field`));
    await expect(jobs.wait(third!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    // So is what is enqueued behind it later.
    const late = await jobs.enqueue(scan, { n: 4 }, { parent: first! });
    await expect(jobs.wait(late, { timeoutSeconds: 0 })).rejects.toThrow(`parent ${first!.id} "Scan" failed: no such field`);
    expect(scan.runs).toEqual([{ n: 1 }]);
    await sound();
  });

  it('go on behind a parent that was skipped, and behind one that had ended before', async () => {
    const scan = new ScriptedJob('Scan', async ({ n }, context) => (n === 1 ? skip('nothing new') : context.parentResults()));
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const [first, second] = await jobs.chain([step(scan, { n: 1 }), step(scan, {})]);
    expect(await jobs.wait(second!, { timeoutSeconds: 10 })).toEqual([null]);
    const late = await jobs.enqueue(scan, {}, { parents: [second!, first!] });
    expect(await jobs.wait(late, { timeoutSeconds: 10 })).toEqual([[null], null]);
    await sound();
  });

  it('run again behind a parent that was requeued, when that is completed', async () => {
    let isBroken = true;
    const scan = new ScriptedJob('Scan', ({ n }) => {
      if (n === 1 && isBroken) throw new PermanentError('no such field');
      return n;
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const [first, second, third] = await jobs.chain([1, 2, 3].map((n) => step(scan, { n })));
    await expect(jobs.wait(third!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    // A child alone waits for its parent, which has failed.
    expect(await jobs.requeue(second!)).toEqual([second!.id]);
    expect(await said(second!.id)).toContain(`It waits for job ${first!.id} "Scan", which has failed: no such field; "afterglow jobs requeue ${first!.id}" has that done again.`);
    await sound();
    isBroken = false;
    expect(await jobs.requeue(first!, { withChildren: true })).toEqual([first!.id]);
    expect(await jobs.wait(second!, { timeoutSeconds: 10 })).toBe(2);
    expect(await jobs.requeue(third!)).toEqual([third!.id]);
    expect(await jobs.wait(third!, { timeoutSeconds: 10 })).toBe(3);
    await sound();
  });

  it('go on by "afterglow retry" too, together or alone', async () => {
    let isBroken = true;
    const scan = new ScriptedJob('Scan', ({ n }) => {
      if (n === 1 && isBroken) throw new PermanentError('no such field');
      return n;
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const [, second] = await jobs.chain([1, 2].map((n) => step(scan, { n })));
    await expect(jobs.wait(second!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    expect(await retryEntries(database.em(), { subjects: [second!.id] }, 'ada')).toHaveLength(1);
    expect(await jobs.get(second!)).toMatchObject({ state: 'pending', requeues: 1, endedAt: null });
    await sound();
    isBroken = false;
    expect(await retryEntries(database.em(), { tasks: ['Scan'] }, 'ada')).toHaveLength(1);
    expect(await jobs.wait(second!, { timeoutSeconds: 10 })).toBe(2);
    await sound();
  });

  it('are requeued together with the parent whose failure cancelled them', async () => {
    let isBroken = true;
    const scan = new ScriptedJob('Scan', ({ n }) => {
      if (n === 1 && isBroken) throw new PermanentError('no such field');
      return n;
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const [first, second, third] = await jobs.chain([1, 2, 3].map((n) => step(scan, { n })));
    await expect(jobs.wait(third!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    isBroken = false;
    expect(await jobs.requeue(first!, { withChildren: true })).toEqual([first!.id, second!.id, third!.id]);
    expect(await jobs.wait(third!, { timeoutSeconds: 10 })).toBe(3);
  });

  it('are cancelled when their parent is deleted before it is completed', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs } = await createJobWorld(database, [scan]);
    const [first, second, third] = await jobs.chain([step(scan, {}), step(scan, {}), step(scan, {})]);
    await database.em().execute(`delete from subject where id = ?`, [first!.id]);
    await expect(jobs.wait(second!, { timeoutSeconds: 0 })).rejects.toThrow(`parent ${first!.id} was deleted`);
    await expect(jobs.wait(third!, { timeoutSeconds: 0 })).rejects.toBeInstanceOf(JobCancelledError);
    await expect(jobs.enqueue(scan, {}, { parent: first! })).rejects.toBeInstanceOf(UnknownNameError);
    expect(await database.em().execute(`select from job_parent where parent_id = ?`, [first!.id])).toEqual([]);
    await sound();
  });

  it('of a thousand steps are cancelled from the first to the last', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs } = await createJobWorld(database, [scan]);
    const chain = await jobs.chain(Array.from({ length: 1000 }, () => step(scan, {})));
    await jobs.cancel(chain[0]!, 'not wanted');
    expect(await jobs.list({ states: ['cancelled'], limit: 2000 })).toHaveLength(1000);
    expect((await jobs.get(chain[999]!)).reason).toContain(`parent ${chain[998]!.id} "Scan" cancelled: parent ${chain[997]!.id}`);
    await sound();
  });
});

describe('jobs side by side', () => {
  it('give all their results, in order, to the last step of a chord', async () => {
    const add = adds();
    const { jobs, work } = await createJobWorld(database, [add]);
    const { group, last } = await jobs.chord([1, 2, 3, 4].map((n) => step(add, { n })), step(add, {}));
    await work();
    expect(await jobs.wait(last, { timeoutSeconds: 10 })).toBe(10);
    expect((await jobs.get(last)).parents).toEqual(group.map(({ id }) => id));
    const { last: alone } = await jobs.chord([], step(add, {}));
    expect(await jobs.wait(alone, { timeoutSeconds: 10 })).toBe(0);
    await sound();
  });

  it('of which one fails cancel the last step of their chord, and run on themselves', async () => {
    const scan = new ScriptedJob('Scan', ({ n }) => {
      if (n === 2) throw new PermanentError('no such field');
      return n;
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    const { group, last } = await jobs.chord([1, 2, 3].map((n) => step(scan, { n })), step(scan, {}));
    await work();
    await expect(jobs.wait(last, { timeoutSeconds: 10 })).rejects.toThrow(`parent ${group[1]!.id} "Scan" failed: no such field`);
    expect(await jobs.wait(group[2]!, { timeoutSeconds: 10 })).toBe(3);
    expect(await jobs.wait(group[0]!, { timeoutSeconds: 10 })).toBe(1);
    await sound();
  });

  it('can be fanned out by a runner, whose last step then waits for all of them', async () => {
    const add = adds();
    const plan = new ScriptedJob('Plan', async (_args, context) => {
      const { last } = await context.jobs.chord(Array.from({ length: 20 }, (_, n) => step(add, { n })), step(add, {}), { parent: context.job });
      return last.id;
    });
    const { jobs, work } = await createJobWorld(database, [add, plan]);
    await work();
    const last = (await jobs.wait(await jobs.enqueue(plan, {}), { timeoutSeconds: 10 })) as string;
    expect(await jobs.wait(last, { timeoutSeconds: 10 })).toBe(190);
    await sound();
  });

  it('are enqueued by thousands in one call', async () => {
    const add = adds();
    const { jobs, work } = await createJobWorld(database, [add]);
    const { group, last } = await jobs.chord(Array.from({ length: 5000 }, () => step(add, { n: 1 })), step(add, {}));
    expect(new Set(group.map(({ id }) => id)).size).toBe(5000);
    await work({ concurrency: 200 });
    expect(await jobs.wait(last, { timeoutSeconds: 30 })).toBe(5000);
    await sound();
  }, 40_000);
});

describe('a parent that ends while a child is being enqueued', () => {
  /** Enqueues in a transaction that is committed only when all of `meanwhile` is done. */
  const within = async (jobs: OpenJobs, parent: Job, meanwhile: () => Promise<unknown>): Promise<Job> => {
    const scan = new ScriptedJob('Scan');
    return database.em().transactional(async (em) => {
      const child = await jobs.within(em).enqueue(scan, { n: 2 }, { parent });
      await meanwhile();
      return child as Job;
    });
  };

  it('lets it run, and does not wait for its transaction', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs, work } = await createJobWorld(database, [scan]);
    const parent = (await jobs.enqueue(scan, { n: 1 })) as Job;
    const child = await within(jobs, parent, async () => {
      await work();
      await jobs.wait(parent, { timeoutSeconds: 10 });
    });
    await jobs.wait(child, { timeoutSeconds: 10 });
    expect(scan.runs).toEqual([{ n: 1 }, { n: 2 }]);
    await sound();
  });

  it('cancels it where it fails, is cancelled or deleted', async () => {
    const scan = new ScriptedJob('Scan', () => {
      throw new PermanentError('no such field');
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    const [fails, cancelled, deleted] = (await jobs.group([1, 2, 3].map((n) => step(scan, { n }, { delaySeconds: 3600 })))) as Job[];
    const after = async (parent: Job, meanwhile: () => Promise<unknown>) => (await jobs.get(await within(jobs, parent, meanwhile))).reason;
    expect(await after(cancelled!, () => jobs.cancel(cancelled!, 'enough'))).toBe(`parent ${cancelled!.id} "Scan" cancelled: Cancelled by test: enough`);
    expect(await after(deleted!, () => database.em().execute(`delete from subject where id = ?`, [deleted!.id]))).toBe(`parent ${deleted!.id} was deleted`);
    const failed = await after(fails!, async () => {
      await database.em().execute(`update task_register set due_at = null where subject_id = ?`, [fails!.id]);
      await work();
      await expect(jobs.wait(fails!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobFailedError);
    });
    expect(failed).toBe(`parent ${fails!.id} "Scan" failed: no such field`);
    expect(scan.runs).toHaveLength(1);
    await sound();
  });

  it('has it wait where it is requeued', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs, work } = await createJobWorld(database, [scan]);
    const parent = (await jobs.enqueue(scan, { n: 1 })) as Job;
    const { engine } = await work();
    await jobs.wait(parent, { timeoutSeconds: 10 });
    await engine.stop(0);
    const child = await within(jobs, parent, () => jobs.requeue(parent));
    expect((await jobs.get(child)).waitsFor).toMatchObject([{ id: parent.id }]);
    await sound();
    await work();
    await jobs.wait(child, { timeoutSeconds: 10 });
    expect(scan.runs).toEqual([{ n: 1 }, { n: 1 }, { n: 2 }]);
  });

  it('misses none of many children, whatever comes first', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work({ concurrency: 8 });
    await work({ concurrency: 8, daemonId: 2 });
    const behind = (parent: JobRef) => database.em().transactional((em) => jobs.within(em).enqueue(scan, {}, { parent }));
    const chains = Array.from({ length: 12 }, async () => {
      let last = await jobs.enqueue(scan, {});
      for (let n = 0; n < 12; n += 1) last = await behind(last);
      return last;
    });
    for (const last of await Promise.all(chains)) await jobs.wait(last, { timeoutSeconds: 20 });
    expect(scan.runs).toHaveLength(12 * 13);
    await sound();
  });
});
