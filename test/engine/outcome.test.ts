import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { PermanentError } from '../../src/errors.ts';
import { createDatabase } from '../harness.ts';
import { throws, type Script } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** Runs one attempt of a script and gives the entry, its only attempt and what was logged. */
async function run(script: Script, given: { returns?: readonly string[]; failed?: string } = {}) {
  const world = await createWorld(database, { tasks: { Match: { ...given, does: script }, After: { needs: { Match: 'processed' } } } });
  await world.add('2010ag');
  const { work, lines } = world.engine();
  await work();
  const [attempt, ...more] = await world.attempts('2010ag', 'Match');
  expect(more).toEqual([]);
  return { world, lines, entry: await world.entry('2010ag', 'Match'), attempt: attempt! };
}

describe('a runner that returns', () => {
  it('a status gives it to the entry, and the attempt is finished', async () => {
    const { entry, attempt, world } = await run(() => 'no host');
    expect(entry).toMatchObject({ status: 'no host', attempt: 1, cause: 'finish', actor: 'daemon 1', lease_owner: null, lease_seconds: null, due_seconds: null, warning: null });
    expect(attempt).toMatchObject({ outcome: 'finished', status: 'no host', ended: true, error: null, result: null, log: null, cost: null });
    expect(await world.statuses('After')).toEqual({ '2010ag': 'not processed' });
  });

  it('an outcome has its result, warning and cost kept, and the warning marks the entry', async () => {
    const { entry, attempt } = await run(async () => ({ status: 'processed', result: { name: 'IC 494', dlr: 1.5, list: [null, 'é', 1e-300] }, warning: 'crowded field', cost: 0.25 }));
    expect(entry).toMatchObject({ status: 'processed', warning: 'crowded field' });
    expect(attempt).toMatchObject({ outcome: 'finished', result: { name: 'IC 494', dlr: 1.5, list: [null, 'é', 1e-300] }, warning: 'crowded field', cost: 0.25 });
  });

  it('a result with long texts has them kept to the last letter', async () => {
    const text = 'spectrum '.repeat(100_000);
    expect((await run(() => ({ status: 'processed', result: { text } }))).attempt.result).toEqual({ text });
  });

  it('gives its result to the runners that come after', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    await world.add('a', 'b');
    world.runner('Match').on('a', () => ({ status: 'processed', result: { name: 'IC 494' } }));
    const got: unknown[] = [];
    world.runner('Report').does(async (subject, { result }) => {
      got.push([subject.name, await result('Match'), await result('Report'), await result('No such task')]);
      return 'processed';
    });
    await world.engine({ concurrency: 1 }).work();
    expect(got).toEqual([['a', { name: 'IC 494' }, undefined, undefined], ['b', undefined, undefined, undefined]]);
  });

  it('NaN or undefined inside a result has it kept as JSON keeps it, and NUL and half characters are replaced', async () => {
    const { attempt } = await run(() => ({ status: 'processed', result: { nan: NaN, nothing: undefined, nul: 'a\0b\ud800', 'key\0': 1 }, warning: 'w\0' }));
    expect(attempt).toMatchObject({ outcome: 'finished', result: { nan: null, nul: 'a␀b\ufffd', 'key␀': 1 }, warning: 'w␀' });
    expect((await run(() => ({ status: 'processed', result: NaN }))).attempt).toMatchObject({ outcome: 'finished', result: null });
  });

  const garbage: readonly (readonly [what: string, value: () => unknown, message: string | RegExp])[] = [
    ['an unknown status', () => 'no GHOST match', 'The runner of "Match" returned the unknown status "no GHOST match". Known: "not processed", "time limit exceeded", "processed", "failed", "no host", "needs a look".'],
    ['a status in other letters', () => 'Processed', /unknown status "Processed"/],
    ['a status that is a path in the machine', () => 'status.processed', /unknown status/],
    ['"processing"', () => 'processing', /"processing"/],
    ['an outcome of "processing"', () => ({ status: 'processing' }), /"processing"/],
    ['an empty text', () => '', /unknown status ""/],
    ['a text with a NUL', () => 'a\0b', /unknown status/],
    ['nothing', () => undefined, /must return a status message or an object with a status; it returned undefined/],
    ['null', () => null, /it returned null/],
    ['a number', () => 5, /it returned 5/],
    ['a big integer', () => 5n, /it returned 5/],
    ['a symbol', () => Symbol('processed'), /it returned Symbol\(processed\)/],
    ['a function', () => () => 'processed', /must return a status message/],
    ['a list', () => ['processed'], /it returned \["processed"\]/],
    ['an object without prototype and status', () => Object.create(null) as object, /it returned \{\}/],
    ['something with cycles', () => { const loop: { self?: unknown } = {}; loop.self = loop; return loop; }, /must return a status message/],
    ['a status that throws when it is read', () => ({ get status() { throw new Error('no'); } }), 'no'],
    ['a result with a big integer', () => ({ status: 'processed', result: { n: 5n } }), /result cannot be written as JSON/],
    ['a result with cycles', () => { const loop: { self?: unknown } = {}; loop.self = loop; return { status: 'processed', result: loop }; }, /result cannot be written as JSON/],
    ['a result of more than a million characters', () => ({ status: 'processed', result: 'x'.repeat(1_000_001) }), /1000003 characters of JSON, 1000000 are the most/],
    ['a result nested too deep', () => ({ status: 'processed', result: JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)) as unknown }), /result cannot be written as JSON/],
    ['a warning that is no text', () => ({ status: 'processed', warning: 5 }), /warning must be a text/],
    ['a cost that is no number', () => ({ status: 'processed', cost: NaN }), /cost must be a finite number/],
    ['a cost that is a text', () => ({ status: 'processed', cost: '5' }), /cost must be a finite number/],
  ];
  it.each(garbage)('%s has the entry failed, says why, and is never left in processing', async (_what, value, message) => {
    const { entry, attempt, lines, world } = await run(value);
    expect(entry).toMatchObject({ status: 'failed', cause: 'fail', attempt: 1, lease_owner: null });
    expect(attempt).toMatchObject({ outcome: 'failed', status: 'failed', ended: true, result: null });
    expect(attempt.error!.message).toMatch(message);
    expect(attempt.error!.stack).toContain('    at ');
    expect(lines.filter(({ msg }) => msg.startsWith('attempt failed: '))).toHaveLength(1);
    expect(await world.statuses('After')).toEqual({ '2010ag': 'not processed' });
  });

  it('a status that it did not declare has the entry failed, naming the declared ones', async () => {
    const { entry, attempt } = await run(() => 'no host', { returns: ['processed'] });
    expect(entry.status).toBe('failed');
    expect(attempt.error!.message).toContain('returned the unknown status "no host". Known: "processed", "failed".');
  });
});

