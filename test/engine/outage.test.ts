import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Galaxy } from '../../runners/tables/entities.ts';
import * as pipeline from '../../runners/index.ts';
import { systemClock } from '../../src/clock.ts';
import { thisProcess } from '../../src/daemon/process-identity.ts';
import { clientOptions } from '../../src/db/address.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { openHot, statement } from '../../src/db/hot.ts';
import { claim } from '../../src/engine/claim.ts';
import { deliver } from '../../src/engine/deliver.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { createDatabase } from '../harness.ts';
import { gate, hangs, writes } from './scripted-runner.ts';
import { wireTo } from './wire.ts';
import { openSpool } from '../../src/spool/spool.ts';
import { createWorld } from './create-world.ts';
import { listeningLog } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given() {
  const wire = await wireTo(database.address);
  const far = await openDatabase(wire.address, pipeline);
  // Not the seconds that a real network may need.
  const hot = openHot(clientOptions(wire.address), { statementSeconds: 0.5, answerSeconds: 1, connectSeconds: 1 });
  onTestFinished(async () => {
    await hot.close();
    await far.close();
  });
  const world = await createWorld(database, { tasks: { Match: {} } });
  await world.add('a');
  const me = thisProcess();
  const [daemon] = await database.em().execute<{ id: number }[]>(
    `insert into daemon (host, machine, pid, process_start, version, concurrency) values (?, ?, ?, ?, '0', 1) returning id`, [me.host, me.machine, me.pid, me.processStart],
  );
  const folder = path.join(mkdtempSync(path.join(os.tmpdir(), 'afterglow-outage-')), 'spool');
  onTestFinished(() => rmSync(path.dirname(folder), { recursive: true }));
  const { log, lines } = listeningLog();
  const spool = openSpool({ folder, me, clock: systemClock, log });
  const kept = () => (existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []);
  return { ...world.engine({ fork: () => far.em(), hot, spool, daemonId: daemon!.id, log }), wire, world, hot, spool, kept, folder, log, lines };
}

const leaseRunsOut = () => database.em().execute(`update task_register set lease_until = clock_timestamp() - interval '1 ms' where status_id = 2`);
const said = (lines: readonly { msg: string }[], text: string) => lines.filter(({ msg }) => msg.includes(text)).length;

describe('while the database is away', () => {
  it('a finished run is kept, and delivered when it is back', async () => {
    const { wire, world, engine, quiet, kept } = await given();
    const open = gate(() => ({ status: 'processed', result: { dear: 1 } }));
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    expect((await world.entry('a', 'Match')).status).toBe('processing');
    await vi.waitFor(() => expect(kept()).toHaveLength(1));
    await wire.mend();
    await quiet();
    expect(kept()).toEqual([]);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', status: 'processed', result: { dear: 1 } }]);
    expect(world.runner('Match').runs).toHaveLength(1);
  });

  it('what a runner had written is lost, and the entry waits to be run again, not failed', async () => {
    const { wire, world, engine, quiet, work } = await given();
    const open = gate();
    world.runner('Match').does(writes('half', (subject, context) => (context.attempt === 1 ? open.script(subject, context) : 'processed')));
    await engine.wake();
    await vi.waitFor(async () => expect((await database.em().execute<object[]>(`select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`)).length).toBe(1));
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    await wire.mend();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', failure: 'machinery', status: 'not processed' }]);
    expect(await world.notes()).toEqual([]);
    await work();
    expect([await world.statuses('Match'), await world.notes()]).toEqual([{ a: 'processed' }, ['half']]);
  });

  it('a runner that needs it is not at fault', async () => {
    const { wire, world, engine, quiet } = await given();
    const open = gate(async (_subject, { em }) => {
      await em.execute(`select 1`);
      return 'processed';
    });
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    await wire.mend();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', failure: 'machinery' }]);
  });

  it('a runner that cannot reach somebody else has failed like any other', async () => {
    const { world, work } = await given();
    world.runner('Match').does(() => {
      throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' });
    });
    await work();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', error: { code: 'ECONNREFUSED' } }]);
  });

  it('an engine can be stopped, and what it could not hand back is rescued when its lease is over', async () => {
    const { wire, world, engine, lines } = await given();
    world.runner('Match').does(hangs);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    await engine.stop(0.02);
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'the end of an attempt could not be written', subject: 'a' }));
    await database.em().execute(`update task_register set lease_until = clock_timestamp()`);
    expect(await rescue(database.hot, 'daemon 2', [], 0)).toHaveLength(1);
    await wire.mend();
  });
});

