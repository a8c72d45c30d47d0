import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { PermanentError, ServiceError } from '../../src/errors.ts';
import { resetEntries, retryEntries } from '../../src/engine/reset.ts';
import { createDatabase } from '../harness.ts';
import { throws, writes } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const down = throws(new ServiceError('tns', 'TNS answers 503'));
/** Lets every entry that waits for a time be claimed now. */
const timePasses = () => database.em().execute(`update task_register set due_at = null`);

describe('an entry whose service did not answer', () => {
  it('waits, with when and why, is not claimed until then, and is done at last', async () => {
    const world = await createWorld(database, { tasks: { Fetch: { retry: { baseSeconds: 100 } }, After: { needs: { Fetch: 'processed' } } } });
    await world.add('a');
    world.runner('Fetch').does((subject, context) => (context.attempt < 3 ? down(subject, context) : 'processed'));
    const { work, lines } = world.engine({ random: () => 0.5 });
    await work();
    expect(await world.entry('a', 'Fetch')).toMatchObject({ status: 'not processed', cause: 'postpone', setbacks: 1, failure: 'machinery', reason: 'TNS answers 503', attempt: 1 });
    expect((await world.entry('a', 'Fetch')).due_seconds).toBeGreaterThan(45);
    expect((await world.entry('a', 'Fetch')).due_seconds).toBeLessThanOrEqual(50);
    expect(await world.attempts('a', 'Fetch')).toMatchObject([{ outcome: 'failed', failure: 'machinery', status: 'not processed', error: { code: 'SERVICE', service: 'tns' } }]);
    expect((await world.attempts('a', 'Fetch'))[0]!.retry_seconds).toBeGreaterThan(45);
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'attempt failed: TNS answers 503', failure: 'machinery' }));
    await work();
    expect(world.runner('Fetch').runs).toHaveLength(1);
    await timePasses();
    await work();
    expect((await world.entry('a', 'Fetch')).due_seconds).toBeGreaterThan(95);
    await timePasses();
    await work();
    expect(await world.entry('a', 'Fetch')).toMatchObject({ status: 'processed', setbacks: 0, failure: null, reason: null, due_seconds: null });
    expect(await world.transitions('a', 'Fetch')).toEqual([
      'claim: not processed > processing', 'postpone: processing > not processed', 'claim: not processed > processing', 'postpone: processing > not processed',
      'claim: not processed > processing', 'finish: processing > processed',
    ]);
    expect(await world.statuses('After')).toEqual({ a: 'processed' });
  });

  it('is given up when its attempts are used up: a failure, visible as one of the machinery', async () => {
    const world = await createWorld(database, { tasks: { Fetch: { failed: 'no host', does: down, retry: { attempts: 3 } } } });
    await world.add('a');
    await world.engine().work();
    expect(await world.entry('a', 'Fetch')).toMatchObject({ status: 'no host', cause: 'give up', failure: 'machinery', attempt: 3, setbacks: 0, reason: 'given up after 3 attempts: TNS answers 503' });
    expect((await world.attempts('a', 'Fetch')).map(({ failure, status }) => `${failure}: ${status}`)).toEqual(['machinery: not processed', 'machinery: not processed', 'machinery: no host']);
  });

  it('keeps nothing of what its runner wrote', async () => {
    const world = await createWorld(database, { tasks: { Fetch: { retry: { attempts: 1 }, does: writes('half', down) } } });
    await world.add('a');
    await world.engine().work();
    expect([await world.notes(), await world.statuses('Fetch')]).toEqual([[], { a: 'failed' }]);
  });

  it.each([
    ['retries', () => retryEntries(database.em(), {}, 'person ada')],
    ['resets', () => resetEntries(database.em(), { subjects: ['a'] }, 'person ada')],
  ])('is done now when a person %s it, with its count begun anew', async (_what, act) => {
    const world = await createWorld(database, { tasks: { Fetch: { does: (subject, context) => (context.attempt < 2 ? down(subject, context) : 'processed') } } });
    await world.add('a');
    const { work } = world.engine({ random: () => 0.9 });
    await work();
    expect(await world.entry('a', 'Fetch')).toMatchObject({ setbacks: 1 });
    const client = await database.connect('test');
    try {
      await client.query('listen afterglow_ready');
      const heard = new Promise((resolve) => client.once('notification', ({ payload }) => resolve(payload)));
      expect(await act()).toEqual([{ subject: 'a', task: 'Fetch', status: 'not processed' }]);
      expect(await heard).toBe(String(world.task('Fetch').id));
    } finally {
      await client.end();
    }
    expect(await world.entry('a', 'Fetch')).toMatchObject({ setbacks: 0, due_seconds: null, reason: null });
    await work();
    expect(await world.statuses('Fetch')).toEqual({ a: 'processed' });
  });
});

describe('a failure of the science', () => {
  it.each([
    ['thrown as permanent', throws(new PermanentError('no such galaxy')), { status: 'failed', failure: 'science', reason: 'no such galaxy' }],
    ['thrown without a word', throws(new TypeError('x is undefined')), { status: 'failed', failure: 'science', reason: 'x is undefined' }],
    ['returned', () => 'no host', { status: 'no host', failure: 'science', reason: null }],
  ])('%s is final at once', async (_how, does, found) => {
    const world = await createWorld(database, { tasks: { Match: { does } } });
    await world.add('a');
    await world.engine().work();
    expect(await world.entry('a', 'Match')).toMatchObject({ attempt: 1, ...found });
    expect(await world.attempts('a', 'Match')).toMatchObject([{ failure: 'science' }]);
  });
});

describe('the budget of retries', () => {
  it('lets so many go in an hour and has the rest wait for the next one, losing none', async () => {
    const world = await createWorld(database, { tasks: { Fetch: { does: down, retry: { attempts: 2, perHour: 6 } } } });
    const names = Array.from({ length: 10 }, (_, n) => `sn${n}`);
    await world.add(...names);
    await world.engine().work();
    const entries = await Promise.all(names.map((name) => world.entry(name, 'Fetch')));
    const waiting = entries.filter(({ status }) => status === 'not processed');
    expect([entries.length - waiting.length, waiting.length]).toEqual([6, 4]);
    const [{ left }] = await database.em().execute<[{ left: number }]>(`select extract(epoch from date_trunc('hour', clock_timestamp()) + interval '1 hour' - clock_timestamp())::float as left`);
    for (const entry of waiting) {
      expect(entry.reason).toBe('the 6 retries an hour of this task are used up; TNS answers 503');
      expect(entry.due_seconds).toBeGreaterThanOrEqual(Math.min(left, 3590) - 5);
    }
    await database.em().execute(`update task set retry_hour = retry_hour - interval '1 hour'`);
    await timePasses();
    await world.engine().work();
    expect(new Set(Object.values(await world.statuses('Fetch')))).toEqual(new Set(['failed']));
  });
});