describe('a runner that throws', () => {
  it('leaves its own failed status, with the error, its code and stack, its fields and its cause', async () => {
    const { entry, attempt, lines } = await run(
      () => {
        throw Object.assign(new PermanentError('NED knows no such galaxy', { cause: new TypeError('fetch failed') }), { url: 'https://example.org', headers: { secret: 1 } });
      },
      { failed: 'no host' },
    );
    expect(entry).toMatchObject({ status: 'no host', cause: 'fail' });
    expect(attempt).toMatchObject({ outcome: 'failed', status: 'no host', error: { name: 'PermanentError', message: 'NED knows no such galaxy', code: 'PERMANENT', url: 'https://example.org', cause: { name: 'TypeError', message: 'fetch failed' } } });
    expect(attempt.error!.stack).toContain('outcome.test.ts');
    expect(attempt.error).not.toHaveProperty('headers');
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'attempt failed: NED knows no such galaxy', task: 'Match', subject: '2010ag', attempt: 1, status: 'no host' }));
  });

  it('after its first await fails like one that throws before', async () => {
    const { entry, attempt } = await run(async () => {
      await Promise.resolve();
      throw new RangeError('late');
    });
    expect(entry.status).toBe('failed');
    expect(attempt.error).toMatchObject({ name: 'RangeError', message: 'late' });
  });

  const thrown: readonly (readonly [what: string, value: () => unknown, found: object])[] = [
    ['a text', () => 'just a text', { name: 'thrown value', message: 'just a text' }],
    ['nothing', () => undefined, { name: 'OutcomeError', message: 'The runner of "Match" threw undefined.' }],
    ['null', () => null, { message: 'The runner of "Match" threw null.' }],
    ['a symbol', () => Symbol('x'), { message: 'Symbol(x)' }],
    ['a plain object', () => ({ code: 5, message: 'told' }), { name: 'thrown value', message: '{"code":5,"message":"told"}' }],
    ['an object that cannot become a text', () => Object.create(null) as object, { name: 'thrown value' }],
    ['an error with a cycle of causes', () => { const error = new Error('round'); error.cause = error; return error; }, { message: 'round' }],
    ['an error with a message that is no text', () => Object.assign(new Error('x'), { message: 5 }), { message: '5' }],
    ['an error with a name that is no text', () => Object.assign(new Error('x'), { name: undefined }), { name: 'Error', message: 'x' }],
    ['an error whose message throws', () => Object.defineProperty(new Error('x'), 'message', { get: () => { throw new Error('no'); } }), {}],
    ['an error with a field that throws', () => Object.defineProperty(new Error('x'), 'body', { enumerable: true, get: () => { throw new Error('no'); } }), {}],
    ['an error with two million characters in a field', () => Object.assign(new Error('big'), { body: 'x'.repeat(2_000_000) }), { message: 'big' }],
    ['an error with a message of two million characters', () => new Error('x'.repeat(2_000_000)), { message: expect.stringMatching(/^x{1000}/) }],
    ['an error with NUL and half characters everywhere', () => Object.assign(new Error('a\0\ud800'), { 'k\0': 'v\0', stack: 's\0' }), { message: 'a␀\ufffd' }],
    ['a proxy that throws at every touch', () => new Proxy({}, { get() { throw new Error('no'); }, getPrototypeOf() { throw new Error('no'); } }), {}],
  ];
  it.each(thrown)('%s leaves the failed status and never processing', async (_what, value, found) => {
    const { entry, attempt } = await run(throws(value()));
    expect(entry).toMatchObject({ status: 'failed', cause: 'fail' });
    expect(attempt).toMatchObject({ outcome: 'failed', ended: true, error: found });
    expect(attempt.error!.message.length).toBeLessThan(20_000);
  });

  it('or gives what the database refuses does not keep others of the same moment from their end', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const names = Array.from({ length: 40 }, (_, n) => `sn${n}`);
    await world.add(...names);
    // What PostgreSQL refuses for whatever reason, the statement that writes them all included.
    await database.em().execute(`alter table attempt add constraint dear check (cost < 100)`);
    onTestFinished(async () => void (await database.em().execute(`alter table attempt drop constraint dear`)));
    for (const name of ['sn3', 'sn17']) world.runner('Match').on(name, () => ({ status: 'processed', cost: 500 }));
    const { work, lines } = world.engine({ concurrency: 40 });
    await work();
    const statuses = await world.statuses('Match');
    expect(Object.keys(statuses)).toHaveLength(40);
    expect(names.filter((name) => statuses[name] !== 'processed')).toEqual(['sn3', 'sn17']);
    expect(await world.attempts('sn17', 'Match')).toMatchObject([{ outcome: 'failed', status: 'failed', cost: null, error: { code: '23514', message: expect.stringContaining('"dear"') } }]);
    expect(lines.filter(({ msg }) => msg === 'the end of an attempt was refused by the database; it has failed')).toHaveLength(2);
  });
});