describe('a result that the database did not take', () => {
  /** A finished run, with the wire cut before its end could be written. */
  async function cutOff() {
    const all = await given();
    const open = gate(() => ({ status: 'processed', result: { dear: 1 } }));
    all.world.runner('Match').does(open.script);
    await all.engine.wake();
    await all.world.runner('Match').began('a');
    await all.wire.cut();
    open.open();
    await vi.waitFor(() => expect(all.kept()).toHaveLength(1));
    return all;
  }

  it('stays on disk when the daemon stops, and is delivered at the next start', async () => {
    const { wire, world, engine, spool, kept, lines, log } = await cutOff();
    await engine.stop(0.02);
    expect(kept()).toHaveLength(1);
    expect(said(lines, 'stays in the spool')).toBe(1);
    expect(said(lines, 'could not be written')).toBe(0);
    await wire.mend();
    expect(await deliver(database.hot, spool, log)).toBe(1);
    expect(kept()).toEqual([]);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', status: 'processed', result: { dear: 1 } }]);
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
  });

  it('counts though its entry was rescued meanwhile, as long as nobody has claimed it again', async () => {
    const { wire, world, engine, quiet, kept, lines } = await cutOff();
    await leaseRunsOut();
    expect(await rescue(database.hot, 'daemon 9', [], 0)).toHaveLength(1);
    await wire.mend();
    await quiet();
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'rescue: processing > not processed', 'deliver: not processed > processed']);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', failure: null, error: null, result: { dear: 1 } }]);
    expect(await world.entry('a', 'Match')).toMatchObject({ setbacks: 0, failure: null, reason: null, due_seconds: null });
    expect([kept(), said(lines, 'came too late'), engine.ended]).toEqual([[], 0, 1]);
  });

  it('is put aside, not lost, when somebody else has claimed its entry', async () => {
    const { wire, world, quiet, kept, folder, lines } = await cutOff();
    await leaseRunsOut();
    await rescue(database.hot, 'daemon 9', [], 0);
    expect(await claim(database.hot.run, { ...world.task('Match'), version: 7 }, { daemonId: 9, actor: 'daemon 9', leaseSeconds: 60 }, 1)).toHaveLength(1);
    await wire.mend();
    await quiet();
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'processing', attempt: 2, lease_owner: 9 });
    expect([kept(), readdirSync(path.join(folder, 'late')).length, said(lines, 'came too late')]).toEqual([[], 1, 1]);
  });

  it('stays in memory where the spool cannot be written, which is said once', async () => {
    const { wire, world, engine, quiet, folder, lines } = await given();
    await world.add('b');
    writeFileSync(folder, 'no folder');
    const open = gate();
    world.runner('Match').does(open.script);
    await engine.wake();
    await Promise.all([world.runner('Match').began('a'), world.runner('Match').began('b')]);
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(said(lines, 'cannot be kept in the spool')).toBe(1));
    await wire.mend();
    await quiet();
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed' });
    expect(said(lines, 'cannot be kept in the spool')).toBe(1);
  });

  it('with entities that the runner marked and did not write is committed with them when the database is back', async () => {
    const { wire, world, engine, quiet } = await given();
    await database.em().nativeDelete(Galaxy, {});
    const open = gate((_subject, { em }) => {
      em.persist(em.create(Galaxy, { name: 'M31', raDeg: 10.68, decDeg: 41.27, magnitude: 3.4, majorAxisArcmin: 190, minorAxisArcmin: 60, type: 'S' }));
      return 'processed';
    });
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    await wire.cut();
    open.open();
    await vi.waitFor(() => expect(engine.running).toBe(0));
    await wire.mend();
    await quiet();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', status: 'processed' }]);
    expect(await database.em().count(Galaxy, {})).toBe(1);
  });
});

