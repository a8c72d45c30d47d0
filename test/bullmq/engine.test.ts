import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { dispatch, giveBack } from '../../src/bullmq/dispatch.ts';
import { BullEngine } from '../../src/bullmq/engine.ts';
import { connectionOf, queueName, queuePrefix } from '../../src/bullmq/queues.ts';
import { ticketId, type Ticket } from '../../src/bullmq/ticket.ts';
import type { Database } from '../../src/db/database.ts';
import type { EngineOptions } from '../../src/engine/engine-options.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { createWorld } from '../engine/create-world.ts';
import { gate } from '../engine/scripted-runner.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { hasRedis, startRedis, type TestRedis } from '../redis.ts';

let database: Database;
let redis: TestRedis;
beforeAll(async () => {
  database = await createDatabase();
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

const bull = async (world: World, options: Partial<EngineOptions> = {}) => {
  const prefix = await queuePrefix(database.hot.run);
  return world.engine(options, (whole) => new BullEngine(whole, { redisUrl: redis.url, prefix }));
};
const queueOf = async (world: World, task: string) => {
  const queue = new Queue<Ticket>(queueName(world.task(task).id), { prefix: await queuePrefix(database.hot.run), connection: connectionOf(redis.url) });
  onTestFinished(() => queue.close());
  return queue;
};
const ticketsOf = (world: World, limit = 10, leaseSeconds = 60) => dispatch(database.hot.run, { ...world.task('Match'), version: 7 }, leaseSeconds, limit);
/** Wakes an engine when the database says so, as a daemon does. */
const listen = async (wake: (taskId: number) => unknown) => {
  const ear = await database.connect('test');
  onTestFinished(() => ear.end());
  ear.on('notification', ({ payload }) => void wake(Number(payload)));
  await ear.query('listen afterglow_ready');
};
/** What a daemon does every few seconds. */
const care = () => database.em().execute(`update task_register set due_at = null where due_at <= clock_timestamp()`);

describe.skipIf(!hasRedis)('an entry in a queue', () => {
  it('keeps its status and has cost no attempt', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'b');
    expect(await ticketsOf(world, 1)).toMatchObject([{ attempt: 1, subject: 'a' }]);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', attempt: 0, lease_owner: null });
    expect((await world.entry('a', 'Match')).due_seconds).toBeGreaterThan(55);
    expect((await ticketsOf(world)).map(({ subject }) => subject)).toEqual(['b']);
  });

  it('whose ticket is lost is dispatched again after a lease, as the same attempt', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const [lost] = await ticketsOf(world, 1, 0.2);
    const { engine } = await bull(world);
    await vi.waitFor(async () => {
      await care();
      await engine.wake();
      expect(await world.statuses('Match')).toEqual({ a: 'processed' });
    }, 10_000);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ attempt: lost!.attempt, outcome: 'finished' }]);
  });

  it('is dispatched again though Redis forgot everything, and after Redis was away', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const open = gate();
    world.runner('Match').on('first', open.script);
    await world.add('first', 'second');
    const { engine, lines } = await bull(world, { concurrency: 1, leaseSeconds: 0.5 });
    await engine.wake();
    await world.runner('Match').began('first');
    await redis.forget();
    await redis.kill();
    await world.add('third');
    await engine.wake();
    expect(lines.some(({ msg }) => msg.startsWith('could not dispatch'))).toBe(true);
    await redis.start();
    open.open();
    await vi.waitFor(async () => {
      await care();
      await engine.wake();
      expect(await world.statuses('Match')).toEqual({ first: 'processed', second: 'processed', third: 'processed' });
    }, 20_000);
    for (const subject of ['first', 'second', 'third']) expect(await world.attempts(subject, 'Match')).toHaveLength(1);
  });

  it('that somebody has locked when its ticket comes out is dispatched again once it is free, and its ticket is gone from Redis by then', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const open = gate();
    world.runner('Match').on('first', open.script);
    const [, second] = await world.add('first', 'second');
    const queue = await queueOf(world, 'Match');
    const { engine } = await bull(world, { concurrency: 1 });
    await engine.wake();
    await world.runner('Match').began('first');
    const ticket = { subjectId: second!, taskId: world.task('Match').id, attempt: 1 };
    await vi.waitFor(async () => expect(await queue.getJob(ticketId(ticket))).toBeDefined());
    // A person's transaction; that of another daemon whose dispatch comes just too late for the entry does the same for a moment.
    const person = await database.connect('test');
    onTestFinished(() => person.end());
    await person.query('begin');
    await person.query('select from task_register where subject_id = $1 for update', [second]);
    const left: Promise<unknown>[] = [];
    await listen((taskId) => {
      left.push(queue.getJob(ticketId(ticket)));
      return engine.wake(taskId);
    });
    open.open();
    await vi.waitFor(async () => expect(await queue.getJobCountByTypes('waiting', 'active')).toBe(0));
    expect(await giveBack(database.hot.run, [ticket])).toBe(1);
    expect((await world.entry('second', 'Match')).attempt).toBe(0);
    expect(left).toEqual([]);
    await person.query('commit');
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ first: 'processed', second: 'processed' }), 5000);
    expect((await Promise.all(left))[0]).toBeUndefined();
    expect(await world.attempts('second', 'Match')).toHaveLength(1);
  });

  it('behind a full queue is found by whoever takes a ticket out, though it was another that found the queue full', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: () => new Promise(() => {}) } } });
    await world.add(...Array.from({ length: 10 }, (_, n) => `sn${n}`));
    const { engine: busy } = await bull(world, { concurrency: 1 });
    await busy.wake();
    await vi.waitFor(() => expect(busy.running).toBe(1));
    const { engine: free } = await bull(world, { concurrency: 4, daemonId: 2 });
    await vi.waitFor(() => expect(free.running).toBe(4), 5000);
  });

  it('that came while Redis was away is dispatched when it is back, without another word', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const { engine, lines } = await bull(world);
    await engine.wake();
    await redis.kill();
    await world.add('a');
    await engine.wake();
    await redis.start();
    expect(lines.some(({ msg }) => msg.startsWith('could not dispatch; trying again in 1 s'))).toBe(true);
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }), 10_000);
  });

  it('is handed back by an engine that stops though Redis is away', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: (_subject, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))) } } });
    await world.add('a');
    const { engine } = await bull(world);
    await engine.wake();
    await world.runner('Match').began('a');
    await redis.kill();
    // The others share this Redis.
    onTestFinished(() => redis.start());
    await engine.stop(0);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'released' }]);
  });

  it('is run once, however many tickets of it there are', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const queue = await queueOf(world, 'Match');
    const [ticket] = await ticketsOf(world);
    const same = { subjectId: ticket!.subjectId, taskId: ticket!.taskId, attempt: ticket!.attempt };
    for (const jobId of [ticketId(same), ticketId(same), 'another', 'third']) await queue.add('a', same, { jobId, removeOnComplete: true });
    await bull(world);
    await vi.waitFor(async () => {
      expect(await world.statuses('Match')).toEqual({ a: 'processed' });
      expect(await queue.getJobCountByTypes('waiting', 'active')).toBe(0);
    }, 10_000);
    expect(world.runner('Match').runs).toHaveLength(1);
  });

  it.each([
    ['held', (subject: string) => database.em().execute(`insert into hold (subject_id, reason, placed_by) select id, 'wrong field', 'ada' from subject where name = ?`, [subject])],
    ['done by somebody else', async (subject: string, world: World) => world.put(subject, 'Match', 'processed')],
    ['run and reset meanwhile', async (subject: string, world: World) => {
      await world.put(subject, 'Match', 'processing');
      await resetEntries(database.em(), { subjects: [subject] }, 'person ada');
      await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '1 hour'`);
    }],
  ] as const)('that was %s before its ticket came out is left alone', async (_what, act) => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const queue = await queueOf(world, 'Match');
    const [ticket] = await ticketsOf(world);
    await act('a', world);
    await queue.add('a', { subjectId: ticket!.subjectId, taskId: ticket!.taskId, attempt: ticket!.attempt }, { removeOnComplete: true });
    await bull(world);
    await vi.waitFor(async () => expect(await queue.getJobCountByTypes('waiting', 'active')).toBe(0), 10_000);
    expect(world.runner('Match').runs).toEqual([]);
  });

  it.each([[{}], [null], ['text'], [{ subjectId: 'x', taskId: 'y', attempt: -1 }], [{ subjectId: '99999999999999999999', taskId: 1, attempt: 1 }]])('that cannot be read is dropped, and nothing loops: %j', async (data) => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const queue = await queueOf(world, 'Match');
    await queue.add('a', data as Ticket, { removeOnComplete: true, removeOnFail: true });
    const { engine } = await bull(world);
    await vi.waitFor(async () => expect(await queue.getJobCountByTypes('waiting', 'active', 'delayed', 'failed')).toBe(0), 10_000);
    await engine.wake();
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }), 10_000);
    expect(await world.attempts('a', 'Match')).toHaveLength(1);
  });

  it('of one database is told apart from those of another on the same Redis, a copy even', async () => {
    const other = await createDatabase();
    expect(await queuePrefix(other.hot.run)).not.toBe(await queuePrefix(database.hot.run));
    expect(await queuePrefix(database.hot.run)).toMatch(/^afterglow-[0-9a-f]{8}$/);
  });

  it('waits in the register while the queue has enough', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: () => new Promise(() => {}) } } });
    await world.add(...Array.from({ length: 30 }, (_, n) => `sn${n}`));
    const { engine } = await bull(world, { concurrency: 2 });
    await engine.wake();
    const queue = await queueOf(world, 'Match');
    await vi.waitFor(() => expect(engine.running).toBe(2), 10_000);
    expect(await queue.getJobCountByTypes('waiting', 'prioritized', 'delayed', 'active')).toBeLessThanOrEqual(6);
    const [{ left }] = await database.em().execute<[{ left: number }]>(`select count(*)::int as left from task_register where dispatched_at is null and status_id = 1`);
    expect(left).toBeGreaterThanOrEqual(24);
  });
});