describe('what a runner logs', () => {
  it('is kept with its attempt, with level, time and fields', async () => {
    const { attempt } = await run((_subject, { log }) => {
      log.info('looking', { radius: 30 });
      log.warn('crowded\0');
      return 'processed';
    });
    expect(attempt.log).toMatchObject([{ level: 'info', message: 'looking', fields: { radius: 30 } }, { level: 'warn', message: 'crowded␀' }]);
    expect(Math.abs(Date.parse(attempt.log![0]!.at) - Date.now())).toBeLessThan(60_000);
  });

  it('is kept when it fails, too', async () => {
    const { attempt } = await run((_subject, { log }) => {
      log.info('before the fall');
      throw new Error('fell');
    });
    expect(attempt).toMatchObject({ outcome: 'failed', log: [{ message: 'before the fall' }] });
  });

  it('is bounded in lines and in characters, and says how much was left out', async () => {
    const many = await run((_subject, { log }) => {
      for (let n = 0; n < 5000; n += 1) log.info(`line ${n}`);
      return 'processed';
    });
    expect(many.entry.status).toBe('processed');
    expect(many.attempt.log).toHaveLength(1001);
    expect(many.attempt.log!.at(-1)!.message).toBe('… and 4000 more lines');
    const long = await run((_subject, { log }) => {
      for (let n = 0; n < 1000; n += 1) log.info('x'.repeat(10_000), { more: 'y'.repeat(10_000) });
      return 'processed';
    });
    expect(long.entry.status).toBe('processed');
    expect(JSON.stringify(long.attempt.log).length).toBeLessThan(1_000_000);
    expect(long.attempt.log!.at(-1)!.message).toMatch(/^… and \d+ more lines$/);
  });

  it('does not fail the attempt where its fields cannot be kept', async () => {
    const { entry, attempt } = await run((_subject, { log }) => {
      const loop: Record<string, unknown> = {};
      loop.self = loop;
      log.info('odd', loop as never);
      log.info('huge', { text: 'x'.repeat(2_000_000) });
      log.warn(undefined as unknown as string);
      return 'processed';
    });
    expect(entry.status).toBe('processed');
    expect(attempt.log!.map(({ message }) => message)).toEqual(['odd', 'huge', 'undefined']);
  });
});