describe('an answer that gets lost', () => {
  it('does not make a result that was written one that came too late', async () => {
    const { wire, world, engine, quiet, lines } = await given();
    const open = gate(() => ({ status: 'processed', result: { dear: 1 } }));
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    wire.deafen();
    open.open();
    await vi.waitFor(async () => expect((await world.entry('a', 'Match')).status).toBe('processed'));
    expect(engine.leases.size).toBe(1);
    await quiet();
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
    expect(said(lines, 'came too late')).toBe(0);
  });

  it('does not make one that was committed with its runner\'s rows one that came too late', async () => {
    const { wire, world, engine, quiet, lines } = await given();
    const open = gate();
    world.runner('Match').does(writes('kept', open.script));
    await engine.wake();
    await world.runner('Match').began('a');
    await vi.waitFor(async () => expect((await database.em().execute<object[]>(`select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`)).length).toBe(1));
    // What was written before is answered.
    wire.deafenAt('commit');
    open.open();
    await vi.waitFor(async () => expect((await world.entry('a', 'Match')).status).toBe('processed'));
    await wire.cut();
    await wire.mend();
    await quiet();
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
    expect([await world.notes(), said(lines, 'came too late')]).toEqual([['kept'], 0]);
  });

  it('to a claim costs one lease: its entries are rescued, and run', async () => {
    const { wire, world, hot, engine, work } = await given();
    // The connection that the claim will go through.
    await hot.run(statement('select 1'), []);
    wire.deafen();
    const woken = engine.wake();
    await vi.waitFor(async () => expect((await world.entry('a', 'Match')).status).toBe('processing'));
    await woken;
    expect(engine.leases.size).toBe(0);
    await leaseRunsOut();
    expect(await rescue(database.hot, 'daemon 9', [], 0)).toHaveLength(1);
    await work();
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'rescued' }, { outcome: 'finished' }]);
  });
});

describe('a database that takes nothing because its disk is full', () => {
  it('has results wait for it and claims tried again, though nobody says when there is room', async () => {
    const { world, hot, spool, log, lines, kept } = await given();
    let isFull = false;
    const { engine } = world.engine({ spool, log, hot: { ...hot, run: (...args) => (isFull ? Promise.reject(Object.assign(new Error('could not extend file'), { code: '53100' })) : hot.run(...args)) } });
    const open = gate();
    world.runner('Match').does(open.script);
    await engine.wake();
    await world.runner('Match').began('a');
    isFull = true;
    await world.add('b');
    await engine.wake();
    open.open();
    await vi.waitFor(() => expect([kept().length, said(lines, 'could not claim; trying again in 2 s')]).toEqual([1, 1]));
    isFull = false;
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed' }), 10_000);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', failure: null }]);
  });
});

describe('a network that goes silent', () => {
  it('holds nobody up for longer than a statement may take: ends and claims go on through new connections, and nothing is lost', async () => {
    const { wire, world, engine, work, lines, kept } = await given();
    const open = gate();
    world.runner('Match').does(open.script);
    await world.add('b', 'c');
    await engine.wake();
    await Promise.all(['a', 'b', 'c'].map((name) => world.runner('Match').began(name)));
    wire.silence();
    await world.add('d');
    open.open();
    await work();
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed', c: 'processed', d: 'processed' });
    expect(world.runner('Match').order.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect([said(lines, 'came too late'), kept()]).toEqual([0, []]);
  });
});
