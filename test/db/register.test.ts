import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import type { Run } from '../../src/db/hot.ts';
import { refreshStatistics } from '../../src/db/statistics.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { claim } from '../../src/engine/claim.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { createWorld } from '../engine/create-world.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const DIAMOND = {
  Top: {},
  Left: { needs: { Top: 'processed' } },
  Right: { needs: { Top: 'processed' } },
  Bottom: { needs: { Left: 'processed', Right: 'processed' } },
  Early: { needs: { Top: 'not processed', Left: 'not processed' } },
};
const unmet = async (subject: string): Promise<Record<string, number>> => {
  const rows = await database.em().execute<{ task: string; unmet: number }[]>(
    `select t.name as task, r.unmet from task_register r join task t on t.id = r.task_id join subject s on s.id = r.subject_id where s.name = ? order by t.id`, [subject],
  );
  return Object.fromEntries(rows.map(({ task, unmet: count }) => [task, count]));
};
const moveTo = (world: World, text: string) => `update task_register r set status_id = ${world.statusIds.get(text)}`;
const named = (subject: string, task: string) => `(r.subject_id, r.task_id) = (select s.id, t.id from subject s, task t where s.name = '${subject}' and t.name = '${task}')`;

describe('a subject that is added', () => {
  it('by whatever statement has its entries at once, with what is unmet', async () => {
    const world = await createWorld(database, { tasks: { ...DIAMOND, Answer: { kind: 'request' } } });
    await database.em().execute(`insert into subject (kind, name, public_timestamp, priority) values ('transient', 'a', '2010-02-28', 3), ('transient', 'b', null, 0), ('request', 'r', null, 0), ('other', 'o', null, 0)`);
    expect(await unmet('a')).toEqual({ Top: 0, Left: 1, Right: 1, Bottom: 2, Early: 0 });
    expect(await unmet('b')).toEqual(await unmet('a'));
    expect([await unmet('r'), await unmet('o')]).toEqual([{ Answer: 0 }, {}]);
    const rows = await database.em().execute<object[]>(
      `select distinct s.name, r.public_timestamp = '2010-02-28' as dated, r.public_timestamp = 'infinity' as undated, r.priority, st.message, r.attempt
         from task_register r join subject s on s.id = r.subject_id join status st on st.id = r.status_id where s.kind = 'transient' order by 1`,
    );
    expect(rows).toEqual([
      { name: 'a', dated: true, undated: false, priority: 3, message: 'not processed', attempt: 0 },
      { name: 'b', dated: false, undated: true, priority: 0, message: 'not processed', attempt: 0 },
    ]);
    expect(await countDrift(database.em())).toBe(0);
    expect(await world.transitions('a', 'Top')).toEqual([]);
  });

  it('wakes the tasks that can begin with it, and no other', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    const heard = await listening(() => database.em().execute(`insert into subject (kind, name) values ('transient', 'a'), ('transient', 'b')`));
    expect(heard.toSorted()).toEqual([world.task('Top').id, world.task('Early').id].map(String).toSorted());
  });

  it('and removed again takes everything of it along, and nothing of others', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a', 'ab');
    await world.engine().work();
    await database.em().execute(`delete from subject where name = 'a'`);
    const [left] = await database.em().execute<object[]>(
      `select (select count(*)::int from task_register) as entries, (select count(distinct subject_id)::int from attempt) as attempts, (select count(distinct subject_id)::int from transition) as transitions, (select count(*)::int from transient) as transients`,
    );
    expect(left).toEqual({ entries: 5, attempts: 1, transitions: 1, transients: 1 });
  });

  it('may have an id beyond 2^31 and beyond 2^53, through claim, run, result, retry and reset', async () => {
    for (const start of ['2147483640', '9007199254740990']) {
      const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
      await database.em().execute(`alter sequence subject_id_seq restart with ${start}; alter sequence transition_id_seq restart with ${start}`);
      const names = Array.from({ length: 20 }, (_, n) => `sn${n}`);
      const ids = await world.add(...names);
      expect(ids).toEqual(names.map((_, n) => String(BigInt(start) + BigInt(n))));
      const seen: unknown[] = [];
      world.runner('Match').does(({ id, name }, { attempt }) => (name === 'sn7' && attempt === 1 ? 'failed' : { status: 'processed', result: id }));
      world.runner('Report').does(async ({ id }, { result, idempotencyKey }) => (seen.push([id, await result('Match'), idempotencyKey.startsWith(`${id}-`)]), 'processed'));
      const { work } = world.engine();
      await work();
      await resetEntries(database.em(), { subjects: ['sn7', 'sn3'] }, 'dora');
      await work();
      expect(new Set(Object.values(await world.statuses('Report')))).toEqual(new Set(['processed']));
      expect(seen).toHaveLength(21);
      for (const one of seen as [string, string, boolean][]) expect(one).toEqual([one[0], one[0], true]);
      expect(new Set((seen as [string][]).map(([id]) => id))).toEqual(new Set(ids));
      expect(await world.attempts('sn7', 'Match')).toMatchObject([{ outcome: 'finished', status: 'failed' }, { outcome: 'finished', status: 'processed' }]);
      expect(await countDrift(database.em())).toBe(0);
    }
    await database.em().execute(`alter sequence subject_id_seq restart with 1; alter sequence transition_id_seq restart with 1`);
  });
});

