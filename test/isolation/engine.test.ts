import path from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { Daemon } from '../../src/daemon/daemon.ts';
import type { Isolation } from '../../src/engine/isolated.ts';
import { keyOf } from '../../src/engine/leases.ts';
import { takeLock } from '../../src/engine/lock.ts';
import { ProcessDiedError } from '../../src/errors.ts';
import type { Json } from '../../src/runner/outcome.ts';
import { optionsFor } from '../daemon/daemon-options.ts';
import { createWorld } from '../engine/create-world.ts';
import { ScriptedRunner, hangs } from '../engine/scripted-runner.ts';
import { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { Doer, type DeedName } from './deeds.ts';
import { alive, createPool } from './pools.ts';

const SOON = { timeout: 10_000, interval: 5 };
const database = await createDatabase();
const { pool: isolation } = createPool({ address: database.address, stops: afterAll });

/** A world with the task "Do", whose runner is isolated, and "Before", whose runner is not. */
async function createDoers(of: Partial<Pick<Doer, 'prerequisites' | 'timeLimitSeconds' | 'killGraceSeconds'>> = {}): Promise<World<'Do' | 'Before'>> {
  const { machine } = await createWorld(database, { tasks: { Do: {}, Before: {} } });
  const world = new World<'Do' | 'Before'>(database, machine, new Map([['Do', Object.assign(new Doer(), of) as never], ['Before', new ScriptedRunner('Before', {})]]));
  await world.sync();
  onTestFinished(() => world.end());
  return world;
}

/** Adds a transient whose data says what to do with it. */
const add = (world: World, does: DeedName, next?: string) => world.add({ name: '2010ag', data: { does, next } });

describe('an isolated attempt', () => {
  test('is written like any other', async () => {
    const world = await createDoers();
    await add(world, 'tells');
    await world.put('2010ag', 'Before', 'processed');
    await world.engine({ isolation }).work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'processed', attempt: 1, setbacks: 0, failure: null });
    const [attempt] = await world.attempts('2010ag', 'Do');
    expect(attempt).toMatchObject({ outcome: 'finished', status: 'processed', ended: true, error: null });
    expect((attempt!.result as { pid: number }).pid).not.toBe(process.pid);
    expect(attempt!.wall_seconds).toBeGreaterThan(0);
    expect(attempt!.cpu_seconds).toBeGreaterThan(0);
  });

  test('reads the results of other tasks', async () => {
    const world = await createDoers({ prerequisites: { Before: 'processed' } });
    world.runner('Before').does(() => ({ status: 'processed', result: { figure: 5 } }));
    await add(world, 'asksForAResult');
    await world.engine({ isolation }).work();
    expect((await world.attempts('2010ag', 'Do'))[0]!.result).toEqual({ found: { figure: 5 } });
  });

  test('neither waits for those that run in the daemon nor keeps them waiting', async () => {
    const world = await createDoers();
    await add(world, 'nothing');
    world.runner('Before').does(hangs);
    const { engine } = world.engine({ isolation, concurrency: 1 });
    void engine.wake(world.task('Before').id);
    await world.runner('Before').began('2010ag');
    await engine.wake(world.task('Do').id);
    await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({ status: 'processed' });
    expect(engine.running).toBe(1);
  });

  test('runs in the daemon where nobody offers it a process', async () => {
    const world = await createDoers();
    await add(world, 'tells');
    await world.engine().work();
    expect((await world.attempts('2010ag', 'Do'))[0]!.result).toMatchObject({ pid: process.pid });
  });

  test('that a service failed waits until the time that the service gave', async () => {
    const world = await createDoers();
    await add(world, 'serviceAway');
    await world.engine({ isolation }).engine.wake(world.task('Do').id);
    await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({ status: 'not processed', failure: 'machinery', setbacks: 1, reason: 'TNS is away' });
    expect((await world.entry('2010ag', 'Do')).due_seconds).toBeGreaterThan(86400);
  });

  test('that throws has failed, with its error and what it logged', async () => {
    const world = await createDoers();
    await add(world, 'throws');
    await world.engine({ isolation }).work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'failed', failure: 'science' });
    expect((await world.attempts('2010ag', 'Do'))[0]!.error).toMatchObject({ name: 'TypeError', message: 'of its own', figure: 3 });
  });
});

