import { beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { Database } from '../../src/db/database.ts';
import { JobCancelledError, JobFailedError, JobSkippedError, OutcomeError, PermanentError, RefusedError, ServiceError, UnknownNameError, WaitInRunnerError, WaitTimeoutError } from '../../src/errors.ts';
import { jobsOf } from '../../src/jobs/open.ts';
import { JobRunner, skip } from '../../src/runner/job.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { gate, obeys, ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** Gives times, which JSON does not have. */
class When extends JobRunner<{ year: number }, { at: Date }> {
  readonly taskName = 'When';
  readonly args = z.object({ year: z.number() });
  override readonly result = z.object({ at: z.coerce.date() });
  run({ year }: { year: number }): { at: Date } {
    return { at: new Date(Date.UTC(year, 0)) };
  }
}

describe('waiting for a job', () => {
  it('gives its result as its type declares it, though JSON lies between', async () => {
    const when = new When();
    const { jobs, work } = await createJobWorld(database, [when]);
    await work();
    const job = await jobs.enqueue(when, { year: 1987 });
    const { at } = await jobs.wait(job, { timeoutSeconds: 10 });
    expect(at.getUTCFullYear()).toBe(1987);
    expect(await jobs.result(job)).toEqual({ at });
    // Known by its id alone, its type is looked up; where nothing is known of types, it is what JSON says.
    expect(await jobs.wait(job.id, { timeoutSeconds: 10 })).toEqual({ at });
    await using stranger = jobsOf(database.address, { by: 'stranger' });
    expect(await stranger.wait(job.id, { timeoutSeconds: 10 })).toEqual({ at: '1987-01-01T00:00:00.000Z' });
  });

  it('Fd1: ends when the job fails, is cancelled, is skipped or takes too long, each with an error of its own', async () => {
    const scan = new ScriptedJob('Scan', ({ text }, context) => {
      if (text === 'fails') throw new PermanentError('no such field');
      return text === 'skips' ? skip('no head report', { branch: 'main' }) : obeys({}, context);
    });
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const started = performance.now();
    const [fails, skips, slow, cancelled] = [await jobs.enqueue(scan, { text: 'fails' }), await jobs.enqueue(scan, { text: 'skips' }), await jobs.enqueue(scan, {}), await jobs.enqueue(scan, {}, { delaySeconds: 60 })];
    await expect(jobs.wait(fails!, { timeoutSeconds: 10 })).rejects.toThrow(new JobFailedError(fails!.id, 'Scan', 'no such field'));
    await expect(jobs.wait(skips!, { timeoutSeconds: 10 })).rejects.toThrow(new JobSkippedError(skips!.id, 'Scan', 'no head report'));
    await expect(jobs.wait(slow!, { timeoutSeconds: 0.2 })).rejects.toThrow(new WaitTimeoutError(slow!.id, 'Scan', 'running', 0.2));
    const waiting = expect(jobs.wait(cancelled!, { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobCancelledError);
    await jobs.cancel(cancelled!, 'not wanted');
    await waiting;
    // None of it was found by looking again, which is done every five seconds.
    expect(performance.now() - started).toBeLessThan(4000);
    expect(await jobs.get(skips!)).toMatchObject({ state: 'skipped', reason: 'no head report', result: { reason: 'no head report', branch: 'main' } });
    expect(await jobs.result(fails!)).toBeUndefined();
    await expect(jobs.wait('4711000', { timeoutSeconds: 1 })).rejects.toBeInstanceOf(UnknownNameError);
    await expect(jobs.wait('no id', { timeoutSeconds: 1 })).rejects.toBeInstanceOf(UnknownNameError);
  });

  it('is told of the end by the database, for a job that ended before it began to wait too', async () => {
    const open = gate();
    const scan = new ScriptedJob('Scan', open.script);
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const job = await jobs.enqueue(scan, {});
    await scan.begins(job);
    const all = Array.from({ length: 5 }, () => jobs.wait(job, { timeoutSeconds: 10 }));
    open.open();
    await Promise.all(all);
    await jobs.wait(job, { timeoutSeconds: 0 });
  });

  it('goes on over a connection that breaks', async () => {
    const open = gate();
    const scan = new ScriptedJob('Scan', open.script);
    const { jobs, work } = await createJobWorld(database, [scan]);
    await work();
    const job = await jobs.enqueue(scan, {});
    await scan.begins(job);
    const waiting = jobs.wait(job, { timeoutSeconds: 20 });
    const cut = () => database.em().execute<object[]>(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'afterglow jobs' and datname = current_database()`);
    await vi.waitFor(async () => expect(await cut()).toHaveLength(1), 5000);
    open.open();
    await waiting;
  });

  it('F16, C8: inside a runner is an error that says what to do instead', async () => {
    const other = new ScriptedJob('Other');
    const scan: ScriptedJob = new ScriptedJob('Scan', async (_args, context) => context.jobs.wait(await context.jobs.enqueue(other, {}), { timeoutSeconds: 10 }));
    const { jobs, work } = await createJobWorld(database, [scan, other]);
    await work();
    const inside = await jobs.enqueue(scan, {});
    await expect(jobs.wait(inside, { timeoutSeconds: 10 })).rejects.toThrow(/The runner of "Scan" of \d+ must not wait for job \d+.*\{ parent: … \}, or with a chord/);
    // By a door of its own too.
    const idle = await jobs.enqueue(other, {}, { delaySeconds: 60 });
    scan.does(() => jobs.wait(idle, { timeoutSeconds: 10 }));
    await expect(jobs.wait(await jobs.enqueue(scan, {}), { timeoutSeconds: 10 })).rejects.toBeInstanceOf(JobFailedError);
    const [{ error }] = await database.em().execute<[{ error: { code: string } }]>(`select error from attempt where outcome = 'failed' order by subject_id desc limit 1`);
    expect(error.code).toBe(new WaitInRunnerError('', '').code);
    // Nothing that it enqueued is left of the failed attempt.
    expect((await jobs.list()).map(({ name }) => name)).toEqual(['Scan', 'Other', 'Scan']);
  });

  it('says so inside a transaction, where the job cannot begin', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs } = await createJobWorld(database, [scan]);
    await database.em().transactional(async (em) => {
      const job = await jobs.within(em).enqueue(scan, {});
      await expect(jobs.within(em).wait(job, { timeoutSeconds: 1 })).rejects.toBeInstanceOf(RefusedError);
    });
  });
});

describe('the end of a job', () => {
  it('that returns what its type does not declare is failed', async () => {
    class Wrong extends When {
      override run(): { at: Date } {
        return { at: 'soon' as unknown as Date };
      }
    }
    const wrong = new Wrong();
    const { jobs, work, entry } = await createJobWorld(database, [wrong]);
    await work();
    const job = await jobs.enqueue(wrong, { year: 1 });
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toThrow('returned what its type does not declare: result.at');
    expect((await entry(job.id)).status).toBe('failed');
    expect(new OutcomeError('').code).toBe('OUTCOME');
  });

  it('Cd8: whose retries are used up is failed, and never counts as a success', async () => {
    const scan = new ScriptedJob('Scan', () => {
      throw new ServiceError('store', 'deadlock');
    }, { retry: { attempts: 3, baseSeconds: 0.01 } });
    const { jobs, work, outcomes } = await createJobWorld(database, [scan]);
    await work();
    const job = await jobs.enqueue(scan, {});
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toThrow('given up after 3 attempts: deadlock');
    expect(await outcomes(job.id)).toEqual(['failed', 'failed', 'failed']);
    expect(await jobs.get(job)).toMatchObject({ state: 'failed', result: null });
  });

  it('Fd2: comes when its timeout is over, though its type allows more', async () => {
    const scan = new ScriptedJob('Scan', obeys, { timeLimitSeconds: 600 });
    const { jobs, work, entry } = await createJobWorld(database, [scan]);
    await work({ settleSeconds: 0.1 });
    const job = await jobs.enqueue(scan, {}, { timeoutSeconds: 0.2 });
    await expect(jobs.wait(job, { timeoutSeconds: 10 })).rejects.toThrow('The time limit of 0.2 s is exceeded.');
    expect(await entry(job.id)).toMatchObject({ status: 'time limit exceeded' });
    expect(await jobs.get(job)).toMatchObject({ state: 'failed', timeoutSeconds: 0.2 });
  });

  it('Fd4: over its time it is tried again as the same job, never beside itself, and its children wait', async () => {
    let now = 0;
    let most = 0;
    const scan = new ScriptedJob('Scan', async (args, context) => {
      most = Math.max(most, (now += 1));
      try {
        if (args.text === 'slow' && context.attempt === 1) await obeys(args, context);
        return context.attempt;
      } finally {
        now -= 1;
      }
    }, { retry: { timeLimit: true, baseSeconds: 0.01 } });
    const { jobs, work, outcomes } = await createJobWorld(database, [scan]);
    await work();
    const job = await jobs.enqueue(scan, { text: 'slow' }, { timeoutSeconds: 0.2 });
    const child = await jobs.enqueue(scan, {}, { parent: job });
    expect(await jobs.wait(job, { timeoutSeconds: 10 })).toBe(2);
    expect(await jobs.wait(child, { timeoutSeconds: 10 })).toBe(1);
    expect(await outcomes(job.id)).toEqual(['timed out', 'finished']);
    expect(most).toBe(1);
    expect(await jobs.list()).toHaveLength(2);
  });
});
