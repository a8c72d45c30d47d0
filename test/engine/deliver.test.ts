import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { thisProcess } from '../../src/daemon/process-identity.ts';
import { claim } from '../../src/engine/claim.ts';
import { deliver } from '../../src/engine/deliver.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import type { KeptEnding } from '../../src/spool/kept-ending.ts';
import { openSpool } from '../../src/spool/spool.ts';
import { createDatabase } from '../harness.ts';
import { deadProcess, keptEnding } from '../spool/kept-endings.ts';
import { createWorld } from './create-world.ts';
import { wireTo } from './wire.ts';
import { listeningLog } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** An entry that a daemon claimed which is dead now, and the result that it left in its spool. */
async function given(result: Partial<KeptEnding> = {}, names: readonly string[] = ['a']) {
  const world = await createWorld(database, { tasks: { Match: {}, Next: { needs: { Match: 'processed' } } } });
  const ids = await world.add(...names);
  const dead = deadProcess();
  const [daemon] = await database.em().execute<{ id: number }[]>(
    `insert into daemon (host, machine, pid, process_start, version, concurrency) values (?, ?, ?, ?, '0', 1) returning id`, [dead.host, dead.machine, dead.pid, dead.processStart],
  );
  const take = () => claim(database.hot.run, { ...world.task('Match'), version: 7 }, { daemonId: daemon!.id, actor: `daemon ${daemon!.id}`, leaseSeconds: 0 }, 10);
  await take();
  const parent = mkdtempSync(path.join(os.tmpdir(), 'afterglow-deliver-'));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  const folder = path.join(parent, 'spool');
  const { log, lines } = listeningLog();
  const theirs = openSpool({ folder, me: dead, clock: systemClock, log });
  const keepAgain = async () => {
    for (const [place, subject] of names.entries()) {
      (await theirs.keep(keptEnding({ subject, subjectId: ids[place]!, actor: `daemon ${daemon!.id}`, daemon: { ...dead, id: daemon!.id }, ...result }))).leave();
    }
  };
  await keepAgain();
  const spool = openSpool({ folder, me: thisProcess(), clock: systemClock, log });
  const files = () => [folder, path.join(folder, 'late')].map((place) => (existsSync(place) ? readdirSync(place).filter((name) => name.endsWith('.json')).length : 0));
  const why = () => lines.map(({ msg }) => msg).filter((msg) => msg.startsWith('a result of the spool is not recorded: ')).map((msg) => msg.slice(39));
  return { world, spool, log, lines, files, why, take, keepAgain, daemonId: daemon!.id };
}

describe('what a killed daemon left in the spool', () => {
  it('is recorded as if it had lived, and wakes the dependents', async () => {
    const { world, spool, log, files, daemonId } = await given({ warning: 'w', cost: 3, log: [{ message: 'seen' }] });
    expect(await deliver(database.hot, spool, log)).toBe(1);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'processed', attempt: 1, cause: 'finish', actor: `daemon ${daemonId}`, lease_owner: null, warning: 'w', wall_seconds: 7200 });
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', result: { dear: 1 }, cost: 3, wall_seconds: 7200, cpu_seconds: 7100, log: [{ message: 'seen' }], ended: true }]);
    expect((await world.entry('a', 'Next')).unmet).toBe(0);
    expect(files()).toEqual([0, 0]);
  });

  it('counts after a rescue and before the next claim, whatever the runner said', async () => {
    const { world, spool, log } = await given({ status: 'failed', cause: 'fail', outcome: 'failed', failure: 'science', error: { message: 'no star' }, reason: 'no star' });
    await rescue(database.hot, 'daemon 9', [], 0);
    expect(await deliver(database.hot, spool, log)).toBe(1);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'failed', cause: 'deliver', failure: 'science', reason: 'no star', setbacks: 0 });
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'failed', failure: 'science', error: { message: 'no star' } }]);
  });

  it('that its runner had sent back waits as long as it would have', async () => {
    const { world, spool, log } = await given({ status: 'not processed', dueInSeconds: 60 });
    await rescue(database.hot, 'daemon 9', [], 0);
    expect(await deliver(database.hot, spool, log)).toBe(1);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', setbacks: 0 });
    expect((await world.entry('a', 'Match')).due_seconds).toBeGreaterThan(50);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'finished', result: { dear: 1 } }]);
  });

  it('is recorded once, though it was written before the daemon was killed, or is delivered twice', async () => {
    const { world, spool, log, files, lines, keepAgain } = await given();
    await deliver(database.hot, spool, log);
    await keepAgain();
    expect(files()).toEqual([1, 0]);
    expect(await deliver(database.hot, spool, log)).toBe(0);
    expect(files()).toEqual([0, 0]);
    expect(lines.filter(({ level }) => level > 30)).toEqual([]);
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
  });

  it('is delivered in the order in which it came, and what is left when the database goes away is delivered later', async () => {
    const { world, spool, log, files } = await given({}, ['a', 'b', 'c']);
    const wire = await wireTo(database.address);
    const far = await openDatabase(wire.address);
    onTestFinished(() => far.close());
    // The third statement: the first one's delivery is two.
    let statements = 0;
    const hot: typeof far.hot = { ...far.hot, run: async (...args) => {
      statements += 1;
      if (statements === 3) await wire.cut();
      return far.hot.run(...args);
    } };
    await expect(deliver(hot, spool, log)).rejects.toThrow();
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processing', c: 'processing' });
    expect(files()).toEqual([2, 0]);
    expect(await deliver(database.hot, spool, log)).toBe(2);
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed', c: 'processed' });
    await wire.mend();
  });
});

