import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { LOOK } from '../../src/daemon/look.ts';
import { auditRegister } from '../../src/db/audit.ts';
import type { Database } from '../../src/db/database.ts';
import type { Run } from '../../src/db/hot.ts';
import { claim } from '../../src/engine/claim.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { readSnapshot } from '../../src/engine/explain/snapshot.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { readTransientsCsv } from '../../src/fixtures/read-csv.ts';
import { startDaemon } from '../daemon/start-daemon.ts';
import { createWorld } from '../engine/create-world.ts';
import { renewLeases } from '../engine/renew-leases.ts';
import { obeys } from '../engine/scripted-runner.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';

// What once went wrong in systems of this kind, each with where it was reported. Those that need a server of their own, a
// schedule or Redis are tried where these are; docs/reliability.md lists them all.

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const allAre = (status: string) => async () => {
  const rows = await database.em().execute<{ message: string }[]>(`select distinct s.message from task_register r join status s on s.id = r.status_id`);
  expect(rows.map(({ message }) => message)).toEqual([status]);
};
/** A daemon that nobody knows has the entry, and its lease is over. */
const strand = (world: World<'Match'>, subject: string) => world.put(subject, 'Match', 'processing', { owner: 999, seconds: -1 });

describe('dbos-transact-py', () => {
  it('#742: of two that rescue on one stale look only one wins', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    for (let round = 0; round < 10; round += 1) {
      await world.add(`sn${round}`);
      await strand(world, `sn${round}`);
      const both = await Promise.all([rescue(database.hot, 'daemon 1', [], 0), rescue(database.hot, 'daemon 2', [], 0)]);
      expect(both.flat()).toHaveLength(1);
      expect((await world.transitions(`sn${round}`, 'Match')).filter((line) => line.startsWith('rescue'))).toHaveLength(1);
    }
  });

  it.each(['', ' ', 'x'.repeat(65), 'x'.repeat(255), '../etc', 'a b', '\u202Eevil', 'na\u0000me', 'ünïcode', '💥', 'a--b', '-a'])('#759: a name like %j is refused at the door, with its line, and nothing of it is run', async (name) => {
    const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'afterglow-csv-')), 'given.csv');
    onTestFinished(() => rm(path.dirname(file), { recursive: true }));
    await writeFile(file, `name,ra,dec\n"${name}",10,20\n`);
    const { transients, problems } = await readTransientsCsv(file);
    expect([transients, problems[0]]).toEqual([[], expect.objectContaining({ line: 2 })]);
  });

  it('#759: the longest and the oddest name that is allowed runs once', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const names = ['x'.repeat(64), '0', 'NULL', 'constructor', 'a-b_c'];
    await world.add(...names);
    await world.engine().work();
    await allAre('processed')();
    expect(world.runner('Match').order.toSorted()).toEqual(names.toSorted());
  });

  it('#805: a lane of one is not wedged by an entry that was rescued', async () => {
    const world = await createWorld(database, { tasks: { Match: { concurrency: 1 } } });
    await world.add('a', 'b', 'c');
    await strand(world, 'a');
    const { daemon } = await startDaemon(world, { config: { leaseSeconds: 1 } });
    await daemon.untilIdle();
    await allAre('processed')();
    expect(world.runner('Match').order.toSorted()).toEqual(['a', 'b', 'c']);
  });
});

describe('river', () => {
  it('#1318: a thousand attempts that run long do not keep one from being rescued whose lease is over', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add(...Array.from({ length: 1500 }, (_, n) => `sn${n}`));
    await database.em().execute(`update task_register set status_id = 2, cause = 'claim', attempt = 1, lease_owner = 9, lease_until = clock_timestamp() + interval '1 hour'`);
    await database.em().execute(`update task_register set lease_until = clock_timestamp() where subject_id = (select id from subject where name = 'sn1499')`);
    expect(await rescue(database.hot, 'daemon 2', [], 0)).toMatchObject([{ subject: 'sn1499' }]);
  });

  it('#1288, #1331: an attempt without a time limit is never taken away while its lease lives', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: obeys } } });
    await world.add('a');
    const { engine } = world.engine({ leaseSeconds: 1 });
    await engine.wake();
    await world.runner('Match').began('a');
    const since = performance.now();
    let looks = 0;
    // As long as three leases.
    while (performance.now() - since < 3000) {
      await renewLeases(engine, database, 1);
      expect(await rescue(database.hot, 'daemon 2', [], 0)).toEqual([]);
      looks += 1;
    }
    expect(looks).toBeGreaterThan(10);
    expect(world.runner('Match').runs).toHaveLength(1);
  });
});

