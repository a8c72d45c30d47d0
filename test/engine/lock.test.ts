import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { within } from '../../src/db/run-within.ts';
import { takeLock } from '../../src/engine/lock.ts';
import { DatabaseUnavailableError, LockLostError, LockTakenError } from '../../src/errors.ts';
import { detachedContext } from '../../src/runner/context.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';
import { gate, writes } from './scripted-runner.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(() => database.em().execute(`delete from named_lock`));

const never = new AbortController().signal;
const take = (owner: string, options: { seconds?: number; waitSeconds?: number; signal?: AbortSignal; name?: string } = {}) =>
  takeLock(database.hot.run, options.name ?? 'ned', { seconds: 60, ...options }, { owner, signal: options.signal ?? never });
const rows = () => database.em().execute<{ name: string; owner: string; left: number }[]>(`select name, owner, extract(epoch from expires_at - clock_timestamp())::float as left from named_lock order by name`);
const runOut = () => database.em().execute(`update named_lock set expires_at = clock_timestamp() - interval '1 second'`);

describe('a named lock', () => {
  it('is had by one at a time, and by the next as soon as it is given back', async () => {
    const lock = await take('dora');
    expect(await rows()).toEqual([{ name: 'ned', owner: 'dora', left: expect.closeTo(60, 0) }]);
    expect(lock.expiresAt.getTime() - Date.now()).toBeGreaterThan(50_000);
    await expect(take('emil')).rejects.toMatchObject({ code: 'LOCK_TAKEN', lock: 'ned', owner: 'dora', expiresAt: lock.expiresAt });
    await take('emil', { name: 'another' });
    await lock.release();
    expect((await take('emil')).token).not.toBe(lock.token);
  });

  it('goes to exactly one of twenty who ask at once', async () => {
    const asked = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => take(`taker ${n}`)));
    const had = asked.flatMap((one, n) => (one.status === 'fulfilled' ? [`taker ${n}`] : []));
    expect(had).toHaveLength(1);
    const refused = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason as LockTakenError] : []));
    expect(new Set(refused.map(({ name, owner }) => `${name} ${owner}`))).toEqual(new Set([`LockTakenError ${had[0]}`]));
  });

  it('keeps a counter right that twenty change by reading and writing it', async () => {
    await database.em().execute(`create table if not exists counter (n integer not null); delete from counter; insert into counter values (0)`);
    await Promise.all(Array.from({ length: 20 }, async (_, n) => {
      await using lock = await take(`taker ${n}`, { waitSeconds: 20 });
      expect(lock.name).toBe('ned');
      const [row] = await database.em().execute<{ n: number }[]>(`select n from counter`);
      await database.em().execute(`update counter set n = ?`, [row!.n + 1]);
    }));
    expect(await database.em().execute(`select n from counter`)).toEqual([{ n: 20 }]);
    expect(await rows()).toEqual([]);
  }, 30_000);

  it('is waited for as long as was asked, and not longer', async () => {
    const lock = await take('dora');
    const started = performance.now();
    await expect(take('emil', { waitSeconds: 0.3 })).rejects.toThrow(LockTakenError);
    expect(performance.now() - started).toBeGreaterThan(290);
    const waiting = take('emil', { waitSeconds: 10 });
    await lock.release();
    expect(await waiting).toMatchObject({ name: 'ned' });
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('is not waited for any more when the signal fires, whose reason comes out', async () => {
    await take('dora');
    const abort = new AbortController();
    const waiting = take('emil', { waitSeconds: 60, signal: abort.signal });
    const reason = new Error('enough');
    setImmediate(() => abort.abort(reason));
    await expect(waiting).rejects.toBe(reason);
    await expect(take('emil', { signal: abort.signal })).rejects.toBe(reason);
  });

  it('of an owner that died is free when its time is over, and not before', async () => {
    await take('dora', { seconds: 0.4 });
    await expect(take('emil')).rejects.toThrow(LockTakenError);
    await take('emil', { waitSeconds: 5 });
    expect(await rows()).toMatchObject([{ owner: 'emil' }]);
  });

  it('is kept by renewing it, even when it had run out, if nobody else came', async () => {
    const lock = await take('dora', { seconds: 30 });
    await runOut();
    await lock.renew();
    expect(await rows()).toEqual([{ name: 'ned', owner: 'dora', left: expect.closeTo(30, 0) }]);
    await lock.renew(90);
    expect((await rows())[0]!.left).toBeGreaterThan(80);
    expect(lock.expiresAt.getTime() - Date.now()).toBeGreaterThan(80_000);
    await expect(take('emil')).rejects.toThrow(LockTakenError);
  });

  it('that ran out and went to somebody else is lost, which is another error than taken, and is not taken from its new owner', async () => {
    const lock = await take('dora');
    await runOut();
    const next = await take('emil');
    const lost = { code: 'LOCK_LOST', name: 'LockLostError', lock: 'ned', owner: 'emil' };
    await expect(lock.renew()).rejects.toMatchObject(lost);
    await expect(lock.release()).rejects.toMatchObject(lost);
    expect(await rows()).toMatchObject([{ owner: 'emil', left: expect.closeTo(60, 0) }]);
    await next.release();
    await expect(lock.renew()).rejects.toMatchObject({ ...lost, owner: undefined, message: expect.stringContaining('somebody else had it since') });
  });

  it('that was lost makes the block fail that it was taken for', async () => {
    const block = async () => {
      await using lock = await take('dora');
      await runOut();
      await take('emil');
      return lock.name;
    };
    await expect(block()).rejects.toThrow(LockLostError);
  });

  it('is given back once; a second time does nothing, whoever has it then', async () => {
    const lock = await take('dora');
    await lock.release();
    await take('emil');
    await lock.release();
    await lock[Symbol.asyncDispose]();
    expect(await rows()).toMatchObject([{ owner: 'emil' }]);
  });

  it('cannot be given back while the database is away: that is an error, but none of a block that was protected to its end', async () => {
    const away: typeof database.hot.run = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
    let run = database.hot.run;
    const lock = await takeLock((...asked) => run(...asked), 'ned', { seconds: 60 }, { owner: 'dora', signal: never });
    run = away;
    await expect(lock.release()).rejects.toThrow(DatabaseUnavailableError);
    await lock[Symbol.asyncDispose]();
    await expect(takeLock(away, 'ned', { seconds: 60 }, { owner: 'emil', signal: never })).rejects.toThrow(DatabaseUnavailableError);
  });

  it('can be taken through an EntityManager too, as isolated attempts do', async () => {
    const run = within(database.em());
    const lock = await takeLock(run, 'ned', { seconds: 60 }, { owner: 'dora', signal: never });
    await expect(takeLock(within(database.em()), 'ned', { seconds: 60 }, { owner: 'emil', signal: never })).rejects.toMatchObject({ owner: 'dora', expiresAt: lock.expiresAt });
    await lock.renew(90);
    expect((await rows())[0]!.left).toBeGreaterThan(80);
    await lock.release();
    expect(await rows()).toEqual([]);
  });

  it('must have a name and a time that can be', async () => {
    for (const name of ['', 'n'.repeat(201)]) await expect(take('dora', { name })).rejects.toThrow(RangeError);
    for (const seconds of [0, -1, NaN, Infinity, '60' as unknown as number]) await expect(take('dora', { seconds })).rejects.toThrow(RangeError);
    await expect(take('dora', { waitSeconds: -1 })).rejects.toThrow(RangeError);
    expect(await rows()).toEqual([]);
  });
});