describe('what is in the spool and cannot be recorded is set aside with a line that says why', () => {
  it('when somebody has claimed its entry since', async () => {
    const { world, spool, log, files, why, take, daemonId } = await given();
    await rescue(database.hot, 'daemon 9', [], 0);
    await take();
    expect(await deliver(database.hot, spool, log)).toBe(0);
    expect(why()).toEqual([`the entry is "processing" now, on attempt 2 (claim by daemon ${daemonId})`]);
    expect(files()).toEqual([0, 1]);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ outcome: 'rescued', result: null }, { outcome: 'running' }]);
  });

  it('when a person has reset its entry', async () => {
    const { world, spool, log, files, why } = await given();
    await resetEntries(database.em(), {}, 'dora');
    await deliver(database.hot, spool, log);
    expect([why(), files()]).toEqual([['the entry is "not processed" now, on attempt 1 (reset by dora)'], [0, 1]]);
    expect((await world.entry('a', 'Match')).status).toBe('not processed');
  });

  it('when its entry was given up', async () => {
    const { spool, log, why } = await given();
    await database.em().execute(`update task_register set setbacks = 4 where status_id = 2`);
    await rescue(database.hot, 'daemon 9', [], 0);
    await deliver(database.hot, spool, log);
    expect(why()).toEqual(['the entry is "failed" now, on attempt 1 (give up by daemon 9)']);
  });

  it('when the data folder was used with another database', async () => {
    const { world, spool, log, why, files } = await given({ daemon: { ...deadProcess(), id: 1, pid: 17 } });
    await deliver(database.hot, spool, log);
    expect([why(), files()]).toEqual([['its attempt was not made in this database'], [0, 1]]);
    expect((await world.entry('a', 'Match')).status).toBe('processing');
  });

  it('when its task, its status or its object is there no more', async () => {
    for (const [gone, said] of [
      [{ task: 'Old' }, 'there is no task "Old"'], [{ status: 'wonderful' }, 'there is no status "wonderful"'], [{ subject: 'z' }, 'its attempt was not made in this database'],
    ] as const) {
      const { spool, log, why } = await given(gone);
      await deliver(database.hot, spool, log);
      expect(why()).toEqual([said]);
    }
  });

  it('when the database refuses it, and the next one is looked at all the same', async () => {
    const { world, spool, log, why, files } = await given({ warning: 'a\0b' }, ['a', 'b']);
    await deliver(database.hot, spool, log);
    expect([why(), files()]).toEqual([['the database refuses it', 'the database refuses it'], [0, 2]]);
    expect(await world.statuses('Match')).toEqual({ a: 'processing', b: 'processing' });
  });
});
