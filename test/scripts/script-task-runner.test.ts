import { describe, expect, onTestFinished, test } from 'vitest';
import { cancelEntry } from '../../src/engine/cancel.ts';
import { CancelledError } from '../../src/errors.ts';
import { detachedContext } from '../../src/runner/context.ts';
import { attemptLog } from '../../src/web/board/attempt-log.ts';
import { createWorld } from '../engine/create-world.ts';
import { ScriptedRunner } from '../engine/scripted-runner.ts';
import { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { processesWith, said, scriptFolder, Shell } from './runners.ts';

const SOON = { timeout: 10_000, interval: 10 };
const database = await createDatabase();
const { data, write } = scriptFolder();

/** A world with the task "Do", whose runner runs this script, and "Before", which returns what it is told to. */
async function given(script: string, of: Partial<Pick<Shell, 'argv' | 'prerequisites' | 'timeLimitSeconds' | 'killGraceSeconds' | 'environment' | 'returns' | 'keepFolder' | 'retry'>> = {}) {
  const { machine } = await createWorld(database, { tasks: { Do: {}, Before: {} } });
  const runner = Object.assign(new Shell(await write(script)), of);
  const world = new World<'Do' | 'Before'>(database, machine, new Map([['Do', runner as never], ['Before', new ScriptedRunner('Before', {})]]));
  await world.sync();
  onTestFinished(() => world.end());
  const [id] = await world.add('2010ag');
  return { world, id: id!, runner, ...world.engine({ folders: { data: data(), products: '/srv/products' } }) };
}

describe('a script as a runner', () => {
  test('M12, M13, M17: gets the object, the results of the tasks that it waits for and the attempt, and its result is kept', async () => {
    const { world, work, id } = await given(
      `read -r input\necho "about to begin"\necho "a word on standard error" >&2\n${said('{"status": "success", "input": $input, "attempt": $AFTERGLOW_ATTEMPT, "key": "$AFTERGLOW_IDEMPOTENCY_KEY", "names": "$AFTERGLOW_TASK of $AFTERGLOW_SUBJECT", "products": "$AFTERGLOW_PRODUCTS", "argv": "$*", "set": "$FILTER", "warning": "faint", "cost": 0.5}')}`,
      { prerequisites: { Before: 'processed' }, argv: ({ name, raDeg }) => ['--name', name, String(raDeg)], environment: { FILTER: 'r' } },
    );
    world.runner('Before').does(() => ({ status: 'processed', result: { host: 'IC 494' } }));
    await work();
    const [attempt] = await world.attempts('2010ag', 'Do');
    const key = `${id}-${world.task('Do').id}-1`;
    expect(attempt).toMatchObject({ outcome: 'finished', status: 'processed', warning: 'faint', cost: 0.5, error: null });
    expect(attempt!.result).toMatchObject({
      attempt: 1, key, names: 'Do of 2010ag', products: '/srv/products', argv: '--name 2010ag 150', set: 'r',
      input: { task: 'Do', kind: 'transient', subject: { id, name: '2010ag', raDeg: 150, redshift: null }, results: { Before: { host: 'IC 494' } }, attempt: 1, idempotencyKey: key },
    });
    expect(attempt!.log!.map(({ message, fields }) => [message, fields])).toEqual([['about to begin', undefined], ['a word on standard error', { stream: 'stderr' }]]);
    // As the attempt's page shows it.
    expect((await attemptLog(database.em(), world.task('Do').id, 'transient', ['2010ag'])).join('\n')).toMatch(/info about to begin\n.* info a word on standard error/);
  });

  test('leaves any status of the fixtures that it names', async () => {
    const { world, work } = await given(said('{"status": "no host", "nearest_arcmin": 31}'));
    await work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'no host', failure: 'science' });
    expect((await world.attempts('2010ag', 'Do'))[0]).toMatchObject({ outcome: 'finished', result: { nearest_arcmin: 31 } });
  });

  test.each([
    ['Md3: no result', 'echo well', { failure: 'no result' }, /ended with exit code 0 and printed no result/],
    ['Md2: a result without a status', said('{"row_count": 5}'), { failure: 'no status' }, /printed a result without a status; it has "row_count"/],
    ['Md8: an exit code', 'echo "no such table: flux" >&2; exit 3', { failure: 'exit code', exitCodeOfScript: 3, lastWords: 'no such table: flux' }, /ended with exit code 3\. It said at last:\nno such table: flux/],
    ['an unknown status', said('{"status": "no hosts"}'), { failure: 'unknown status' }, /with the unknown status "no hosts"\. Did you mean "no host"\?/],
    ['a status that is no end', said('{"status": "processing"}'), { failure: 'unknown status' }, /unknown status "processing"/],
  ])('that says %s has failed, and why is kept with the attempt', async (_what, script, error, message) => {
    const { world, work } = await given(script);
    await work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'failed', failure: 'science' });
    const [attempt] = await world.attempts('2010ag', 'Do');
    expect(attempt).toMatchObject({ outcome: 'failed', ended: true, error: { name: 'ScriptError', code: 'SCRIPT', ...error } });
    expect(attempt!.error!.message).toMatch(message);
  });

  test('may leave only what it declares, where it does', async () => {
    const { world, work } = await given(said('{"status": "needs a look"}'), { returns: ['processed', 'no host'] });
    await work();
    expect((await world.attempts('2010ag', 'Do'))[0]!.error!.message).toMatch(/unknown status "needs a look"\. Known: "success", "processed", "no host", "failed"/);
  });

  test('that is killed by somebody else is tried again, with a key of its own', async () => {
    const { world, work } = await given(`if [ "$AFTERGLOW_ATTEMPT" = 1 ]; then kill -9 $$; fi\n${said('{"status": "success", "key": "$AFTERGLOW_IDEMPOTENCY_KEY"}')}`);
    await work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'processed', attempt: 2 });
    const [first, second] = await world.attempts('2010ag', 'Do');
    expect(first).toMatchObject({ failure: 'machinery', error: { code: 'SCRIPT_DIED', failure: 'signal', signal: 'SIGKILL' } });
    expect((second!.result as { key: string }).key).toMatch(/-2$/);
  });

  test('tells its progress while it runs', async () => {
    const { world, engine } = await given('echo "== PROGRESS 0.4 =="; sleep 300', { killGraceSeconds: 1 });
    await engine.wake();
    await expect.poll(() => engine.leases.all.map(({ progress }) => progress), SOON).toEqual([0.4]);
    await world.end();
  });

  test('keeps 64 KiB of standard error, the end of it', async () => {
    const { world, work } = await given(`i=0; while [ $i -lt 3000 ]; do echo "line $i of a long complaint that never ends"; i=$((i+1)); done >&2\n${said('{"status": "success"}')}`);
    await work();
    const pieces = (await world.attempts('2010ag', 'Do'))[0]!.log!.map(({ message }) => message);
    const text = pieces.join('\n');
    expect(text.endsWith('line 2999 of a long complaint that never ends')).toBe(true);
    expect(text).toMatch(/^… \(13\d+ bytes in all\)\nline \d+ of/);
    expect(text.length).toBeGreaterThan(65_000);
    expect(text.length).toBeLessThan(66_000);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(2000);
  });

  test('says where its folder was kept', async () => {
    const { world, work } = await given('echo 1 > figures.txt; exit 1', { keepFolder: 'on failure' });
    await work();
    expect((await world.attempts('2010ag', 'Do'))[0]!.log!.at(-1)!.message).toMatch(/^its folder was kept: .*\/scripts\/kept\/script-\d+\.sh-\w+$/);
  });

  test('can be called without a daemon', async () => {
    const runner = new Shell(await write(`read -r input\n${said('{"status": "success", "input": $input}')}`));
    const outcome = await runner.runProcess({ id: '1', name: '2010ag' } as never, detachedContext({ dataFolder: data() }));
    expect(outcome).toMatchObject({ status: 'processed', result: { input: { subject: { name: '2010ag' }, attempt: 1 } } });
  });
});

