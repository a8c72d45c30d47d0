import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countDrift, syncGraph } from '../../src/db/sync-graph.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { ScriptedRunner } from '../engine/scripted-runner.ts';
import { createWorld } from '../engine/create-world.ts';
import { STATUSES } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const TASKS = { A: {}, B: { needs: { A: 'processed' } }, C: { needs: { B: 'processed' } } };
const moves = async () =>
  (await database.em().execute<{ text: string }[]>(
    `select f.message || ' | ' || m.cause || ' | ' || g.message as text from status_move m join status f on f.id = m.from_id join status g on g.id = m.to_id`,
  )).map(({ text }) => text).toSorted();
const readyIndexes = async () => (await database.em().execute<{ name: string }[]>(`select indexname as name from pg_indexes where tablename = 'task_register' and indexname like 'ready%' order by 1`)).map(({ name }) => name);
/** The versions of the entries' rows: a row that was written has another. */
const versions = async (task: string) =>
  (await database.em().execute<{ version: string }[]>(`select r.xmin || ' ' || r.ctid as version from task_register r join task t on t.id = r.task_id where t.name = ? order by r.subject_id`, [task])).map(({ version }) => version);

describe('the graph in the database', () => {
  it('has the moves of the machine, those of before are gone', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    const asText = ({ from, cause, to }: { from: string; cause: string; to: string }) => `${from} | ${cause} | ${to}`;
    expect(await moves()).toEqual(world.machine.moves.map(asText).toSorted());
    const fewer = createStatusMachine(STATUSES.filter(({ message }) => message !== 'no host'), ['failed']);
    await syncGraph(database.em(), fewer, world.runners);
    expect(await moves()).toEqual(fewer.moves.map(asText).toSorted());
  });

  it('made equal to the same again writes nothing', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a');
    const before = [await versions('A'), await versions('B')];
    expect(await world.sync()).toMatchObject({ changedTasks: [] });
    expect([await versions('A'), await versions('B')]).toEqual(before);
  });

  it('with changed prerequisites has the entries of the changed tasks counted anew, and no others', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a', 'b', 'c');
    await world.put('a', 'A', 'processed');
    await world.put('b', 'A', 'failed');
    const before = [await versions('A'), await versions('B')];
    world.runner('C').prerequisites = { A: 'failed' };
    // "a" waits on as before, "b" waits no more, "c" waits on: of one count of three is another.
    expect(await world.sync()).toMatchObject({ changedTasks: [{ task: 'C', recounted: 1 }] });
    expect([(await world.entry('a', 'C')).unmet, (await world.entry('b', 'C')).unmet, (await world.entry('c', 'C')).unmet]).toEqual([1, 0, 1]);
    expect([await versions('A'), await versions('B')]).toEqual(before);
    expect(await countDrift(database.em())).toBe(0);
    await world.put('a', 'A', 'failed');
    expect((await world.entry('a', 'C')).unmet).toBe(0);
  });

  it('counts a prerequisite once, whichever of its alternatives is met, and not at all when one takes the place of another', async () => {
    const world = await createWorld(database, { tasks: { A: {}, B: {}, C: { needs: { A: ['processed', 'no host'], B: ['not processed', 'processing', 'processed'] } } } });
    await world.add('a', 'b');
    const unmet = async () => [(await world.entry('a', 'C')).unmet, (await world.entry('b', 'C')).unmet];
    expect(await unmet()).toEqual([1, 1]);
    await world.put('a', 'A', 'no host');
    await world.put('b', 'A', 'failed');
    expect(await unmet()).toEqual([0, 1]);
    const before = await versions('C');
    await world.put('a', 'B', 'processing');
    await world.put('b', 'B', 'processed');
    expect(await unmet()).toEqual([0, 1]);
    // A move from one alternative to another does not so much as touch the entry.
    expect(await versions('C')).toEqual(before);
    await world.put('a', 'A', 'failed');
    expect(await unmet()).toEqual([1, 1]);
    expect(await countDrift(database.em())).toBe(0);
    world.runner('C').prerequisites = { A: ['failed', 'processed'] };
    expect(await world.sync()).toMatchObject({ changedTasks: [{ task: 'C', recounted: 2 }] });
    expect(await unmet()).toEqual([0, 0]);
    expect(await world.sync()).toMatchObject({ changedTasks: [] });
    expect(await countDrift(database.em())).toBe(0);
  });

  it('counts prerequisites that are still "not processed" as met, before and after', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a', 'b');
    await world.put('a', 'A', 'processed');
    world.runner('C').prerequisites = { A: 'not processed', B: 'not processed' };
    expect(await world.sync()).toMatchObject({ changedTasks: [{ task: 'C', recounted: 1 }] });
    await world.add('c');
    expect([(await world.entry('a', 'C')).unmet, (await world.entry('b', 'C')).unmet, (await world.entry('c', 'C')).unmet]).toEqual([1, 0, 0]);
    world.runner('C').prerequisites = {};
    expect(await world.sync()).toMatchObject({ changedTasks: [{ task: 'C', recounted: 1 }] });
    expect((await world.entry('a', 'C')).unmet).toBe(0);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('keeps what tasks without a runner had', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a');
    expect(await syncGraph(database.em(), world.machine, world.runners.filter(({ taskName }) => taskName !== 'C'))).toMatchObject({ changedTasks: [] });
    expect((await world.entry('a', 'C')).unmet).toBe(1);
  });

  it('keeps what a newer version of a runner wrote, and says so', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a');
    const as = (version: number, prerequisites: Record<string, string>, requires: string[] = []) => Object.assign(world.runner('C'), { version, prerequisites, requires });
    const row = async () => (await database.em().execute<object[]>(`select t.runner_version, t.requires, m.message as claim_from from task t join status m on m.id = t.claim_from_id where t.name = 'C'`))[0];
    as(8, { C: 'needs a look' }, ['gpu', 'quote"d, label']);
    const newer = createStatusMachine(STATUSES, ['needs a look']);
    expect(await syncGraph(database.em(), newer, world.runners)).toMatchObject({ newerElsewhere: [] });
    const written = { runner_version: 8, requires: ['gpu', 'quote"d, label'], claim_from: 'needs a look' };
    expect(await row()).toEqual(written);
    const before = await moves();
    as(7, { B: 'processed' });
    expect(await world.sync()).toEqual({ changedTasks: [], newerElsewhere: [{ task: 'C', here: 7, there: 8 }] });
    expect([await row(), (await world.entry('a', 'C')).unmet, await moves()]).toEqual([written, 0, before]);
    as(9, { B: 'processed' });
    expect(await world.sync()).toEqual({ changedTasks: [{ task: 'C', recounted: 1 }], newerElsewhere: [] });
    expect(await row()).toEqual({ runner_version: 9, requires: [], claim_from: 'not processed' });
  });

  it('is announced whenever it was made equal', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    const listener = await database.connect('listener');
    onTestFinished(() => listener.end());
    const heard = new Promise((resolve) => listener.on('notification', ({ channel }) => resolve(channel)));
    await listener.query('listen afterglow_graph');
    await world.sync();
    expect(await heard).toBe('afterglow_graph');
  });

  it('has an index for every status that runners start from, and none for others', async () => {
    const world = await createWorld(database, { tasks: { ...TASKS, Mend: { from: 'failed' } } });
    expect(await readyIndexes()).toEqual(['ready_1', `ready_${world.statusIds.get('failed')}`]);
    world.runner('Mend').prerequisites = { Mend: 'needs a look' };
    await syncGraph(database.em(), createStatusMachine(STATUSES, ['needs a look']), world.runners);
    expect(await readyIndexes()).toEqual(['ready_1', `ready_${world.statusIds.get('needs a look')}`]);
    world.runner('Mend').prerequisites = {};
    await world.sync();
    expect(await readyIndexes()).toEqual(['ready_1']);
  });

  it('refuses names that are not there, with the nearest, and changes nothing', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a');
    const before = await moves();
    for (const [wrong, what, nearest] of [
      [new ScriptedRunner('C', { needs: { AA: 'processed' } }), 'task', '"A"'],
      [new ScriptedRunner('C', { needs: { A: 'procesed' } }), 'status', '"processed"'],
      [new ScriptedRunner('C', { failed: 'faild' }), 'status', '"failed"'],
      [new ScriptedRunner('CC', {}), 'task', '"C"'],
    ] as const) {
      await expect(syncGraph(database.em(), createStatusMachine(STATUSES.slice(0, 4)), [new ScriptedRunner('B', {}), wrong])).rejects.toMatchObject({ code: 'UNKNOWN_NAME', what, message: expect.stringContaining(nearest) });
    }
    expect(await moves()).toEqual(before);
    expect((await world.entry('a', 'B')).unmet).toBe(1);
  });

  it('is the same whoever of several that start at once is first', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    await world.add('a');
    world.runner('C').prerequisites = { A: 'processed', B: 'processed' };
    const synced = await Promise.all(Array.from({ length: 4 }, () => syncGraph(database.em(), world.machine, world.runners)));
    expect(synced.flatMap(({ changedTasks }) => changedTasks)).toEqual([{ task: 'C', recounted: 1 }]);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('changes under the hands of those who move entries, and no count is lost', async () => {
    const world = await createWorld(database, { tasks: TASKS });
    const names = Array.from({ length: 40 }, (_, n) => `sn${n}`);
    await world.add(...names);
    const { work } = world.engine({ concurrency: 8 });
    const changes = (async () => {
      for (let turn = 0; turn < 10; turn += 1) {
        world.runner('C').prerequisites = turn % 2 === 0 ? { A: 'processed' } : { B: 'processed', A: 'processed' };
        await world.sync();
      }
    })();
    await Promise.all([work(), changes]);
    await work();
    expect(await countDrift(database.em())).toBe(0);
    expect(await world.statuses('C')).toEqual(Object.fromEntries(names.map((name) => [name, 'processed'])));
  });
});
