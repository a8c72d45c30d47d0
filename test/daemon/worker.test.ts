import { beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { syncGraph } from '../../src/db/sync-graph.ts';
import { readWork } from '../../src/engine/read-work.ts';
import { SystemTaskRunner } from '../../src/runner/runner.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { createWorld } from '../engine/create-world.ts';
import { gate } from '../engine/scripted-runner.ts';
import { STATUSES, type World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { createDaemon, startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** Nothing is looked for without a notification. */
const PATIENT = { careSeconds: 60, followSeconds: 60 };
const reads = (world: World) => ({ readWork: () => readWork(database.em(), world.runners) });
const processed = (world: World, task: string, subject: string) => vi.waitFor(async () => expect((await world.entry(subject, task)).status).toBe('processed'), 10_000);
const byWhom = async () =>
  Object.fromEntries((await database.em().execute<{ key: string; daemon_id: number }[]>(
    `select t.name || ' ' || s.name as key, a.daemon_id from attempt a join task t on t.id = a.task_id join subject s on s.id = a.subject_id`,
  )).map(({ key, daemon_id: id }) => [key, id]));

class Chore extends SystemTaskRunner {
  readonly taskName = 'Chore';
  readonly schedule = 1;
  override readonly runsAtStart = true;
  override readonly runsWhenIdle = true;
  runs = 0;
  act: () => Promise<void> | void = () => {};

  override runProcess(): Promise<void> | void {
    this.runs += 1;
    return this.act();
  }
}

describe('a worker', () => {
  it('runs tasks by notifications, and leaves schedules and system runners to daemons', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Two: { needs: { One: 'processed' } } } });
    const chore = new Chore();
    Object.assign(world.runner('One'), { schedule: 1 });
    await syncSchedules(database.em(), [...world.runners, chore], systemClock);
    // A daemon has been there once.
    await database.em().execute(`insert into tick (runner, slot, cause, daemon_id, ended_at, outcome) values ('Chore', now(), 'start', 999, now(), 'finished')`);
    const { daemon } = await startDaemon(world, { ...PATIENT, role: 'worker', system: [chore] });
    await world.add('a');
    await processed(world, 'Two', 'a');
    await daemon.untilIdle();
    expect(daemon.actor).toMatch(/^worker \d+ \(/);
    expect([chore.runs, await database.em().execute(`select daemon_id from tick`), daemon.ended]).toEqual([0, [{ daemon_id: 999 }], 2]);
    expect(await database.em().execute(`select role, running, concurrency from daemon`)).toEqual([{ role: 'worker', running: expect.any(Number), concurrency: 4 }]);
  });

  it('looks at nothing before a daemon has done what belongs to the start', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    const chore = new Chore();
    await syncSchedules(database.em(), [chore], systemClock);
    await database.em().execute(`update schedule set enabled = false`);
    await world.add('a');
    const worker = await createDaemon(world, { ...PATIENT, role: 'worker', system: [chore] });
    const begun = worker.daemon.begin();
    await vi.waitFor(() => expect(worker.lines.map(({ msg }) => msg)).toContain('waiting until a daemon has run "Chore"'), 10_000);
    const open = Promise.withResolvers<void>();
    chore.act = async () => {
      expect(worker.daemon.ended).toBe(0);
      await open.promise;
    };
    const daemon = await createDaemon({ ...world, tasks: [], runners: [] } as never, { ...PATIENT, system: [chore] });
    const daemonBegun = daemon.daemon.begin();
    await vi.waitFor(() => expect(chore.runs).toBe(1), 10_000);
    expect((await world.entry('a', 'One')).status).toBe('not processed');
    open.resolve();
    await Promise.all([begun, daemonBegun]);
    await processed(world, 'One', 'a');
    expect(await byWhom()).toEqual({ 'One a': worker.daemon.id });
  });

  it('that waits for a daemon stops when it is told to', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    const { daemon, lines } = await createDaemon(world, { ...PATIENT, role: 'worker', system: [new Chore()] });
    const begun = daemon.begin();
    await vi.waitFor(() => expect(lines.map(({ msg }) => msg)).toContain('waiting until a daemon has run "Chore"'), 10_000);
    await daemon.stop();
    await begun;
  });

  it('looks for work without being told every now and then, as it hears no tick', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await world.add('a');
    await syncSchedules(database.em(), world.runners, systemClock);
    await database.em().execute(`update schedule set enabled = false`);
    const { daemon } = await startDaemon(world, { ...PATIENT, followSeconds: 0.1, role: 'worker' });
    // Behind the back of all who listen.
    await database.em().execute(`update schedule set enabled = true`);
    await vi.waitFor(() => expect(daemon.ended).toBe(1), 10_000);
  });

  it('has its part in a task that works on schedule, though others win the slots', async () => {
    const world = await createWorld(database, { tasks: { Slow: { wakes: 'on schedule' } } });
    Object.assign(world.runner('Slow'), { schedule: 1, requires: ['gpu'] });
    await world.sync();
    await syncSchedules(database.em(), world.runners, systemClock);
    await startDaemon(world, PATIENT);
    const worker = await startDaemon(world, { ...PATIENT, role: 'worker', config: { labels: ['gpu'] } });
    await world.add('a');
    await processed(world, 'Slow', 'a');
    expect(await byWhom()).toEqual({ 'Slow a': worker.daemon.id });
  });
});