describe('a move', () => {
  it('to what dependents wait for lowers their count, and away from it raises it again', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a', 'b');
    await world.put('a', 'Top', 'processing');
    expect(await unmet('a')).toEqual({ Top: 0, Left: 1, Right: 1, Bottom: 2, Early: 1 });
    await world.put('a', 'Top', 'processed');
    expect(await unmet('a')).toEqual({ Top: 0, Left: 0, Right: 0, Bottom: 2, Early: 1 });
    await world.put('a', 'Left', 'processed');
    expect(await unmet('a')).toEqual({ Top: 0, Left: 0, Right: 0, Bottom: 1, Early: 2 });
    await world.put('a', 'Top', 'failed');
    expect(await unmet('a')).toEqual({ Top: 0, Left: 1, Right: 1, Bottom: 1, Early: 2 });
    await world.put('a', 'Top', 'not processed');
    await world.put('a', 'Left', 'not processed');
    expect(await unmet('a')).toEqual({ Top: 0, Left: 1, Right: 1, Bottom: 2, Early: 0 });
    expect(await unmet('b')).toEqual(await unmet('a'));
    expect(await countDrift(database.em())).toBe(0);
  });

  it('that is rolled back leaves counts, log and ears as they were', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a');
    const heard = await listening(() =>
      database.em().transactional(async (em) => {
        await em.execute(`${moveTo(world, 'processed')}, cause = 'load' where ${named('a', 'Top')}`);
        throw new Error('no');
      }).catch(() => {}),
    );
    expect([await unmet('a'), await world.transitions('a', 'Top'), heard]).toEqual([{ Top: 0, Left: 1, Right: 1, Bottom: 2, Early: 0 }, [], []]);
  });

  it('wakes a dependent when its last prerequisite is met, not before', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a');
    expect(await listening(() => world.put('a', 'Left', 'processed'))).toEqual([]);
    expect(await listening(() => world.put('a', 'Right', 'processed'))).toEqual([String(world.task('Bottom').id)]);
    expect(await listening(() => world.put('a', 'Bottom', 'processed'))).toEqual([]);
  });

  it('of two prerequisites at once, in two transactions, ends at no unmet one', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a');
    const [one, two] = [await database.connect('one'), await database.connect('two')];
    try {
      await one.query('begin');
      await two.query('begin');
      await one.query(`${moveTo(world, 'processed')}, cause = 'load' where ${named('a', 'Left')}`);
      const second = two.query(`${moveTo(world, 'processed')}, cause = 'load' where ${named('a', 'Right')}`);
      // The second counts nothing before the first is committed.
      await vi.waitFor(async () => expect((await one.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).rowCount).toBe(1));
      await one.query('commit');
      await second;
      await two.query('commit');
    } finally {
      await Promise.all([one.end(), two.end()]);
    }
    expect((await unmet('a')).Bottom).toBe(0);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('of a prerequisite and its dependent in one statement counts both', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a');
    for (const task of ['Top', 'Left', 'Right', 'Bottom'] as const) await world.put('a', task, 'processed');
    await resetEntries(database.em(), {}, 'dora');
    expect(await unmet('a')).toEqual({ Top: 0, Left: 1, Right: 1, Bottom: 2, Early: 0 });
    expect(await countDrift(database.em())).toBe(0);
  });
});