describe('graphile-worker', () => {
  it('#254: the last attempt of an entry, lost with its daemon, does not lock the lane that it was in', async () => {
    const world = await createWorld(database, { tasks: { Match: { concurrency: 1, retry: { attempts: 3 } } } });
    await world.add('a', 'b');
    await strand(world, 'a');
    await database.em().execute(`update task_register set setbacks = 2 where subject_id = (select id from subject where name = 'a')`);
    const { daemon } = await startDaemon(world, { config: { leaseSeconds: 1 } });
    await daemon.untilIdle();
    expect(await world.statuses('Match')).toEqual({ a: 'failed', b: 'processed' });
    expect(await world.entry('a', 'Match')).toMatchObject({ cause: 'give up', failure: 'machinery' });
  });

  it('#449: connections that break in the middle of claims leave nothing half claimed', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add(...Array.from({ length: 200 }, (_, n) => `sn${n}`));
    let claimed = 0;
    let broken = 0;
    const breaking = database.em().fork();
    const claimAs = (daemonId: number) => claim(database.hot.run, { ...world.task('Match'), version: 7 }, { daemonId, actor: 'test', leaseSeconds: 60 }, 5);
    for (let round = 0; round < 12; round += 1) {
      const claims = Promise.allSettled([1, 2, 3].map(claimAs));
      await breaking.execute(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'afterglow engine'`);
      for (const result of await claims) {
        if (result.status === 'fulfilled') claimed += result.value.length;
        else broken += 1;
      }
    }
    expect(broken).toBeGreaterThan(0);
    // A claim whose answer was lost may stand, but then it stands with its attempt and its lease.
    const [{ processing }] = await database.em().execute<[{ processing: number }]>(`select count(*)::int as processing from task_register where status_id = 2`);
    expect(processing).toBeGreaterThanOrEqual(claimed);
    expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
  });

  it('0.17.3: ids beyond 2^31 work everywhere', async () => {
    await database.em().execute(`alter sequence subject_id_seq restart with 5000000000; alter sequence transition_id_seq restart with 5000000000; alter sequence tick_id_seq restart with 5000000000`);
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } }, resources: [] });
    const [id] = await world.add('far');
    expect(Number(id)).toBeGreaterThanOrEqual(5_000_000_000);
    const { daemon } = await startDaemon(world);
    await daemon.untilIdle();
    await allAre('processed')();
    await resetEntries(database.em(), { subjects: ['far'] }, 'person ada');
    await daemon.untilIdle();
    expect(await world.attempts('far', 'Report')).toHaveLength(2);
    expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
  });
});

describe('hatchet #2538 and pg-boss #475', () => {
  it('a daemon that has nothing to do asks the database at most 60 times a minute', async () => {
    const tasks = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`T${n}`, {}]));
    const world = await createWorld(database, { tasks });
    await world.add('a', 'b');
    let asked = 0;
    let looks = 0;
    const counting = (run: Run): Run => (given, params) => {
      asked += 1;
      if (given === LOOK) looks += 1;
      return run(given, params);
    };
    const counted: Database = {
      ...database,
      em: () => countingManager(database.em(), () => (asked += 1)),
      // With its begin and its commit.
      hot: { ...database.hot, run: counting(database.hot.run), transaction: (act) => database.hot.transaction((run) => ((asked += 2), act(counting(run)))) },
    };
    const { daemon } = await startDaemon(world, { database: counted, careSeconds: 0.05 });
    await daemon.untilIdle();
    await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(3);
    const [before, looked] = [asked, looks];
    await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(looked + 20);
    const perLook = (asked - before) / (looks - looked);
    expect(perLook).toBeGreaterThanOrEqual(1);
    // A look every 5 s; beside it, in a minute, nine beats (every third of 20 s), three readings of the schedules and one of the graph.
    expect(perLook * 12 + 9 + 3 + 1).toBeLessThanOrEqual(60);
  });
});

/** An EntityManager that says when it sends a statement of its own. */
function countingManager(em: ReturnType<Database['em']>, onSend: () => void): ReturnType<Database['em']> {
  return new Proxy(em, {
    get(target, property) {
      if (property === 'execute') onSend();
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

describe('dagster', () => {
  it('#22553: why an object waits is read from its own rows, however many others there are', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Two: { needs: { One: 'processed' } }, Three: { needs: { Two: 'processed' } } } });
    await database.em().execute(`insert into subject (kind, name) select 'transient', 'sn' || n from generate_series(1, 5000) n`);
    await database.em().execute(`analyze task_register; analyze subject`);
    const plans: string[] = [];
    const explaining: Run = async ({ name, text }, params) => {
      plans.push(JSON.stringify(await database.hot.run({ name: `plan_${name}`, text: `explain (format json) ${text}` }, params)));
      return database.hot.run({ name, text }, params);
    };
    const snapshot = await readSnapshot(explaining, ['sn4711']);
    expect(snapshot.entries).toHaveLength(3);
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) expect(plan).not.toMatch(/"Node Type":\s*"Seq Scan"[^}]*"Relation Name":\s*"(task_register|subject|attempt)"/);
    expect(world.machine.statuses.length).toBeGreaterThan(3);
  });
});

describe('blast', () => {
  it('find(name): names that are the beginning or the inside of others are never confused', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, 'Match 2': {}, 'Rematch': {} } });
    await world.add('2022ab', '2022abc', 'x2022ab', '2022a');
    await world.engine().work();
    expect(await resetEntries(database.em(), { subjects: ['2022ab'], tasks: ['Match'] }, 'person ada')).toEqual([{ subject: '2022ab', task: 'Match', status: 'processed' }]);
    expect(await world.statuses('Match')).toEqual({ '2022ab': 'not processed', '2022abc': 'processed', x2022ab: 'processed', '2022a': 'processed' });
    expect(new Set(Object.values(await world.statuses('Match 2')))).toEqual(new Set(['processed']));
  });
});
