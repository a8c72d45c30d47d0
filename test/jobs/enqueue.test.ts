import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Database } from '../../src/db/database.ts';
import { claim } from '../../src/engine/claim.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { JobArgumentsError, PermanentError, RefusedError, UnknownNameError } from '../../src/errors.ts';
import { JobRunner, type JobContext } from '../../src/runner/job.ts';
import { step } from '../../src/runner/jobs.ts';
import { jobsOf } from '../../src/jobs/open.ts';
import { inDatabase } from '../global-setup.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

class Shout extends JobRunner<{ text: string; times: number }, string> {
  readonly taskName = 'Shout';
  readonly args = z.object({ text: z.string(), times: z.number().int().min(1).default(1) });
  override readonly result = z.string();
  run({ text, times }: { text: string; times: number }): string {
    return text.toUpperCase().repeat(times);
  }
}
const shout = new Shout();
const count = async (): Promise<number> => (await database.em().execute<object[]>(`select from subject s join job j on j.subject_id = s.id join task_register r on r.subject_id = s.id`)).length;

describe('a job', () => {
  it('is run with its arguments, and its result comes back as its type declares it', async () => {
    const { jobs, work } = await createJobWorld(database, [shout]);
    await work();
    const job = await jobs.enqueue(shout, { text: 'hello' }, { by: 'ada', priority: 3, timeoutSeconds: 60 });
    const result: string = await jobs.wait(job, { timeoutSeconds: 10 });
    expect(result).toBe('HELLO');
    const details = await jobs.get(job);
    expect(details).toMatchObject({
      id: job.id, name: 'Shout', state: 'completed', args: { text: 'hello' }, result: 'HELLO', attempts: 1, requeues: 0, enqueuedBy: 'ada', priority: 3, timeoutSeconds: 60, parents: [], children: [],
    });
    expect(details.startedAt!.getTime()).toBeGreaterThanOrEqual(details.enqueuedAt.getTime());
    expect(details.endedAt!.getTime()).toBeGreaterThanOrEqual(details.startedAt!.getTime());
    expect((await jobs.enqueue('Shout', { text: 'by name' })).name).toBe('Shout');
  });

  it('is there when the transaction that enqueued it is committed, or never', async () => {
    const { jobs } = await createJobWorld(database, [shout]);
    const undone = database.em().transactional(async (em) => {
      await jobs.within(em).chain([step(shout, { text: 'a' }), step(shout, { text: 'b' })]);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await count()).toBe(0);
    const job = await database.em().transactional((em) => jobs.within(em).enqueue(shout, { text: 'a' }));
    expect((await jobs.get(job)).state).toBe('pending');
  });

  it('that a runner enqueues is there when its result is, or never', async () => {
    const plan = new ScriptedJob('Plan', async ({ n }, context) => {
      const job = await context.jobs.enqueue(shout, { text: 'inside' });
      expect((await context.jobs.get(job)).enqueuedBy).toBe(`"Plan" of ${context.job.id}, attempt 1`);
      if (n === 1) throw new PermanentError('no');
    });
    const { jobs, work } = await createJobWorld(database, [plan, shout]);
    await work();
    await expect(jobs.wait(await jobs.enqueue(plan, { n: 1 }), { timeoutSeconds: 10 })).rejects.toThrow('failed: no');
    expect(await count()).toBe(1);
    await jobs.wait(await jobs.enqueue(plan, { n: 2 }), { timeoutSeconds: 10 });
    expect(await count()).toBe(3);
  });

  it('goes by priority, then by age; what was requeued goes first', async () => {
    const scan = new ScriptedJob('Scan', ({ n }) => {
      if (n === 0) throw new PermanentError('no');
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    const again = await jobs.enqueue(scan, { n: 0 }, { priority: -5 });
    const first = await work({ concurrency: 1 });
    await expect(jobs.wait(again, { timeoutSeconds: 10 })).rejects.toThrow('no');
    await first.engine.stop(0);
    for (const [n, priority] of [[1, 0], [2, 0], [3, 5], [4, -1]] as const) await jobs.enqueue(scan, { n }, { priority });
    await jobs.requeue(again);
    await work({ concurrency: 1 });
    await expect.poll(() => scan.runs.map(({ n }) => n), { timeout: 10_000 }).toEqual([0, 0, 3, 1, 2, 4]);
  });

  it('F19: that is requeued keeps its arguments, parents, timeout and priority, and counts its requeues', async () => {
    const scan = new ScriptedJob('Scan', (_args, context) => context.attempt);
    const { jobs, work, outcomes } = await createJobWorld(database, [scan]);
    await work();
    const parent = await jobs.enqueue(scan, { n: 1 });
    const job = await jobs.enqueue(scan, { text: 'x' }, { parent, timeoutSeconds: 60, priority: 7, by: 'ada' });
    expect(await jobs.wait(job, { timeoutSeconds: 10 })).toBe(1);
    expect(await jobs.requeue(job, { by: 'bob' })).toEqual([job.id]);
    expect(await jobs.wait(job, { timeoutSeconds: 10 })).toBe(2);
    expect(await jobs.get(job)).toMatchObject({ args: { text: 'x' }, parents: [parent.id], timeoutSeconds: 60, priority: 7, enqueuedBy: 'ada', requeues: 1, attempts: 2 });
    expect(await outcomes(job.id)).toEqual(['finished', 'finished']);
  });

  it('begins no sooner than it may, by a delay or at a time', async () => {
    const scan = new ScriptedJob('Scan', () => Date.now());
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const [later, at, never] = [await jobs.enqueue(scan, {}, { delaySeconds: 0.3 }), await jobs.enqueue(scan, {}, { at: new Date(Date.now() + 300) }), await jobs.enqueue(scan, {}, { delaySeconds: 3600 })];
    const enqueued = (await jobs.get(later!)).enqueuedAt.getTime();
    expect(await jobs.wait(later!, { timeoutSeconds: 10 })).toBeGreaterThanOrEqual(enqueued + 300);
    await jobs.wait(at!, { timeoutSeconds: 10 });
    expect((await jobs.get(never!)).dueAt!.getTime() - enqueued).toBeGreaterThan(3_500_000);
    expect((await jobs.get(never!)).state).toBe('pending');
  });

  it('Fd9: whose daemon dies between the claim and the start is taken back, and run by another', async () => {
    const scan = new ScriptedJob('Scan', (_args, context) => context.attempt);
    const { jobs, work, outcomes } = await createJobWorld(database, [scan]);
    const job = await jobs.enqueue(scan, {});
    const [{ id }] = await database.em().execute<[{ id: number }]>(`select id from task`);
    const claimed = await claim(database.hot.run, { id, name: 'Scan', kind: 'job:Scan', claimFromId: 1, version: 1 }, { daemonId: 7, actor: 'daemon 7', leaseSeconds: 3600 }, 10);
    expect(claimed).toMatchObject([{ subjectId: job.id, attempt: 1 }]);
    expect((await jobs.get(job)).state).toBe('running');
    expect(await rescue(database.hot, 'daemon 8', [7], 60)).toMatchObject([{ subject: job.id, cause: 'rescue' }]);
    await work({ daemonId: 8 });
    expect(await jobs.wait(job, { timeoutSeconds: 10 })).toBe(2);
    expect(await outcomes(job.id)).toEqual(['rescued', 'finished']);
  });
});

describe('the arguments of a job', () => {
  it('C6: are JSON and what the type declares, or nothing is enqueued and the error says what is wrong and where', async () => {
    const { jobs } = await createJobWorld(database, [shout]);
    const wrong = jobs.enqueue(shout, { text: 5, times: 0 } as never);
    await expect(wrong).rejects.toBeInstanceOf(JobArgumentsError);
    await expect(wrong).rejects.toMatchObject({ job: 'Shout', problems: [{ path: 'arguments.text', expected: 'string', found: '5' }, { path: 'arguments.times', found: '0' }] });
    await expect(wrong).rejects.toThrow('The job "Shout" does not take these arguments: arguments.text should be string, found 5; arguments.times should be');
    for (const [value, found] of [[new Date(0), 'a Date'], [Number.NaN, 'NaN'], [5n, 'the BigInt 5'], [new Map(), 'a Map'], [() => {}, '() => {}'], ['\0', String.raw`"\u0000"`]] as const) {
      await expect(jobs.enqueue(shout, { text: 'a', more: { list: [value] } } as never)).rejects.toMatchObject({ problems: [{ path: 'arguments.more.list[0]', found }] });
    }
    await expect(jobs.enqueue(shout, 'text' as never)).rejects.toMatchObject({ problems: [{ path: 'arguments', expected: 'an object of JSON', found: '"text"' }] });
    await expect(jobs.group([step(shout, { text: 'a' }), step(shout, {} as never)])).rejects.toMatchObject({ problems: [{ path: 'arguments.text', found: 'nothing' }] });
    expect(await count()).toBe(0);
  });

  it('C5, C9: may be more than the type knows, at any depth: they are kept, left out of the run, and that is logged', async () => {
    let seen: unknown;
    class Strict extends JobRunner<{ text: string; of: { n: number } }> {
      readonly taskName = 'Strict';
      readonly args = z.strictObject({ text: z.string(), of: z.object({ n: z.number() }) });
      run(args: object, _context: JobContext): void {
        seen = args;
      }
    }
    const strict = new Strict();
    const { jobs, work } = await createJobWorld(database, [strict]);
    await work();
    const newer = { text: 'a', of: { n: 1, m: 2 }, color: 'red' };
    const job = await jobs.enqueue(strict, newer);
    await jobs.wait(job, { timeoutSeconds: 10 });
    expect(seen).toEqual({ text: 'a', of: { n: 1 } });
    expect((await jobs.get(job)).args).toEqual(newer);
    const [{ log }] = await database.em().execute<[{ log: { message: string }[] }]>(`select log from attempt where subject_id = ?`, [job.id]);
    expect(log.map(({ message }) => message)).toEqual(['arguments that version 1 of "Strict" does not know were left out: arguments.of.m, arguments.color']);
  });

  it('C9: that this version needs and an older one did not give fail the job, and say which', async () => {
    const { jobs, work, entry } = await createJobWorld(database, [shout]);
    const job = await jobs.enqueue(shout, { text: 'a' });
    // As an older version would have enqueued it.
    await database.em().execute(`update subject set data = '{"words": 1}' where id = ?`, [job.id]);
    await work();
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toThrow('arguments.text should be string, found nothing');
    expect((await entry(job.id)).status).toBe('failed');
  });
});

describe('what cannot be enqueued', () => {
  it('is anything in a database that no daemon has prepared', async () => {
    await using nowhere = jobsOf(inDatabase(database.address, 'template1'), { by: 'test' });
    await expect(nowhere.enqueue(shout, { text: 'a' })).rejects.toThrow('No daemon has ever prepared this database');
    await expect(nowhere.wait('1', { timeoutSeconds: 1 })).rejects.toBeInstanceOf(RefusedError);
  });

  it('is a job that no daemon knows, one behind a parent that is not there, and one whose numbers are none', async () => {
    const { jobs } = await createJobWorld(database, [shout]);
    await expect(jobs.enqueue('Shuot', {})).rejects.toThrow('There is no type of jobs "Shuot"; did you mean "Shout"?');
    await expect(jobs.enqueue(new ScriptedJob('Scan'), {})).rejects.toBeInstanceOf(UnknownNameError);
    await expect(jobs.enqueue(shout, { text: 'a' }, { parent: '4711000' })).rejects.toThrow('There is no job "4711000"');
    await expect(jobs.enqueue(shout, { text: 'a' }, { parent: 'x' })).rejects.toBeInstanceOf(UnknownNameError);
    for (const options of [{ delaySeconds: -1 }, { timeoutSeconds: 0 }, { priority: 1.5 }, { at: new Date('never') }, { delaySeconds: Number.NaN }]) {
      await expect(jobs.enqueue(shout, { text: 'a' }, options), JSON.stringify(options)).rejects.toBeInstanceOf(RefusedError);
    }
    expect(await count()).toBe(0);
  });
});