describe('what an isolated attempt writes', () => {
  test('is kept together with its status', async () => {
    const world = await createDoers();
    await add(world, 'writes');
    await world.engine({ isolation }).work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'processed' });
    const [attempt] = await world.attempts('2010ag', 'Do');
    expect(await world.notes()).toEqual([`written by ${(attempt!.result as Record<string, Json>).pid as number}`]);
    expect(await world.transitions('2010ag', 'Do')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
  });

  test('can be written under a named lock, which all see; where somebody else has that, it is run again later', async () => {
    const world = await createDoers();
    await database.em().execute(`delete from named_lock`);
    await add(world, 'writesUnderALock');
    const other = await takeLock(database.hot.run, 'ned', { seconds: 60 }, { owner: 'dora', signal: new AbortController().signal });
    await world.engine({ isolation, random: () => 0.5 }).engine.wake(world.task('Do').id);
    await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({ status: 'not processed', failure: 'machinery', setbacks: 1, reason: expect.stringContaining('The lock "ned" is held by dora') });
    expect(await world.notes()).toEqual([]);
    await other.release();
    await database.em().execute(`update task_register set due_at = null`);
    await world.engine({ isolation, daemonId: 2 }).work();
    expect(await world.notes()).toEqual(['locked by "Do" of 2010ag, attempt 2', 'written before']);
    expect(await database.em().execute(`select * from named_lock`)).toEqual([]);
  });

  test('is forgotten when it throws, and the process goes on', async () => {
    const world = await createDoers();
    await add(world, 'writes', 'throw');
    const { runs } = isolation.state;
    await world.engine({ isolation }).work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'failed', failure: 'science' });
    expect(await world.notes()).toEqual([]);
    expect(isolation.state).toMatchObject({ runs: runs + 1, busy: 0 });
  });

  test('is not kept when its lease is lost meanwhile', async () => {
    const world = await createDoers();
    await add(world, 'writes', 'wait');
    const { engine, lines, quiet } = world.engine({ isolation });
    await engine.wake(world.task('Do').id);
    await expect.poll(() => isolation.state.busy, SOON).toBe(1);
    await database.em().execute(`update task_register r set status_id = 1, cause = 'rescue', lease_owner = null, lease_until = null, due_at = clock_timestamp() + interval '1 hour' from task t where t.id = r.task_id and t.name = 'Do'`);
    await database.em().execute(`insert into note (subject_id, attempt, text) values (0, 0, 'go on')`);
    await quiet();
    expect(await world.notes()).toEqual(['go on']);
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'not processed' });
    expect(lines.map(({ msg }) => msg)).toContain('an attempt came too late and wrote nothing');
  });

  test('is forgotten when its process ends, which is a failure of the machinery', async () => {
    const world = await createDoers();
    await add(world, 'writes', 'exit');
    await world.engine({ isolation, random: () => 0.5 }).engine.wake(world.task('Do').id);
    await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({
      status: 'not processed', failure: 'machinery', setbacks: 1, reason: 'The process of the attempt ended by itself with exit code 5.',
    });
    expect(await world.notes()).toEqual([]);
    expect((await world.attempts('2010ag', 'Do'))[0]!.error).toMatchObject({ name: 'ProcessDiedError', exitCodeOfProcess: 5 });
  });

  test('counts once, though the process dies right after it was committed', async () => {
    const world = await createDoers();
    await add(world, 'writes');
    const dying: Isolation = {
      most: 1,
      async run(run) {
        const result = await isolation.run(run);
        const commit: typeof result.commit = async (actor, ending) => {
          await result.commit(actor, ending);
          throw new ProcessDiedError('The process of the attempt', { exitCode: null, signal: 'SIGKILL' });
        };
        return { ...result, commit };
      },
    };
    await world.engine({ isolation: dying }).work();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'processed', attempt: 1, setbacks: 0 });
    expect(await world.attempts('2010ag', 'Do')).toMatchObject([{ outcome: 'finished', error: null }]);
    expect(await world.transitions('2010ag', 'Do')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
    expect(await world.notes()).toHaveLength(1);
  });

  test('is not its fault where the database went away', async () => {
    const world = await createDoers();
    await add(world, 'losesItsConnection');
    await world.engine({ isolation, random: () => 0.5 }).engine.wake(world.task('Do').id);
    await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({ status: 'not processed', failure: 'machinery', setbacks: 1 });
  });
});