describe('a runner', () => {
  it('takes a lock that all see at once, though what it writes is seen only with its status', async () => {
    const { script, open } = gate(() => 'processed');
    const world = await createWorld(database, { tasks: { Match: { does: async (subject, context) => {
      await using lock = await context.lock('ned', { seconds: 60 });
      expect(lock.token).toMatch(/^[0-9a-f-]{36}$/);
      await writes('under the lock')(subject, context);
      // Without this await, the block is left at once.
      return await script(subject, context);
    } } } });
    await world.add('a');
    const { engine, quiet } = world.engine();
    await engine.wake();
    await vi.waitFor(async () => expect(await rows()).toMatchObject([{ name: 'ned', owner: '"Match" of a, attempt 1' }]), 10_000);
    expect(await world.notes()).toEqual([]);
    open();
    await quiet();
    expect([await world.notes(), await rows(), (await world.entry('a', 'Match')).status]).toEqual([['under the lock'], [], 'processed']);
  });

  it('that does not get its lock is run again later: the machinery failed, not the science', async () => {
    const lock = await take('dora');
    const world = await createWorld(database, { tasks: { Match: { does: async (_subject, context) => {
      await using held = await context.lock('ned', { seconds: 60 });
      return held === undefined ? 'failed' : 'processed';
    } } } });
    await world.add('a');
    await world.engine({ random: () => 0.5 }).work();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', failure: 'machinery', setbacks: 1, reason: expect.stringContaining('The lock "ned" is held by dora'), due_seconds: expect.closeTo(5, 0) });
    await lock.release();
    await database.em().execute(`update task_register set due_at = null`);
    await world.engine({ daemonId: 2 }).work();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'processed', setbacks: 0 });
  });

  it('that lost its lock while it computed leaves no result', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: async (subject, context) => {
      await using lock = await context.lock('ned', { seconds: 60 });
      await runOut();
      await take('emil');
      return await writes(`under ${lock.name}`)(subject, context);
    } } } });
    await world.add('a');
    await world.engine({ random: () => 0.5 }).work();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', failure: 'machinery', error: { name: 'LockLostError', lock: 'ned', owner: 'emil' } }]);
    expect(await world.notes()).toEqual([]);
  });

  it('without a daemon gets a lock that keeps nobody out', async () => {
    const context = detachedContext();
    await using one = await context.lock('ned', { seconds: 60 });
    await using two = await context.lock('ned', { seconds: 60 });
    expect(one.token).not.toBe(two.token);
    await one.renew(600);
    expect(one.expiresAt.getTime()).toBeGreaterThan(two.expiresAt.getTime());
    await one.release();
  });
});