describe('a tick of a task that works on schedule', () => {
  it('is for all entries, though a limit lets one through at a time; what comes later waits for the next', async () => {
    const world = await createWorld(database, { tasks: { Slow: { wakes: 'on schedule' }, Fence: { kind: 'request' } } });
    Object.assign(world.runner('Slow'), { concurrency: 1 });
    await world.sync();
    await world.add('a', 'b', 'c');
    const { daemon } = await startDaemon(world, { ...PATIENT, role: 'worker' });
    await database.em().execute(`select pg_notify('afterglow_tick', 'Slow')`);
    await vi.waitFor(() => expect(daemon.ended).toBe(3), 10_000);
    // Notifications come in their order: when the fence is passed, all from before it are heard.
    const passFence = async (name: string) => {
      await world.add({ name, kind: 'request' });
      await processed(world, 'Fence', name);
      await daemon.untilIdle();
    };
    await passFence('one');
    await world.add('late');
    await passFence('two');
    expect(await world.statuses('Slow')).toEqual({ a: 'processed', b: 'processed', c: 'processed', late: 'not processed' });
  });
});

describe('labels', () => {
  it('that a runner requires leave its task to those who have them all', async () => {
    const world = await createWorld(database, { tasks: { Plain: {}, Fit: { needs: { Plain: 'processed' } }, Big: {} } });
    Object.assign(world.runner('Fit'), { requires: ['gpu'] });
    Object.assign(world.runner('Big'), { requires: ['gpu', 'memory'] });
    await world.sync();
    const plain = await startDaemon(world, PATIENT);
    await world.add('a');
    await processed(world, 'Plain', 'a');
    const gpu = await startDaemon(world, { ...PATIENT, role: 'worker', config: { labels: ['gpu'] } });
    await processed(world, 'Fit', 'a');
    // Said once by each, of the two that nobody could do, and of the one that nobody can.
    const said = (lines: { msg: string }[]) => lines.map(({ msg }) => msg).filter((msg) => msg.includes('which no living daemon has'));
    expect(said(plain.lines)).toEqual(['"Fit" requires "gpu", which no living daemon has.', '"Big" requires "gpu" and "memory", which no living daemon has.']);
    expect(said(gpu.lines)).toEqual(['"Big" requires "gpu" and "memory", which no living daemon has.']);
    const both = await startDaemon(world, { ...PATIENT, role: 'worker', config: { labels: ['fast', 'memory', 'gpu'] } });
    await processed(world, 'Big', 'a');
    expect(await byWhom()).toEqual({ 'Plain a': plain.daemon.id, 'Fit a': gpu.daemon.id, 'Big a': both.daemon.id });
  });

  it('that others have are waited for by who wants to be idle, and those that nobody has are not', async () => {
    const world = await createWorld(database, { tasks: { Plain: {}, Fit: { needs: { Plain: 'processed' } } } });
    Object.assign(world.runner('Fit'), { requires: ['gpu'] });
    await world.sync();
    const { daemon } = await startDaemon(world, { ...PATIENT, careSeconds: 0.1 });
    await world.add('a');
    await processed(world, 'Plain', 'a');
    await daemon.untilIdle();
    expect((await world.entry('a', 'Fit')).status).toBe('not processed');
    const open = gate();
    world.runner('Fit').does(open.script);
    await startDaemon(world, { ...PATIENT, role: 'worker', config: { labels: ['gpu'], concurrency: 1 } });
    await world.add('b');
    const idle = daemon.untilIdle();
    await processed(world, 'Plain', 'b');
    open.open();
    await idle;
    expect(await world.statuses('Fit')).toEqual({ a: 'processed', b: 'processed' });
  });
});