describe('an isolated attempt that is to stop', () => {
  test('leaves its entry alone until its process is gone', async () => {
    const world = await createDoers({ timeLimitSeconds: 0.3, killGraceSeconds: 0.2 });
    await add(world, 'spins');
    const { engine } = world.engine({ isolation });
    void engine.wake(world.task('Do').id);
    await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({ status: 'time limit exceeded' });
    const [attempt] = await world.attempts('2010ag', 'Do');
    const { pid } = attempt!.log![0]!.fields as { pid: number };
    expect(alive([pid])).toEqual([]);
    expect(attempt).toMatchObject({ outcome: 'timed out', error: { name: 'TimeLimitError' } });
    expect(attempt!.wall_seconds).toBeGreaterThan(0.49);
  });

  test('is cancelled for a person, whether it obeys or not', async () => {
    const world = await createDoers({ killGraceSeconds: 0.1 });
    await add(world, 'ignores');
    const { engine, quiet } = world.engine({ isolation });
    void engine.wake(world.task('Do').id);
    await expect.poll(() => isolation.state.busy, SOON).toBe(1);
    engine.leases.cancelled(keyOf(engine.leases.all[0]!), 'person ada', 'wrong field');
    await quiet();
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'not processed', setbacks: 0, reason: 'Cancelled by person ada: wrong field' });
    expect(await world.attempts('2010ag', 'Do')).toMatchObject([{ outcome: 'cancelled', error: { name: 'CancelledError', by: 'person ada' } }]);
    expect(isolation.state.busy).toBe(0);
  });

  test('is handed back when the daemon stops, whatever it does', async () => {
    const world = await createDoers();
    await add(world, 'spins');
    const { engine } = world.engine({ isolation });
    void engine.wake(world.task('Do').id);
    await expect.poll(() => isolation.state.busy, SOON).toBe(1);
    await engine.stop(0);
    expect(await world.entry('2010ag', 'Do')).toMatchObject({ status: 'not processed', setbacks: 0, lease_owner: null });
    expect(isolation.state.busy).toBe(0);
  });
});

test('a daemon has processes for its isolated runners, and leaves none', async () => {
  const world = await createDoers();
  await add(world, 'tells');
  const { options, lines } = optionsFor(world, { config: { runnersFile: path.join(import.meta.dirname, 'deeds.ts'), processes: 2, maxTasksPerProcess: 1 } });
  const daemon = await Daemon.create(options);
  onTestFinished(() => daemon.stop());
  await daemon.begin();
  await expect.poll(() => world.entry('2010ag', 'Do'), SOON).toMatchObject({ status: 'processed' });
  const { pid } = (await world.attempts('2010ag', 'Do'))[0]!.result as { pid: number };
  await expect.poll(() => daemon.processes, SOON).toMatchObject({ most: 2, busy: 0, runs: 1, recycled: 1 });
  await daemon.stop();
  expect(alive([pid])).toEqual([]);
  expect(daemon.processes).toMatchObject({ processes: 0 });
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'isolated attempts', runs: 1, recycled: 1, killed: 0, died: 0 }));
});