describe('a move that the status machine does not know', () => {
  const refused = async (sql: string) => {
    const error = await database.em().execute(sql).then(() => undefined, (caught: unknown) => caught as { code: string; message: string; hint: string });
    expect(error).toMatchObject({ code: 'AG001' });
    return error!;
  };

  it('is refused whoever writes it, naming task, subject, cause and both statuses', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('2010ag');
    await world.put('2010ag', 'Top', 'processed');
    const { message, hint } = await refused(`${moveTo(world, 'processing')}, cause = 'claim' where ${named('2010ag', 'Top')}`);
    expect(message).toContain('the status machine has no move "claim" from "processed" to "processing" ("Top" of 2010ag)');
    expect(hint).toContain('afterglow reset');
    expect((await world.entry('2010ag', 'Top')).status).toBe('processed');
  });

  it('is refused where the writer says no cause, or a wrong one', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a');
    await world.put('a', 'Top', 'processing');
    expect((await refused(`${moveTo(world, 'processed')} where ${named('a', 'Top')}`)).message).toContain('no move "claim" from "processing" to "processed"');
    await refused(`${moveTo(world, 'processed')}, cause = 'wish' where ${named('a', 'Top')}`);
    await refused(`${moveTo(world, 'processed')}, cause = 'fail' where ${named('a', 'Top')}`);
    await refused(`${moveTo(world, 'processing')}, cause = 'load' where ${named('a', 'Left')}`);
    expect(await world.transitions('a', 'Top')).toEqual(['claim: not processed > processing']);
  });

  it('is refused where the status is none at all', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a');
    expect((await refused(`update task_register r set status_id = 32000, cause = 'load' where ${named('a', 'Top')}`)).message).toContain('to "status 32000"');
  });

  it('takes the legal ones of its statement down with it', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'b', 'c');
    await world.put('b', 'Match', 'failed');
    expect((await refused(`${moveTo(world, 'processed')}, cause = 'load'`)).message).toContain('of b)');
    expect(await world.statuses('Match')).toEqual({ a: 'not processed', b: 'failed', c: 'not processed' });
    expect(await world.transitions('a', 'Match')).toEqual([]);
  });
});

describe('the check for drift', () => {
  it('finds a counter or a status that was changed behind the trigger, and counts the entries', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('a', 'b');
    expect(await countDrift(database.em())).toBe(0);
    const behind = async (sql: string) =>
      database.em().transactional(async (em) => {
        await em.execute(`set local session_replication_role = replica`);
        await em.execute(sql);
      });
    await behind(`update task_register r set unmet = unmet + 1 where ${named('a', 'Top')}`);
    expect(await countDrift(database.em())).toBe(1);
    await behind(`update task_register r set unmet = unmet - 1 where ${named('a', 'Top')}`);
    await behind(`${moveTo(world, 'processed')} where ${named('b', 'Top')}`);
    // Left, Right and Early of b.
    expect(await countDrift(database.em())).toBe(3);
  });
});