describe('M25: a script that is told to stop', () => {
  // It goes on for a while after SIGTERM, as does what it has started.
  const stubborn = 'trap "sleep 0.3; exit 0" TERM\nsh -c \'trap "" TERM; echo begun; while true; do sleep 0.05; done\' &\nwhile true; do sleep 0.05; done';
  const running = () => processesWith('MINE', 'stubborn');
  const environment = { MINE: 'stubborn' };

  test('at its time limit is gone when its entry says so', async () => {
    const { world, work } = await given(stubborn, { timeLimitSeconds: 0.3, killGraceSeconds: 0.6, environment });
    await work();
    expect(running()).toEqual([]);
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'time limit exceeded' });
    expect((await world.attempts('2010ag', 'Do'))[0]).toMatchObject({ outcome: 'timed out', error: { name: 'TimeLimitError' } });
  });

  test('by a person is gone when its entry is held', async () => {
    const { world, engine, quiet } = await given(stubborn, { killGraceSeconds: 0.6, environment });
    await engine.wake();
    await expect.poll(running, SOON).not.toEqual([]);
    await cancelEntry(database, { subject: '2010ag', task: 'Do', reason: 'wrong field', by: 'ann' });
    // What a daemon does when it hears of it.
    for (const attempt of engine.leases.all) attempt.abort(new CancelledError('ann', 'wrong field'));
    await quiet();
    expect(running()).toEqual([]);
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'not processed', held: true, reason: 'Cancelled by ann: wrong field' });
    expect((await world.attempts('2010ag', 'Do'))[0]).toMatchObject({ outcome: 'cancelled', error: { name: 'CancelledError' } });
  });

  test('by a daemon that stops is gone when the entry is handed back', async () => {
    const { world, engine } = await given(stubborn, { killGraceSeconds: 600, environment });
    await engine.wake();
    await expect.poll(running, SOON).not.toEqual([]);
    await engine.stop(0);
    expect(running()).toEqual([]);
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'not processed' });
  });
});
