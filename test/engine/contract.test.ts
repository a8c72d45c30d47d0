import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { BullEngine } from '../../src/bullmq/engine.ts';
import { queuePrefix } from '../../src/bullmq/queues.ts';
import type { Database } from '../../src/db/database.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import type { Engine } from '../../src/engine/port.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { CancelledError, ServiceError } from '../../src/errors.ts';
import { createDatabase } from '../harness.ts';
import { hasRedis, startRedis, type TestRedis } from '../redis.ts';
import { gate, obeys, throws, writes } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';
import type { World } from './world.ts';

let database: Database;
let redis: TestRedis | undefined;
let prefix: string;
beforeAll(async () => {
  database = await createDatabase();
  prefix = await queuePrefix(database.hot.run);
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

const names = (count: number) => Array.from({ length: count }, (_, n) => `sn${n}`);
const final = async (world: World, status = 'processed') => {
  const rows = await database.em().execute<{ message: string }[]>(`select distinct s.message from task_register r join status s on s.id = r.status_id`);
  expect(rows.map(({ message }) => message)).toEqual([status]);
};

const engines: readonly (readonly [name: string, make: (options: EngineOptions) => Engine])[] = [
  ['local', (options) => new LocalEngine(options)],
  ['bullmq', (options) => new BullEngine(options, { redisUrl: redis!.url, prefix })],
];

// Without a redis-server there is nothing to try BullMQ on.
describe.each(engines.filter(([name]) => name === 'local' || hasRedis))('an engine: %s', (name, make) => {
  /** An engine that hears of work as a daemon does: by notifications, and by looking for what is due. */
  async function attended<Name extends string>(world: World<Name>, options: Partial<EngineOptions> = {}) {
    const tested = world.engine(options, make);
    const ear = await database.connect('test');
    ear.on('notification', ({ payload }) => void tested.engine.wake(Number(payload)));
    await ear.query('listen afterglow_ready');
    const care = setInterval(() => void database.em().execute(
      `with due as (update task_register set due_at = null where due_at <= clock_timestamp() returning task_id) select pg_notify('afterglow_ready', task_id::text) from (select distinct task_id from due) d`,
    ).catch(() => {}), 50);
    onTestFinished(async () => {
      clearInterval(care);
      await ear.end();
    });
    void tested.engine.wake();
    return tested;
  }

  it('takes every entry through its tasks once, prerequisites first, with two at work', async () => {
    const world = await createWorld(database, { tasks: { Top: {}, Left: { needs: { Top: 'processed' } }, Right: { needs: { Top: 'processed' } }, Bottom: { needs: { Left: 'processed', Right: 'processed' } } } });
    await world.add(...names(25));
    await attended(world, { daemonId: 1 });
    await attended(world, { daemonId: 2 });
    await vi.waitFor(() => final(world), 20_000);
    for (const runner of world.runners) expect(runner.order.toSorted()).toEqual(names(25).toSorted());
    const early = await database.em().execute<object[]>(
      `select from attempt a join task_requirement q on q.task_id = a.task_id join attempt p on p.subject_id = a.subject_id and p.task_id = q.prerequisite_id where p.ended_at > a.started_at`);
    expect(early).toEqual([]);
    expect((await database.em().execute<object[]>(`select from attempt where outcome = 'finished'`)).length).toBe(100);
  });

  it('keeps results and failures, and what runners write, with the status or not at all', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    world.runner('Match').on('good', writes('kept', () => ({ status: 'processed', result: { n: 1 } }))).on('bad', writes('lost', throws(new TypeError('x'))));
    await world.add('good', 'bad');
    await attended(world);
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ good: 'processed', bad: 'failed' }), 10_000);
    expect(await world.notes()).toEqual(['kept']);
    expect(await world.attempts('good', 'Match')).toMatchObject([{ outcome: 'finished', result: { n: 1 } }]);
  });

  it('runs an entry again whose service did not answer', async () => {
    const world = await createWorld(database, { tasks: { Fetch: { retry: { baseSeconds: 0.1 } } } });
    const down = throws(new ServiceError('tns', '503'));
    world.runner('Fetch').does((subject, context) => (context.attempt < 3 ? down(subject, context) : 'processed'));
    await world.add('a');
    await attended(world, { random: () => 0.9 });
    await vi.waitFor(() => final(world), 10_000);
    expect((await world.attempts('a', 'Fetch')).map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'finished']);
  });

  it('holds a concurrency over two at work', async () => {
    const world = await createWorld(database, { tasks: { Heavy: { concurrency: 2 } } });
    let now = 0;
    let most = 0;
    world.runner('Heavy').does(async () => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
      return 'processed';
    });
    await world.add(...names(12));
    await attended(world, { daemonId: 1 });
    await attended(world, { daemonId: 2 });
    await vi.waitFor(() => final(world), 20_000);
    expect(most).toBeLessThanOrEqual(2);
    expect(world.runner('Heavy').runs).toHaveLength(12);
  });

  it('writes nothing of an attempt whose entry was taken from it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const open = gate();
    world.runner('Match').does(writes('from the first', (subject, context) => (context.attempt === 1 ? open.script(subject, context) : 'processed')));
    await world.add('a');
    await attended(world);
    await world.runner('Match').began('a');
    await resetEntries(database.em(), { subjects: ['a'] }, 'person ada');
    await database.em().execute(`delete from note`).catch(() => {});
    await world.runner('Match').began('a', 2);
    open.open();
    await vi.waitFor(() => final(world), 10_000);
    await vi.waitFor(async () => expect((await world.attempts('a', 'Match')).map(({ outcome }) => outcome)).toEqual(['superseded', 'finished']), 10_000);
    expect(await world.notes()).toEqual(['from the first']);
  });

  it('hands back what it has when it stops, and another goes on with it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    world.runner('Match').does(obeys);
    await world.add(...names(6));
    const { engine } = await attended(world, { daemonId: 1 });
    await vi.waitFor(() => expect(engine.running).toBe(4), 10_000);
    await engine.stop(0);
    expect(new Set(Object.values(await world.statuses('Match')))).toEqual(new Set(['not processed']));
    expect(new Set((await database.em().execute<{ outcome: string }[]>(`select outcome from attempt`)).map(({ outcome }) => outcome))).toEqual(new Set(['released']));
    world.runner('Match').does(() => 'processed');
    await attended(world, { daemonId: 2 });
    await vi.waitFor(() => final(world), 20_000);
  });

  it('stops an attempt that a person cancels, and never records it as finished', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: obeys } } });
    await world.add('a');
    const { engine } = await attended(world);
    await world.runner('Match').began('a');
    await database.em().execute(`insert into hold (subject_id, reason, placed_by) select id, 'wrong field', 'ada' from subject`);
    for (const attempt of engine.leases.all) attempt.abort(new CancelledError('ada', 'wrong field'));
    await vi.waitFor(async () => expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'cancelled', status: 'not processed' }]), 10_000);
    expect(await world.entry('a', 'Match')).toMatchObject({ cause: 'cancel', held: true, attempt: 1 });
  });

  it(`is quiet when there is nothing in its hands (${name})`, async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const { engine } = await attended(world);
    await vi.waitFor(() => final(world), 10_000);
    await vi.waitFor(() => expect([engine.quiet, engine.running, engine.ended]).toEqual([true, 0, 1]), 10_000);
  });
});
