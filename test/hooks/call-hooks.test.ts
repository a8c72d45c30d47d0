import { pino } from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { ServiceError } from '../../src/errors.ts';
import { callHooks } from '../../src/hooks/call-hooks.ts';
import { matches } from '../../src/runner/matches.ts';
import { checkHooks } from '../../src/runner/check/hooks.ts';
import { hook, type Hook, type HookEnd, type HookRun } from '../../src/runner/hook.ts';
import { createWorld } from '../engine/create-world.ts';
import { throws, writes, type Script } from '../engine/scripted-runner.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const silent = pino({ level: 'silent' });

/** One object through one task, with hooks around it. */
async function runWith(hooks: readonly Hook[], { does, data = {} }: { does?: Script; data?: object } = {}) {
  const world = await createWorld<'One'>(database, { tasks: { One: does === undefined ? {} : { does } } });
  await world.add({ name: 'a', data });
  await world.engine({ hooks: callHooks(hooks, { hot: database.hot, log: silent }) }).work();
  return world;
}

const calls = () => database.em().execute<{ hook: string; event: string; result: unknown; error: { message: string } | null; attempt: number }[]>(`select hook, event, result, error, attempt from hook_call order by id`);

describe('hooks', () => {
  test('are called before and after the runner, in their order', async () => {
    const heard: string[] = [];
    const named = (name: string): Hook => ({ name, tasks: 'One', before: () => void heard.push(`${name} before`), after: (_run, { status }) => void heard.push(`${name} after ${status}`) });
    await runWith([named('first'), named('second')], { does: () => { heard.push('runner'); return 'processed'; } });
    expect(heard).toEqual(['first before', 'second before', 'runner', 'first after processed', 'second after processed']);
  });

  test('are for the tasks that they name, and for those attempts that they want', async () => {
    expect(matches('Host *', 'Host match')).toBe(true);
    expect(matches(['Distance', '*'], 'anything')).toBe(true);
    expect(matches('Host.match', 'Host match')).toBe(false);
    expect(matches('Host', 'Host match')).toBe(false);
    const heard: string[] = [];
    await runWith([
      { name: 'other task', tasks: 'Two', before: () => void heard.push('other task') },
      { name: 'unwanted', tasks: 'O*', when: async () => false, before: () => void heard.push('unwanted') },
      hook<{ field?: string }>({ name: 'wanted', tasks: '*', when: ({ args }) => args.field === 'COSMOS', before: ({ subject }) => void heard.push(`wanted ${subject.name}`) }),
    ], { data: { field: 'COSMOS' } });
    expect(heard).toEqual(['wanted a']);
  });

  test('Fd6: an argument named result or event reaches hooks under its own name, and what a hook gives is kept apart from the result', async () => {
    const data = { result: 'mine', event: 'too', args: [1] };
    const heard: [HookRun, HookEnd][] = [];
    const world = await runWith([
      { name: 'notes', tasks: '*', before: () => ({ result: 'of before' }), after: (run, end) => { heard.push([run, end]); return { result: 'of after' }; } },
    ], { data, does: () => ({ status: 'processed', result: { figure: 1 } }) });
    expect(heard[0]![0].args).toEqual(data);
    expect(heard[0]![1]).toEqual({ outcome: 'finished', status: 'processed', result: { figure: 1 }, error: undefined });
    expect(await world.attempts('a', 'One')).toMatchObject([{ outcome: 'finished', result: { figure: 1 } }]);
    expect(await calls()).toEqual([
      { hook: 'notes', event: 'before', result: { result: 'of before' }, error: null, attempt: 1 },
      { hook: 'notes', event: 'after', result: { result: 'of after' }, error: null, attempt: 1 },
    ]);
  });

  test('cannot change what the runner gets, nor what it gave', async () => {
    const world = await runWith([
      hook<{ n: number }>({ name: 'meddler', tasks: '*', before: ({ args }) => { args.n = 2; }, after: (_run, { result }) => { (result as { n: number }).n = 3; } }),
    ], { data: { n: 1 }, does: ({ data }) => ({ status: 'processed', result: { n: data.n } }) });
    expect(await world.attempts('a', 'One')).toMatchObject([{ result: { n: 1 } }]);
  });

  test('one that throws is logged with the attempt, which goes on', async () => {
    const world = await runWith([{ name: 'broken', tasks: '*', before: () => { throw new Error('no paper'); } }]);
    expect(await world.entry('a', 'One')).toMatchObject({ status: 'processed' });
    expect(await world.attempts('a', 'One')).toMatchObject([{ outcome: 'finished', log: [{ level: 'warn', message: 'The hook "broken" failed before "One" of a: no paper' }] }]);
    expect(await calls()).toMatchObject([{ hook: 'broken', event: 'before', result: null, error: { message: 'no paper' } }]);
  });

  test('one that throws fails the attempt where it says so: before, the runner is not called', async () => {
    const world = await runWith([{ name: 'gate', tasks: '*', whenThrown: 'fail', before: () => { throw new Error('closed'); } }]);
    expect(world.runner('One').runs).toEqual([]);
    expect(await world.entry('a', 'One')).toMatchObject({ status: 'failed', failure: 'science' });
    expect(await world.attempts('a', 'One')).toMatchObject([{ outcome: 'failed', error: { name: 'HookError', code: 'HOOK', message: 'The hook "gate" failed before "One" of a: closed' } }]);
  });

  test('one that throws afterwards fails the attempt where it says so, and nothing that the runner wrote is kept', async () => {
    const world = await runWith([{ name: 'check', tasks: '*', whenThrown: 'fail', after: (_run, { status }) => { if (status === 'processed') throw new Error('implausible'); } }], { does: writes('written') });
    expect(await world.entry('a', 'One')).toMatchObject({ status: 'failed' });
    expect(await world.notes()).toEqual([]);
  });

  test('one whose service does not answer is a failure of the machinery: the attempt is made again', async () => {
    let asked = 0;
    const world = await runWith([{ name: 'announce', tasks: '*', whenThrown: 'fail', before: () => { if ((asked += 1) === 1) throw new ServiceError('slack', 'away', { retryAt: new Date() }); } }]);
    expect(await world.entry('a', 'One')).toMatchObject({ status: 'processed', attempt: 2 });
  });

  test('one that does not come back is given up after its time', async () => {
    let signal: AbortSignal | undefined;
    const world = await runWith([{ name: 'sleeper', tasks: '*', timeLimitSeconds: 0.05, before: (run) => { signal = run.signal; return new Promise(() => {}); } }]);
    expect(await world.entry('a', 'One')).toMatchObject({ status: 'processed' });
    expect(signal?.aborted).toBe(true);
    expect(await calls()).toMatchObject([{ error: { message: 'It was not done within 0.05 s.' } }]);
  });

  test('hear of a runner that threw', async () => {
    const ends: HookEnd[] = [];
    await runWith([{ name: 'ear', tasks: '*', after: (_run, end) => void ends.push(end) }], { does: throws(new Error('science')) });
    expect(ends).toMatchObject([{ outcome: 'failed', status: 'failed', error: { message: 'science' } }]);
  });

  test('of one name, or that do nothing, are refused', () => {
    expect(checkHooks([{ name: 'x', tasks: ['Host mach', 'Host *', 'Nothing *'], before: () => {} }, { name: 'x', tasks: '*' }], ['Host match']).map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
      'error: The hook "x" is for "Host mach", which is no task; did you mean "Host match"?', 'error: The hook "x" is for "Nothing *", which is no task.',
      'error: Two hooks are called "x".', 'error: The hook "x" has neither before nor after, so it does nothing.',
    ]);
    expect(() => callHooks([{ name: 'x', tasks: '*', before: () => {} }, { name: 'x', tasks: '*', after: () => {} }], { hot: database.hot, log: silent })).toThrow('Two hooks are called "x".');
    expect(() => callHooks([{ name: 'x', tasks: '*' }], { hot: database.hot, log: silent })).toThrow('neither "before" nor "after"');
  });
});
