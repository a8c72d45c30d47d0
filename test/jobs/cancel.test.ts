import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { claim } from '../../src/engine/claim.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { JobCancelledError, RefusedError, UnknownNameError } from '../../src/errors.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { gate, obeys, ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('cancelling a job', () => {
  it('that is pending ends it at once, and it is never begun', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs, work, entry } = await createJobWorld(database, [scan]);
    const job = await jobs.enqueue(scan, {});
    expect(await jobs.cancel(job, 'not wanted', { by: 'ada' })).toBe('cancelled');
    expect(await entry(job.id)).toMatchObject({ status: 'cancelled', cause: 'cancel', actor: 'ada', reason: 'Cancelled by ada: not wanted' });
    expect(await jobs.get(job)).toMatchObject({ state: 'cancelled', attempts: 0 });
    await work();
    await jobs.wait(await jobs.enqueue(scan, {}), { timeoutSeconds: 10 });
    expect(scan.runs).toHaveLength(1);
    expect(await jobs.cancel(job, 'again')).toBe('ended');
    await expect(jobs.cancel('4711000', 'no such thing')).rejects.toBeInstanceOf(UnknownNameError);
  });

  it('that runs tells it to stop, and whoever waits hears why it ended', async () => {
    const scan = new ScriptedJob('Scan', obeys);
    const { jobs, work, outcomes } = await createJobWorld(database, [scan]);
    await work();
    const job = await jobs.enqueue(scan, {});
    await scan.begins(job);
    const waiting = expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toThrow(new JobCancelledError(job.id, 'Scan', 'Cancelled by ada: wrong field'));
    expect(await jobs.cancel(job, 'wrong field', { by: 'ada' })).toBe('stopping');
    await waiting;
    expect(await outcomes(job.id)).toEqual(['cancelled']);
    expect(await jobs.get(job)).toMatchObject({ state: 'cancelled', result: null });
  });

  it('Fd3, F22: is never recorded as completed, though the job never looks and comes to its end', async () => {
    const open = gate();
    const scan = new ScriptedJob('Scan', open.script);
    const { jobs, work, outcomes, entry } = await createJobWorld(database, [scan]);
    const { engine } = await work();
    const job = await jobs.enqueue(scan, {});
    await scan.begins(job);
    // As if the word had got lost: nobody hears it.
    for (const attempt of engine.leases.all) engine.leases.delete(attempt);
    await jobs.cancel(job, 'wrong field', { by: 'ada' });
    open.open();
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    expect(await outcomes(job.id)).toEqual(['cancelled']);
    expect(await entry(job.id)).toMatchObject({ status: 'cancelled', cause: 'cancel', reason: 'Cancelled by ada: wrong field' });
  });

  it('keeps nothing that the job wrote, where the word comes too late to stop it', async () => {
    const open = gate();
    const scan = new ScriptedJob('Scan', async (args, context) => {
      await context.em.execute(`insert into installation default values`);
      await context.jobs.enqueue('Scan', { n: 2 });
      return open.script(args, context);
    });
    const { jobs, work, outcomes } = await createJobWorld(database, [scan]);
    const before = await database.em().execute<object[]>(`select from installation`);
    const { engine } = await work();
    const job = await jobs.enqueue(scan, { n: 1 });
    await scan.begins(job);
    for (const attempt of engine.leases.all) engine.leases.delete(attempt);
    await jobs.cancel(job, 'wrong field', { by: 'ada' });
    open.open();
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    expect(await outcomes(job.id)).toEqual(['cancelled']);
    expect(await database.em().execute(`select from installation`)).toHaveLength(before.length);
    expect(await jobs.list()).toHaveLength(1);
  });

  it('holds when its daemon dies: the rescue cancels it', async () => {
    const scan = new ScriptedJob('Scan', gate().script);
    const { jobs, work, entry } = await createJobWorld(database, [scan]);
    await work({ daemonId: 7, settleSeconds: 0.1 });
    const job = await jobs.enqueue(scan, {});
    await scan.begins(job);
    await database.em().execute(`update task_register set cancel_reason = 'late', cancelled_by = 'ada' where subject_id = ?`, [job.id]);
    expect(await rescue(database.hot, 'daemon 8', [7], 60)).toMatchObject([{ subject: job.id, cause: 'cancel' }]);
    expect(await entry(job.id)).toMatchObject({ status: 'cancelled', attempt: 1 });
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
  });

  it('cannot be undone by whoever writes another end into the register', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs } = await createJobWorld(database, [scan]);
    const job = await jobs.enqueue(scan, {});
    const [{ id }] = await database.em().execute<[{ id: number }]>(`select id from task`);
    await claim(database.hot.run, { id, name: 'Scan', kind: 'job:Scan', claimFromId: 1, version: 1 }, { daemonId: 7, actor: 'daemon 7', leaseSeconds: 3600 }, 10);
    await jobs.cancel(job, 'wrong field', { by: 'ada' });
    const completed = `update task_register set status_id = (select id from status where message = 'completed'), cause = 'finish'`;
    await expect(database.em().execute(completed)).rejects.toThrow('a job that was to be cancelled can only end as "cancelled"');
    expect((await jobs.get(job)).state).toBe('running');
  });

  it('cancels its children with the reason, and what follows from them, down to the last', async () => {
    const scan = new ScriptedJob('Scan', obeys);
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const parent = await jobs.enqueue(scan, {});
    const child = await jobs.enqueue(scan, {}, { parent });
    const grandchild = await jobs.enqueue(scan, {}, { parent: child });
    await vi.waitFor(async () => expect((await jobs.get(parent)).state).toBe('running'), 10_000);
    await jobs.cancel(parent, 'wrong field', { by: 'ada' });
    await expect(jobs.wait(grandchild, { timeoutSeconds: 10 })).rejects.toThrow(
      `parent ${child.id} "Scan" cancelled: parent ${parent.id} "Scan" cancelled: Cancelled by ada: wrong field`,
    );
    expect((await jobs.get(child)).reason).toBe(`parent ${parent.id} "Scan" cancelled: Cancelled by ada: wrong field`);
    expect(await countDrift(database.em())).toBe(0);
    await expect(jobs.requeue('999999')).rejects.toBeInstanceOf(UnknownNameError);
    await expect(jobs.requeue(await jobs.enqueue(scan, {}, { delaySeconds: 60 }))).rejects.toBeInstanceOf(RefusedError);
  });
});
