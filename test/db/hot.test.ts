import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { clientOptions } from '../../src/db/address.ts';
import { isConnectionError } from '../../src/db/connection-error.ts';
import type { Database } from '../../src/db/database.ts';
import { openHot, statement } from '../../src/db/hot.ts';
import { wireTo } from '../engine/wire.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const ONE = statement('select 1 as one');
const SLEEP = statement('select pg_sleep($1::float)');

async function given(statementSeconds = 0.3, answerSeconds = 0.6) {
  const wire = await wireTo(database.address);
  const hot = openHot(clientOptions(wire.address), { statementSeconds, answerSeconds, connectSeconds: 0.6 });
  onTestFinished(() => hot.close());
  return { wire, hot };
}

/** Seconds until it has failed, and as what. */
async function failure(act: () => Promise<unknown>): Promise<{ seconds: number; isAway: boolean }> {
  const began = performance.now();
  const error: unknown = await act().then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return { seconds: (performance.now() - began) / 1000, isAway: isConnectionError(error) };
}

describe('a statement of the engine', () => {
  it('that takes too long is ended by the server, as if the database were away, and its connection goes on', async () => {
    const { hot } = await given();
    expect(await failure(() => hot.run(SLEEP, [20]))).toMatchObject({ isAway: true });
    expect(await failure(() => hot.transaction((run) => run(SLEEP, [20])))).toMatchObject({ isAway: true });
    expect(await hot.run(ONE, [])).toEqual([{ one: 1 }]);
  });

  it('that gets no answer is given up, and the next one goes through a connection of its own', async () => {
    const { hot, wire } = await given(60);
    await hot.run(ONE, []);
    wire.silence();
    const { seconds, isAway } = await failure(() => hot.run(ONE, []));
    expect([isAway, seconds < 5]).toEqual([true, true]);
    expect(await hot.run(ONE, [])).toEqual([{ one: 1 }]);
  });

  it('that is wrong fails as what it is, and its transaction leaves nothing', async () => {
    const { hot } = await given();
    await database.em().execute('create table if not exists kept (n int)');
    const wrong = () => hot.transaction(async (run) => {
      await run(statement('insert into kept values (1)'), []);
      await run(statement('select 1 / 0'), []);
    });
    expect(await failure(wrong)).toMatchObject({ isAway: false });
    expect(await hot.run(statement('select n from kept'), [])).toEqual([]);
  });
});

describe('a transaction of the engine', () => {
  it('whose connection goes silent is given up once, not a second time for its rollback', async () => {
    const { hot, wire } = await given(60, 1.5);
    const { seconds, isAway } = await failure(() => hot.transaction(async (run) => {
      await run(ONE, []);
      wire.silence();
      return run(ONE, []);
    }));
    expect(isAway).toBe(true);
    expect(seconds).toBeGreaterThan(1.49);
    expect(seconds).toBeLessThan(2.9);
    expect(await hot.run(ONE, [])).toEqual([{ one: 1 }]);
  });
});

describe('the pool', () => {
  it('can be closed while a statement has no answer', async () => {
    const wire = await wireTo(database.address);
    const hot = openHot(clientOptions(wire.address), { statementSeconds: 60, answerSeconds: 60, connectSeconds: 1 });
    await hot.run(ONE, []);
    wire.silence();
    const unanswered = failure(() => hot.run(ONE, []));
    // On its way.
    await new Promise((resolve) => setImmediate(resolve));
    await hot.close();
    expect(await unanswered).toMatchObject({ isAway: true });
  });
});

describe('what PostgreSQL says', () => {
  it.each([['53100', true], ['53200', true], ['58030', true], ['25006', true], ['57P05', true], ['25P03', true], ['08006', true], ['23505', false], ['22P05', false], ['EPERM', false], ['AG001', false]])(
    '%s: away %s', (code, isAway) => {
      expect(isConnectionError(Object.assign(new Error('x'), { code }))).toBe(isAway);
      expect(isConnectionError(new Error('y', { cause: Object.assign(new Error('x'), { code }) }))).toBe(isAway);
    });
});
