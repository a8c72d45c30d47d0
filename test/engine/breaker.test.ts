import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { noteAnswer, noteFailure } from '../../src/engine/breaker.ts';
import { ServiceError } from '../../src/errors.ts';
import { createDatabase } from '../harness.ts';
import { throws } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const down = throws(new ServiceError('tns', 'TNS answers 503'));
const breaker = async () => {
  const [row] = await database.em().execute<{ state: string; failures: number; cooling_seconds: number | null; open_seconds: number | null }[]>(
    `select *, extract(epoch from open_until - clock_timestamp())::float as open_seconds from resource`);
  return row!;
};
const cooled = () => database.em().execute(`update resource set open_until = clock_timestamp() - interval '1 ms'`);
const timePasses = () => database.em().execute(`update task_register set due_at = null where due_at is not null`);

async function given() {
  const world = await createWorld(database, { resources: [{ name: 'tns', failures: 3, coolSeconds: 100 }], tasks: { Fetch: { uses: { tns: 1 }, does: down }, Free: {} } });
  await world.add(...Array.from({ length: 40 }, (_, n) => `sn${n}`));
  return { world, ...world.engine({ random: () => 0.9 }) };
}

describe('a service that is down', () => {
  it('is left alone after a few failures: the objects wait for it and fail of nothing', async () => {
    const { world, work } = await given();
    await work();
    const { runs } = world.runner('Fetch');
    // What was claimed before the third failure was known may still try.
    expect(runs.length).toBeGreaterThanOrEqual(3);
    expect(runs.length).toBeLessThanOrEqual(3 + 4 * 5);
    expect(await breaker()).toMatchObject({ state: 'open', cooling_seconds: 100 });
    expect((await breaker()).open_seconds).toBeGreaterThan(95);
    expect(new Set(Object.values(await world.statuses('Fetch')))).toEqual(new Set(['not processed']));
    expect(new Set(Object.values(await world.statuses('Free')))).toEqual(new Set(['processed']));
    const waiting = await database.em().execute<{ reason: string; setbacks: number; seconds: number }[]>(
      `select reason, setbacks, extract(epoch from due_at - clock_timestamp())::float as seconds from task_register where reason like 'waits for%'`);
    expect(waiting.length).toBeGreaterThan(0);
    // To wait for a service uses up no attempt of one's own.
    for (const entry of waiting) expect(entry).toMatchObject({ setbacks: 0, reason: 'waits for "tns": TNS answers 503' });
    for (const { seconds } of waiting) expect(seconds).toBeGreaterThan(90);
  });

  it('is asked by one at a time once it has cooled, and left alone for twice as long when it is still down', async () => {
    const { world, work } = await given();
    await work();
    const before = world.runner('Fetch').runs.length;
    await cooled();
    await timePasses();
    await work();
    expect(world.runner('Fetch').runs.length).toBe(before + 1);
    expect(await breaker()).toMatchObject({ state: 'open', cooling_seconds: 200 });
    await cooled();
    await work();
    expect(world.runner('Fetch').runs.length).toBe(before + 2);
    expect(await breaker()).toMatchObject({ cooling_seconds: 400 });
  });

  it('drains when it is back: all that waited for it is done without a wait of its own', async () => {
    const { world, work } = await given();
    await work();
    world.runner('Fetch').does(() => 'processed');
    await cooled();
    await work();
    expect(await breaker()).toMatchObject({ state: 'closed', failures: 0, open_seconds: null });
    expect(new Set(Object.values(await world.statuses('Fetch')))).toEqual(new Set(['processed']));
  });

  it('costs no entry its last attempt', async () => {
    const world = await createWorld(database, { resources: [{ name: 'tns', failures: 1, coolSeconds: 100 }], tasks: { Fetch: { uses: { tns: 1 }, does: down, retry: { attempts: 1 } } } });
    await world.add('a', 'b', 'c');
    await world.engine({ concurrency: 1 }).work();
    expect(new Set(Object.values(await world.statuses('Fetch')))).toEqual(new Set(['not processed']));
    expect(await breaker()).toMatchObject({ state: 'open' });
    world.runner('Fetch').does(() => 'processed');
    await cooled();
    await timePasses();
    await world.engine().work();
    expect(new Set(Object.values(await world.statuses('Fetch')))).toEqual(new Set(['processed']));
  });

  it('is one that fails in a row, with no answer between', async () => {
    const { world } = await given();
    const { id: taskId } = world.task('Fetch');
    const fails = () => noteFailure(database.hot.run, { subjectId: '1', taskId, attempt: 1, service: 'tns', message: 'TNS answers 503' });
    expect([await fails(), await fails()]).toEqual([{ resource: 'tns' }, { resource: 'tns' }]);
    await noteAnswer(database.hot.run, taskId);
    expect([await fails(), await fails()]).toEqual([{ resource: 'tns' }, { resource: 'tns' }]);
    expect(await breaker()).toMatchObject({ state: 'closed', failures: 2 });
    expect((await fails())!.openSeconds).toBeGreaterThan(95);
    // Those that began before it was left alone make that no longer.
    await Promise.all([fails(), fails(), fails()]);
    expect(await breaker()).toMatchObject({ state: 'open', cooling_seconds: 100 });
  });

  it('that no resource has the name of is an error like any other service', async () => {
    await given();
    expect(await noteFailure(database.hot.run, { subjectId: '1', taskId: 1, attempt: 1, service: 'ned', message: 'down' })).toBeUndefined();
  });
});
