import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';
import { renewLeases } from './renew-leases.ts';
import { gate, hangs, obeys } from './scripted-runner.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given({ limit, settleSeconds = 0.05 }: { limit?: number; settleSeconds?: number }) {
  const world = await createWorld(database, { tasks: { Match: { limit } } });
  await world.add('a');
  return { world, runner: world.runner('Match'), ...world.engine({ settleSeconds }) };
}

describe('a runner that does not stop at its time limit', () => {
  it('is given up, and counted and named as unsettled until it comes to an end', async () => {
    const { world, runner, engine, work, lines } = await given({ limit: 0.05 });
    const open = gate();
    runner.does(open.script);
    await work();
    expect(await world.statuses('Match')).toEqual({ a: 'time limit exceeded' });
    await vi.waitFor(() => expect(engine.unsettled.all).toMatchObject([{ task: 'Match', subject: 'a', attempt: 1, since: expect.any(Date) }]));
    expect(engine.unsettled.troubles).toEqual([expect.stringMatching(/^1 unsettled: told to stop and given up, but still running: "Match" of a \(for \d+ s\)$/)]);
    expect(lines).toContainEqual(expect.objectContaining({ level: 40, task: 'Match', subject: 'a', attempt: 1, msg: '"Match" of a was told to stop and given up, but its runner still runs' }));
    expect([engine.running, engine.quiet]).toEqual([0, true]);
    open.open();
    await vi.waitFor(() => expect(engine.unsettled.all).toEqual([]));
    expect(engine.unsettled.troubles).toEqual([]);
    expect(lines).toContainEqual(expect.objectContaining({ level: 30, subject: 'a', msg: expect.stringMatching(/^the runner of "Match" of a has come to an end, \d+ s after it was given up$/) }));
  });

  it('is named with all others, five at most', async () => {
    const { world, runner, engine, work } = await given({ limit: 0.05 });
    await world.add('b', 'c', 'd', 'e', 'f', 'g');
    runner.does(hangs);
    await work();
    await vi.waitFor(() => expect(engine.unsettled.all).toHaveLength(7));
    expect(engine.unsettled.troubles).toEqual([expect.stringMatching(/^7 unsettled: .*"Match" of a .*"Match" of e \(for \d+ s\), 2 more$/)]);
  });

  it('but within its time to settle is not unsettled', async () => {
    const { runner, engine, work, lines } = await given({ limit: 0.05, settleSeconds: 5 });
    runner.does(obeys);
    await work();
    expect(engine.unsettled.all).toEqual([]);
    expect(lines.map(({ msg }) => msg)).toEqual([expect.stringContaining('attempt failed')]);
  });
});

describe('a runner whose entry was taken away', () => {
  it('is given up at once, and unsettled when it has not stopped soon', async () => {
    const { runner, engine } = await given({ settleSeconds: 0.2 });
    runner.does((subject, context) => (context.attempt === 1 ? hangs(subject, context) : 'processed'));
    await engine.wake();
    await runner.began('a');
    await resetEntries(database.em(), {}, 'dora');
    await renewLeases(engine, database, 60);
    await vi.waitFor(() => expect(engine.leases.size).toBe(0));
    expect(engine.unsettled.all).toEqual([]);
    await vi.waitFor(() => expect(engine.unsettled.all).toMatchObject([{ subject: 'a', attempt: 1 }]));
  });

  it('and that obeys is never unsettled', async () => {
    const { runner, engine, lines } = await given({ settleSeconds: 0 });
    runner.does(obeys);
    await engine.wake();
    await runner.began('a');
    await resetEntries(database.em(), {}, 'dora');
    await renewLeases(engine, database, 60);
    await vi.waitFor(() => expect(engine.leases.size).toBe(0));
    expect(engine.unsettled.all).toEqual([]);
    expect(lines.map(({ msg }) => msg)).toEqual(['an attempt came too late and wrote nothing']);
  });
});
