import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { CANCEL_CHANNEL, cancelEntry, cancelled, hearCancel } from '../../src/engine/cancel.ts';
import { liftHolds, placeHolds } from '../../src/engine/hold.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { RefusedError, UnknownNameError } from '../../src/errors.ts';
import { startDaemon } from '../daemon/start-daemon.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';
import { gate, hangs, obeys, writes, type Script } from './scripted-runner.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const order = { subject: 'a', task: 'Match', reason: 'wrong image', by: 'dora' };
/** One entry, whose runner has begun. */
async function running(script: Script) {
  const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
  await world.add('a');
  world.runner('Match').does(script);
  const made = world.engine({ settleSeconds: 0.2 });
  await made.engine.wake();
  await world.runner('Match').began('a');
  return { world, ...made };
}

describe('to cancel an entry that runs', () => {
  it('tells its daemon over the database, which aborts the runner with who and why; the entry goes back and is held', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const reasons: unknown[] = [];
    world.runner('Match').does((subject, context) => {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      return obeys(subject, context);
    });
    const { daemon, lines } = await startDaemon(world, { careSeconds: 60 });
    await world.runner('Match').began('a');
    const entry = await cancelEntry(database, order);
    expect(entry).toMatchObject({ status: 'processing', attempt: 1, daemon: daemon.actor });
    expect(await cancelled(database.hot.run, { ...entry, attempt: 1 }, 10)).toEqual({ outcome: 'cancelled', status: 'not processed' });
    expect(reasons).toMatchObject([{ name: 'CancelledError', by: 'dora', reason: 'wrong image' }]);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', held: true, cause: 'cancel', failure: null, setbacks: 0, reason: 'Cancelled by dora: wrong image', cancel_reason: null, due_seconds: null });
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'cancelled', failure: null, error: { name: 'CancelledError', code: 'CANCELLED' } }]);
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'cancel: processing > not processed']);
    world.runner('Match').does(() => 'processed');
    await liftHolds(database, { subjects: ['a'], task: 'Match' });
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }), 10_000);
    expect(lines.filter(({ level }) => level >= 50)).toEqual([]);
  });

  it('tells its daemon with the next renewal of the leases, where the notification was lost', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    world.runner('Match').does(obeys);
    await startDaemon(world, { careSeconds: 60, config: { leaseSeconds: 1.5 } });
    await world.runner('Match').began('a');
    // As the command does it, but without a word to anybody.
    await database.em().execute(`update task_register set cancel_reason = 'wrong image', cancelled_by = 'dora'`);
    await placeHolds(database, { subjects: ['a'], task: 'Match', reason: 'wrong image', by: 'dora' });
    await vi.waitFor(async () => expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'cancelled', error: { by: 'dora', reason: 'wrong image' } }]), 15_000);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', held: true });
  });

  it('ends a runner that does not listen after its time to settle, and keeps nothing that it wrote', async () => {
    const { world, engine, quiet } = await running(writes('late', hangs));
    const { subjectId, taskId } = await cancelEntry(database, order);
    await hearCancel(database.hot.run, engine.leases, `${subjectId}/${taskId}/1`);
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'cancelled' }]);
    expect(await world.notes()).toEqual([]);
  });

  it('keeps no result of a runner that finishes after it was told to stop', async () => {
    const { script, open } = gate(writes('late'));
    const { world, engine, quiet } = await running(script);
    const { subjectId, taskId } = await cancelEntry(database, order);
    await hearCancel(database.hot.run, engine.leases, `${subjectId}/${taskId}/1`);
    open();
    await quiet();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', held: true, cause: 'cancel' });
    expect(await world.notes()).toEqual([]);
  });

  it('changes nothing of a result that was written first, and says that it finished', async () => {
    const { script, open } = gate(writes('in time'));
    const { world, engine, quiet } = await running(script);
    const { subjectId, taskId } = await cancelEntry(database, order);
    // Its daemon has not heard yet.
    open();
    await quiet();
    await hearCancel(database.hot.run, engine.leases, `${subjectId}/${taskId}/1`);
    expect(await cancelled(database.hot.run, { subjectId, taskId, attempt: 1 }, 10)).toEqual({ outcome: 'finished', status: 'processed' });
    expect(await world.notes()).toEqual(['in time']);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'processed', held: true, cancel_reason: null });
  });

  it('is waited for only as long as was said', async () => {
    const { engine } = await running(hangs);
    const { subjectId, taskId } = await cancelEntry(database, order);
    expect(await cancelled(database.hot.run, { subjectId, taskId, attempt: 1 }, 0.1)).toBeUndefined();
    expect(engine.leases.size).toBe(1);
  });

  it('whose daemon is dead: it is rescued, and stays held', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    await world.put('a', 'Match', 'processing', { owner: 99 });
    const entry = await cancelEntry(database, order);
    expect(entry).toMatchObject({ attempt: 1, daemon: undefined, leaseSeconds: expect.closeTo(3600, -1) });
    await rescue(database.hot, 'daemon 2', [99], 30);
    expect(await cancelled(database.hot.run, { ...entry, attempt: 1 }, 10)).toEqual({ outcome: 'rescued', status: 'not processed' });
    await world.engine().work();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', held: true, cancel_reason: null, attempt: 1 });
  });

  it('is heard of with the next attempt no more', async () => {
    const { world, engine, quiet } = await running(obeys);
    const { subjectId, taskId } = await cancelEntry(database, order);
    await hearCancel(database.hot.run, engine.leases, `${subjectId}/${taskId}/1`);
    await quiet();
    await liftHolds(database, { subjects: ['a'], task: 'Match' });
    const second = gate();
    world.runner('Match').does(second.script);
    await engine.wake();
    await world.runner('Match').began('a', 2);
    for (const attempt of [1, 2]) await hearCancel(database.hot.run, engine.leases, `${subjectId}/${taskId}/${attempt}`);
    second.open();
    await quiet();
    expect((await world.entry('a', 'Match')).status).toBe('processed');
  });
});

