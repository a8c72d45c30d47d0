import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';
import { hangs, obeys, type Script } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const given = async (script: Script, limit: number | undefined = 0.05) => {
  const world = await createWorld(database, { tasks: { Match: { limit } } });
  await world.add('slow', 'quick');
  world.runner('Match').on('slow', script);
  return world;
};

describe('an attempt over its time limit', () => {
  it('is told to stop, and one that obeys has "time limit exceeded"', async () => {
    const reasons: unknown[] = [];
    const world = await given((subject, context) => {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      return obeys(subject, context);
    });
    const { work, lines } = world.engine();
    await work();
    expect(reasons).toMatchObject([{ name: 'TimeLimitError', limitSeconds: 0.05, message: 'The time limit of 0.05 s is exceeded.' }]);
    expect(await world.entry('slow', 'Match')).toMatchObject({ status: 'time limit exceeded', cause: 'time out', lease_owner: null });
    const [attempt] = await world.attempts('slow', 'Match');
    expect(attempt).toMatchObject({ outcome: 'timed out', status: 'time limit exceeded', error: { code: 'TIME_LIMIT', limitSeconds: 0.05 } });
    expect(attempt!.wall_seconds).toBeGreaterThan(0.04);
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'attempt failed: The time limit of 0.05 s is exceeded.', subject: 'slow' }));
    expect(await world.statuses('Match')).toEqual({ slow: 'time limit exceeded', quick: 'processed' });
  });

  it('that throws an error of its own when it is told has "time limit exceeded" all the same', async () => {
    const world = await given((_subject, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new DOMException('This operation was aborted', 'AbortError')))));
    await world.engine().work();
    expect(await world.attempts('slow', 'Match')).toMatchObject([{ outcome: 'timed out', error: { name: 'TimeLimitError' } }]);
  });

  it('that finishes in spite of it has "time limit exceeded" all the same', async () => {
    const world = await given((_subject, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ status: 'processed', result: 1 }))));
    await world.engine().work();
    expect(await world.attempts('slow', 'Match')).toMatchObject([{ outcome: 'timed out', status: 'time limit exceeded', result: null }]);
  });

  it('and never settles is left behind after a while, and its place goes to others', async () => {
    const world = await given(hangs);
    const { engine, work } = world.engine({ concurrency: 1, settleSeconds: 0.02 });
    await work();
    expect(world.runner('Match').order).toEqual(['slow', 'quick']);
    expect(await world.statuses('Match')).toEqual({ slow: 'time limit exceeded', quick: 'processed' });
    expect([engine.running, engine.ended, engine.leases.size, engine.quiet]).toEqual([0, 2, 0, true]);
  });

  it('that blocks the process past it has "time limit exceeded"', async () => {
    const world = await given(() => {
      const until = performance.now() + 120;
      while (performance.now() < until);
      return new Promise((resolve) => setImmediate(() => resolve('processed')));
    });
    await world.engine({ concurrency: 1 }).work();
    expect(await world.attempts('slow', 'Match')).toMatchObject([{ outcome: 'timed out' }]);
  });
});

describe('a time limit', () => {
  it.each([['none in the fixtures', undefined, undefined], ['Infinity on the runner', 0.01, Infinity], ['longer than a timer can count', 0.01, 1e9], ['that the runner sets higher', 0.01, 60]])(
    'that is not reached does nothing: %s',
    async (_what, inFixtures, onRunner) => {
      const world = await createWorld(database, { tasks: { Match: { limit: inFixtures } } });
      await world.add('slow');
      Object.assign(world.runner('Match'), { timeLimitSeconds: onRunner });
      let aborted = false;
      world.runner('Match').does(async (_subject, { signal }) => {
        signal.addEventListener('abort', () => (aborted = true));
        await new Promise((resolve) => setTimeout(resolve, 50));
        return 'processed';
      });
      await world.engine().work();
      expect([aborted, await world.statuses('Match')]).toEqual([false, { slow: 'processed' }]);
    },
  );

  it('of the runner goes before that of the fixtures', async () => {
    const world = await createWorld(database, { tasks: { Match: { limit: 3600, does: obeys } } });
    await world.add('slow');
    Object.assign(world.runner('Match'), { timeLimitSeconds: 0.02 });
    await world.engine().work();
    expect(await world.statuses('Match')).toEqual({ slow: 'time limit exceeded' });
  });
});
