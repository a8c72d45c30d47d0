import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';
import { gate, hangs, obeys, writes } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const inProcessing = async () => (await database.em().execute<object[]>(`select from task_register where status_id = 2`)).length;

describe('an engine that is stopped', () => {
  it('lets what runs finish within the grace time', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const open = gate();
    world.runner('Match').does(open.script);
    const { engine } = world.engine();
    await engine.wake();
    await world.runner('Match').began('a');
    const stopped = engine.stop(60);
    open.open();
    await stopped;
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished' }]);
    expect(await inProcessing()).toBe(0);
  });

  it('hands back what has not finished by then, told or deaf, and keeps nothing of it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('obeys', 'hangs', 'wrote');
    world.runner('Match').on('obeys', obeys).on('hangs', hangs).on('wrote', writes('half', hangs));
    const { engine, lines } = world.engine();
    await engine.wake();
    await Promise.all(['obeys', 'hangs', 'wrote'].map((name) => world.runner('Match').began(name)));
    await engine.stop(0.05);
    expect(await world.statuses('Match')).toEqual({ obeys: 'not processed', hangs: 'not processed', wrote: 'not processed' });
    for (const name of ['obeys', 'hangs', 'wrote']) {
      expect(await world.attempts(name, 'Match')).toMatchObject([{ outcome: 'released', status: 'not processed', ended: true, error: null }]);
      expect(await world.entry(name, 'Match')).toMatchObject({ cause: 'release', attempt: 1, due_seconds: null, lease_owner: null, setbacks: 0 });
      expect(await world.transitions(name, 'Match')).toEqual(['claim: not processed > processing', 'release: processing > not processed']);
    }
    expect(await world.notes()).toEqual([]);
    expect(lines.filter(({ level }) => level >= 40)).toEqual([]);
  });

  it('hands back at once what was claimed and has not begun, though others still use their grace time', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add(...Array.from({ length: 30 }, (_, n) => `sn${n}`));
    const { engine } = world.engine({ concurrency: 1 });
    const held = gate();
    let runs = 0;
    world.runner('Match').does((subject, context) => ((runs += 1) === 20 ? held.script(subject, context) : 'processed'));
    const looked = engine.wake();
    await vi.waitFor(() => expect(runs).toBe(20));
    await vi.waitFor(async () => expect(await inProcessing()).toBeGreaterThan(1));
    const stopped = engine.stop(60);
    await vi.waitFor(async () => expect(await inProcessing()).toBe(1));
    expect(runs).toBe(20);
    held.open();
    await Promise.all([stopped, looked]);
    expect([await inProcessing(), engine.running]).toEqual([0, 0]);
    const outcomes = await database.em().execute<{ outcome: string; count: string }[]>(`select outcome, count(*) from attempt group by 1 order by 1`);
    expect(outcomes[0]).toEqual({ outcome: 'finished', count: '20' });
    expect(outcomes[1]!.outcome).toBe('released');
    expect(runs).toBe(20);
  });

  it('hands back what a claim brings that was on its way, even without a grace time', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: hangs } } });
    await world.add('a');
    const other = await database.connect('test');
    try {
      // A claim waits here for its attempt's row.
      await other.query('begin; lock table attempt in share mode');
      const { engine } = world.engine();
      const looked = engine.wake();
      await vi.waitFor(async () => expect((await other.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).rowCount).toBe(1));
      const stopped = engine.stop(0);
      await other.query('rollback');
      await Promise.all([stopped, looked]);
      expect(world.runner('Match').runs).toEqual([]);
      expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'released' }]);
      expect(await inProcessing()).toBe(0);
    } finally {
      await other.end();
    }
  });

  it('claims no more, whoever wakes it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const { engine } = world.engine();
    await engine.stop(0);
    await world.add('a');
    await engine.wake();
    await engine.wake(world.task('Match').id);
    expect(await world.statuses('Match')).toEqual({ a: 'not processed' });
  });

  it('leaves the rest to another one, whose attempts count on', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'b');
    world.runner('Match').does((subject, context) => (context.attempt === 1 ? obeys(subject, context) : 'processed'));
    const first = world.engine({ daemonId: 1 });
    await first.engine.wake();
    await world.runner('Match').began('b');
    await first.engine.stop(0);
    await world.engine({ daemonId: 2 }).work();
    expect(await world.attempts('b', 'Match')).toMatchObject([{ attempt: 1, outcome: 'released', daemon_id: 1 }, { attempt: 2, outcome: 'finished', daemon_id: 2 }]);
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed' });
  });

  it('hands an entry back to the status that it was claimed from', async () => {
    const world = await createWorld(database, { tasks: { Repair: { from: 'needs a look', does: obeys } } });
    await world.add('a');
    await world.put('a', 'Repair', 'needs a look');
    const { engine } = world.engine();
    await engine.wake();
    await world.runner('Repair').began('a');
    await engine.stop(0);
    expect(await world.transitions('a', 'Repair')).toEqual(['load: not processed > needs a look', 'claim: needs a look > processing', 'release: processing > needs a look']);
  });
});