describe('names that begin alike', () => {
  it('are not taken for each other, of tasks and of subjects', async () => {
    const world = await createWorld(database, { tasks: { Host: {}, 'Host match': { needs: { Host: 'processed' } }, 'Host match final': { needs: { 'Host match': 'processed' } } } });
    await world.add('2010a', '2010ag', '2010agx');
    await world.put('2010ag', 'Host', 'processed');
    expect(await unmet('2010ag')).toEqual({ Host: 0, 'Host match': 0, 'Host match final': 1 });
    for (const other of ['2010a', '2010agx']) expect(await unmet(other)).toEqual({ Host: 0, 'Host match': 1, 'Host match final': 1 });
    await world.put('2010a', 'Host match', 'processed');
    await resetEntries(database.em(), { subjects: ['2010a'], tasks: ['Host'] }, 'dora');
    expect(await world.statuses('Host match')).toEqual({ '2010a': 'processed', '2010ag': 'not processed', '2010agx': 'not processed' });
    await world.engine().work();
    expect(world.runner('Host match').order.toSorted()).toEqual(['2010ag', '2010agx']);
  });
});

describe('a claim among 20,000 subjects', () => {
  it('reads the partial index of its status and a few pages of it', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } }, Repair: { from: 'needs a look' } } });
    await database.em().execute(`insert into subject (kind, name, public_timestamp) select 'transient', 'sn' || n, timestamptz '2010-01-01' + n * interval '1 hour' from generate_series(1, 20000) n`);
    await database.em().execute(`${moveTo(world, 'needs a look')}, cause = 'load' where r.task_id = ${world.task('Repair').id} and r.subject_id % 10 = 0`);
    // What a daemon does when it begins.
    expect(await refreshStatistics(database.em())).toBe(true);
    expect(await refreshStatistics(database.em())).toBe(false);
    for (const [task, index, found] of [['Match', 'ready_1', 10], ['Report', 'ready_1', 0], ['Repair', `ready_${world.task('Repair').claimFromId}`, 10]] as const) {
      const { node, rows, buffers } = await explainClaim(world, task);
      expect([task, node['Node Type'], node['Index Name'], rows]).toEqual([task, 'Index Scan', index, found]);
      expect(buffers).toBeLessThan(80);
    }
  });
});

interface PlanNode {
  'Node Type': string;
  'Index Name'?: string;
  'Subplan Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

/** How PostgreSQL chose what a claim takes: the node that reads the register, its rows, and the pages of the whole choice. */
async function explainClaim<Name extends string>(world: World<Name>, task: Name) {
  let plan: PlanNode | undefined;
  const explain: Run = async ({ name, text }, params) => {
    const [row] = await database.hot.run<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({ name: `explain_${name}`, text: `explain (analyze, buffers, format json) ${text}` }, params);
    plan = row!['QUERY PLAN'][0].Plan;
    return [];
  };
  await claim(explain, { ...world.task(task), version: 7 }, { daemonId: 1, actor: 'test', leaseSeconds: 60 }, 10);
  const all = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(all)];
  const eligible = all(plan!).find((node) => node['Subplan Name'] === 'CTE eligible')!;
  const node = all(eligible).find((one) => one['Relation Name'] === 'task_register')!;
  return { node, rows: eligible['Actual Rows'], buffers: eligible['Shared Hit Blocks'] + eligible['Shared Read Blocks'] };
}

/** What `afterglow_ready` says while something is done. */
async function listening(act: () => Promise<unknown>): Promise<string[]> {
  const client = await database.connect('test');
  const heard: string[] = [];
  client.on('notification', ({ payload }) => heard.push(payload!));
  try {
    await client.query('listen afterglow_ready; listen test_over');
    const over = new Promise<void>((resolve) => {
      client.on('notification', ({ channel }) => channel === 'test_over' && resolve());
    });
    await act();
    // Notifications come in the order of their commits.
    await database.em().execute('notify test_over');
    await over;
    return heard.filter((payload) => payload !== '');
  } finally {
    await client.end();
  }
}