describe('to cancel an entry that does not run', () => {
  it('holds it, until a person lifts that, whatever hold was there', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    await placeHolds(database, { subjects: ['a'], task: 'Match', reason: 'for a while', by: 'emil', until: 60 });
    expect(await cancelEntry(database, order)).toMatchObject({ status: 'not processed', attempt: undefined, daemon: undefined });
    expect(await database.em().execute(`select reason, placed_by, until from hold`)).toEqual([{ reason: 'wrong image', placed_by: 'dora', until: null }]);
    await world.engine().work();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', held: true, attempt: 0 });
  });

  it('or is being claimed: the claim is waited for, and what it began is told to stop', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const other = await database.connect('test');
    const told: string[] = [];
    try {
      other.on('notification', ({ payload }) => told.push(payload!));
      await other.query(`listen ${CANCEL_CHANNEL}; begin`);
      await other.query(`update task_register set status_id = 2, cause = 'claim', attempt = attempt + 1, lease_owner = 9, lease_until = now() + interval '1 hour'`);
      const cancelling = cancelEntry(database, order);
      await vi.waitFor(async () => expect((await other.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).rowCount).toBe(1), 10_000);
      await other.query('commit');
      const { subjectId, taskId, attempt } = await cancelling;
      expect(attempt).toBe(1);
      await other.query('select 1');
      expect(told).toEqual([`${subjectId}/${taskId}/1`]);
    } finally {
      await other.end();
    }
  });

  it('is refused for names that are not there, and changes nothing', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Shape: { kind: 'galaxy' } } });
    await world.add('a');
    await expect(cancelEntry(database, { ...order, subject: 'aa' })).rejects.toThrow(UnknownNameError);
    await expect(cancelEntry(database, { ...order, task: 'Mach' })).rejects.toThrow(UnknownNameError);
    await expect(cancelEntry(database, { ...order, task: 'Shape' })).rejects.toThrow(RefusedError);
    expect(await database.em().execute(`select * from hold`)).toEqual([]);
  });
});