describe('time', () => {
  it('that a runner computes is CPU time, and time that it waits is not', async () => {
    const computing = await run(() => {
      const until = performance.now() + 200;
      while (performance.now() < until);
      return 'processed';
    });
    expect(computing.attempt.wall_seconds).toBeGreaterThan(0.19);
    expect(computing.attempt.wall_seconds).toBeLessThan(5);
    expect(computing.entry.wall_seconds).toBeCloseTo(computing.attempt.wall_seconds!, 5);
    const waiting = await run(() => new Promise((resolve) => setTimeout(() => resolve('processed'), 200)));
    expect(waiting.attempt.wall_seconds).toBeGreaterThan(0.19);
    // On a busy machine a computing runner may have had half a processor.
    expect(computing.attempt.cpu_seconds).toBeGreaterThan(0.04);
    expect(computing.attempt.cpu_seconds).toBeGreaterThan(waiting.attempt.cpu_seconds!);
    expect(computing.attempt.cpu_seconds).toBeLessThan(computing.attempt.wall_seconds! * 2);
    expect(waiting.attempt.cpu_seconds).toBeGreaterThanOrEqual(0);
  });

  it('is measured by the clock that the engine was given, while leases are the database’s', async () => {
    let ms = 0;
    const clock = { now: () => new Date('1987-02-23T07:35:35Z'), monotonicMs: () => ms };
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('1987A');
    world.runner('Match').does(async (_subject, context) => {
      expect(context.clock.now()).toEqual(clock.now());
      ms += 1500;
      context.log.info('seen');
      expect((await world.entry('1987A', 'Match')).lease_seconds).toBeGreaterThan(50);
      return 'not processed';
    });
    await world.engine({ clock, leaseSeconds: 60 }).work();
    expect((await world.entry('1987A', 'Match')).due_seconds).toBeGreaterThan(50);
    expect(await world.attempts('1987A', 'Match')).toMatchObject([{ outcome: 'finished', wall_seconds: 1.5, log: [{ at: '1987-02-23T07:35:35.000Z' }] }]);
  });
});

describe('a context', () => {
  it('names the attempt, and every attempt differently', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Other: {} } });
    const [a, b] = await world.add('a', 'b');
    const keys: string[] = [];
    for (const runner of world.runners) {
      runner.does((_subject, context) => {
        keys.push(context.idempotencyKey);
        expect(context.attempt).toBe(world.runner('Match').runs.filter(({ subject }) => subject === 'a').length > 1 ? 2 : 1);
        expect(context).toMatchObject({ productsFolder: '/nowhere/products', dataFolder: '/nowhere' });
        return 'failed';
      });
    }
    const { work } = world.engine({ concurrency: 1 });
    await work();
    await world.put('a', 'Match', 'not processed');
    await work();
    const [match, other] = [world.task('Match').id, world.task('Other').id];
    expect(keys.toSorted()).toEqual([`${a}-${match}-1`, `${a}-${match}-2`, `${a}-${other}-1`, `${b}-${match}-1`, `${b}-${other}-1`].toSorted());
  });
});