describe('a graph that others change', () => {
  it('is heard of: a task from another status is claimed from there, one that is new is done', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Two: {} } });
    await database.em().execute(`update task set active = false where name = 'Two'`);
    const { daemon } = await startDaemon(world, { ...PATIENT, role: 'worker', ...reads(world) });
    await world.add('a');
    await processed(world, 'One', 'a');
    expect((await world.entry('a', 'Two')).status).toBe('not processed');
    // What the start of another daemon does.
    Object.assign(world.runner('One'), { prerequisites: { One: 'needs a look' } });
    await database.em().execute(`update task set active = true`);
    await syncGraph(database.em(), createStatusMachine(STATUSES, ['needs a look']), world.runners);
    await processed(world, 'Two', 'a');
    await world.add('b');
    await database.em().execute(`update task_register r set status_id = m.id, cause = 'load', actor = 'test' from status m, subject s, task t
      where m.message = 'needs a look' and s.id = r.subject_id and s.name = 'b' and t.id = r.task_id and t.name = 'One'`);
    await processed(world, 'One', 'b');
    expect(daemon.ended).toBe(4);
  });

  it('is looked at every now and then, where nobody was told', async () => {
    const world = await createWorld(database, { tasks: { One: {} } });
    await database.em().execute(`update task set active = false`);
    await startDaemon(world, { ...PATIENT, followSeconds: 0.1, role: 'worker', ...reads(world), tasks: [] });
    await world.add('a');
    await database.em().execute(`update task set active = true`);
    await processed(world, 'One', 'a');
  });

  it('with a newer runner leaves that task to others, who are named once, and all else as it was', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Two: {} } });
    const open = gate();
    world.runner('One').on('a', open.script);
    const { daemon, lines } = await startDaemon(world, { ...PATIENT, followSeconds: 0.1, ...reads(world) });
    await world.add('a');
    await world.runner('One').began('a');
    await database.em().execute(`update task set runner_version = 8 where name = 'One'; select pg_notify('afterglow_graph', '')`);
    const sentence = expect.stringContaining('The runner of "One" is version 7 here, but version 8 has been at work');
    await vi.waitFor(() => expect(lines).toContainEqual(expect.objectContaining({ level: 40, msg: sentence })), 10_000);
    await world.add('b');
    await processed(world, 'Two', 'b');
    open.open();
    await processed(world, 'One', 'a');
    // Nothing that is left is for us.
    await daemon.untilIdle();
    expect(await world.statuses('One')).toEqual({ a: 'processed', b: 'not processed' });
    expect(lines.filter(({ msg }) => msg.includes('has been at work'))).toHaveLength(1);
  });

  it('with tasks that no runner here does is said by a worker', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Foreign: {} } });
    const { lines } = await startDaemon(world, { ...PATIENT, role: 'worker', readWork: () => readWork(database.em(), [world.runner('One')]) });
    expect(lines).toContainEqual(expect.objectContaining({ level: 40, msg: 'No runner here does "Foreign"; its entries wait for others.' }));
  });
});
