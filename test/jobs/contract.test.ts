import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BullEngine } from '../../src/bullmq/engine.ts';
import { queuePrefix } from '../../src/bullmq/queues.ts';
import { auditRegister } from '../../src/db/audit.ts';
import type { Database } from '../../src/db/database.ts';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import type { Engine } from '../../src/engine/port.ts';
import { JobCancelledError, JobFailedError, JobSkippedError, PermanentError, ServiceError } from '../../src/errors.ts';
import { skip } from '../../src/runner/job.ts';
import { step } from '../../src/runner/jobs.ts';
import { createDatabase } from '../harness.ts';
import { hasRedis, startRedis, type TestRedis } from '../redis.ts';
import { createJobWorld } from './job-world.ts';
import { obeys, ScriptedJob } from './scripted-job.ts';

let database: Database;
let redis: TestRedis | undefined;
let prefix: string;
beforeAll(async () => {
  database = await createDatabase();
  prefix = await queuePrefix(database.hot.run);
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

const engines: readonly (readonly [name: string, make: (options: EngineOptions) => Engine])[] = [
  ['local', (options) => new LocalEngine(options)],
  ['bullmq', (options) => new BullEngine(options, { redisUrl: redis!.url, prefix })],
];
const TIME = { timeoutSeconds: 20 };

// Without a redis-server there is nothing to try BullMQ on.
describe.each(engines.filter(([name]) => name === 'local' || hasRedis))('jobs on an engine: %s', (_name, make) => {
  /** A world with two engines at work, and types that the tests of this suite use. */
  async function attended() {
    const add = new ScriptedJob('Add', async ({ n }, context) => n ?? (await context.parentResults()).reduce<number>((sum, one) => sum + Number(one), 0));
    const act = new ScriptedJob('Act', () => 'done', { retry: { attempts: 3, baseSeconds: 0.05 } });
    const world = await createJobWorld(database, [add, act]);
    await world.work({ daemonId: 1, settleSeconds: 0.2 }, make);
    await world.work({ daemonId: 2, settleSeconds: 0.2 }, make);
    return { ...world, add, act };
  }
  const sound = async () => expect((await auditRegister(database.em(), () => new Promise((resolve) => setTimeout(resolve, 200)))).findings).toEqual([]);

  it('run once each, those of a chain in order, the last of a chord with all results', async () => {
    const { jobs, add } = await attended();
    const { last } = await jobs.chord(Array.from({ length: 25 }, (_, n) => step(add, { n })), step(add, {}));
    const chain = await jobs.chain([step(add, { n: 7 }), step(add, {}), step(add, {})]);
    expect(await jobs.wait(last, TIME)).toBe(300);
    expect(await jobs.wait(chain[2]!, TIME)).toBe(7);
    expect(add.runs).toHaveLength(29);
    await sound();
  });

  it('end as they should: completed after retries, failed, skipped, over their time', async () => {
    const { jobs, act } = await attended();
    act.does(({ text }, context) => {
      if (text === 'retried' && context.attempt < 3) throw new ServiceError('store', 'no answer');
      if (text === 'fails') throw new PermanentError('no such field');
      return text === 'skips' ? skip('nothing new') : text === 'slow' ? obeys({}, context) : context.attempt;
    });
    const [retried, fails, skips, slow] = await jobs.group(['retried', 'fails', 'skips', 'slow'].map((text) => step(act, { text }, text === 'slow' ? { timeoutSeconds: 0.3 } : {})));
    expect(await jobs.wait(retried!, TIME)).toBe(3);
    await expect(jobs.wait(fails!, TIME)).rejects.toBeInstanceOf(JobFailedError);
    await expect(jobs.wait(skips!, TIME)).rejects.toBeInstanceOf(JobSkippedError);
    await expect(jobs.wait(slow!, TIME)).rejects.toThrow('The time limit of 0.3 s is exceeded');
    await sound();
  });

  it('are cancelled before they begin, while they run, and with their parents; and can be requeued', async () => {
    const { jobs, act } = await attended();
    act.does(({ text }, context) => (context.attempt === 1 && text === 'runs' ? obeys({}, context) : text));
    const later = await jobs.enqueue(act, { text: 'later' }, { delaySeconds: 3600 });
    const runs = await jobs.enqueue(act, { text: 'runs' });
    const child = await jobs.enqueue(act, { text: 'child' }, { parent: runs });
    await act.begins(runs);
    expect([await jobs.cancel(later, 'enough'), await jobs.cancel(runs, 'enough')]).toEqual(['cancelled', 'stopping']);
    for (const job of [later, runs, child]) await expect(jobs.wait(job, TIME)).rejects.toBeInstanceOf(JobCancelledError);
    expect(await jobs.requeue(runs, { withChildren: true })).toEqual([runs.id, child.id]);
    expect(await jobs.wait(child, TIME)).toBe('child');
    expect(await jobs.result(runs)).toBe('runs');
    await sound();
  });

  it('keep what they enqueue and write with their results, or not at all', async () => {
    const { jobs, act, add } = await attended();
    act.does(async ({ n }, context) => {
      await context.jobs.enqueue(add, { n: 1 }, { parent: context.job });
      if (n === 1) throw new PermanentError('no');
    });
    await expect(jobs.wait(await jobs.enqueue(act, { n: 1 }), TIME)).rejects.toBeInstanceOf(JobFailedError);
    const good = await jobs.enqueue(act, { n: 2 });
    await jobs.wait(good, TIME);
    const [child, ...others] = await jobs.list({ names: ['Add'] });
    expect(others).toEqual([]);
    expect((await jobs.get(good)).children).toEqual([child!.id]);
    expect(await jobs.wait(child!.id, TIME)).toBe(1);
    await sound();
  });
});
