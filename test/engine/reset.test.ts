import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { RefusedError, UnknownNameError } from '../../src/errors.ts';
import { textArray } from '../../src/engine/known-names.ts';
import { resetEntries, retryEntries } from '../../src/engine/reset.ts';
import { createDatabase } from '../harness.ts';
import { gate, obeys, writes } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';
import { renewLeases } from './renew-leases.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const tasks = { Match: {}, Information: { needs: { Match: 'processed' } }, Report: { needs: { Information: 'processed' } }, Apart: {} };
/** Two transients whose names and tasks begin alike, in various states. */
async function given() {
  const world = await createWorld(database, { tasks });
  await world.add('2010a', '2010ag', '2010ai');
  await world.put('2010a', 'Match', 'failed');
  await world.put('2010ag', 'Match', 'processed');
  await world.put('2010ag', 'Information', 'no host');
  await world.put('2010ag', 'Apart', 'time limit exceeded');
  await world.put('2010ai', 'Match', 'needs a look');
  return world;
}
const row = (subject: string, task: string, status: string) => ({ subject, task, status });

describe('retry', () => {
  it('sends back every entry with a status of type error, and says which', async () => {
    const world = await given();
    expect(await retryEntries(database.em(), {}, 'dora')).toEqual([
      row('2010a', 'Match', 'failed'), row('2010ag', 'Apart', 'time limit exceeded'), row('2010ag', 'Information', 'no host'),
    ]);
    expect(await world.statuses('Match')).toEqual({ '2010a': 'not processed', '2010ag': 'processed', '2010ai': 'needs a look' });
    expect(await world.entry('2010a', 'Match')).toMatchObject({ cause: 'retry', actor: 'dora' });
    expect(await world.transitions('2010a', 'Match')).toEqual(['load: not processed > failed', 'retry: failed > not processed']);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('only says which in a dry run', async () => {
    const world = await given();
    const before = await world.statuses('Match');
    expect(await retryEntries(database.em(), { tasks: ['Match'] }, 'dora', true)).toEqual([row('2010a', 'Match', 'failed')]);
    expect(await world.statuses('Match')).toEqual(before);
    expect(await world.transitions('2010a', 'Match')).toHaveLength(1);
  });

  it('takes subjects, tasks and statuses together, and no name for another that begins with it', async () => {
    await given();
    const em = database.em();
    expect(await retryEntries(em, { subjects: ['2010ag'] }, 'dora', true)).toHaveLength(2);
    expect(await retryEntries(em, { subjects: ['2010a'] }, 'dora', true)).toEqual([row('2010a', 'Match', 'failed')]);
    expect(await retryEntries(em, { subjects: ['2010ag'], tasks: ['Apart', 'Match'] }, 'dora', true)).toEqual([row('2010ag', 'Apart', 'time limit exceeded')]);
    expect(await retryEntries(em, { statuses: ['no host', 'failed'] }, 'dora', true)).toHaveLength(2);
    expect(await retryEntries(em, { statuses: ['no host'], tasks: ['Apart'] }, 'dora', true)).toEqual([]);
    expect(await retryEntries(em, { subjects: [] }, 'dora', true)).toEqual([]);
  });

  it('refuses a status that is no failure, and names that are not there with the nearest', async () => {
    await given();
    await expect(retryEntries(database.em(), { statuses: ['processed'] }, 'dora')).rejects.toThrow(new RefusedError('Only a status of type error can be retried; "processed" is none. Use reset.'));
    await expect(retryEntries(database.em(), { statuses: ['faild'] }, 'dora')).rejects.toMatchObject({ code: 'UNKNOWN_NAME', given: 'faild', message: expect.stringContaining('"failed"') });
    await expect(retryEntries(database.em(), { tasks: ['Mach'] }, 'dora')).rejects.toThrow(UnknownNameError);
    await expect(retryEntries(database.em(), { subjects: ['2010ag', '2010agg'] }, 'dora')).rejects.toMatchObject({ what: 'transient', given: '2010agg', message: expect.stringContaining('"2010ag"') });
  });
});

describe('reset', () => {
  it('sends back whatever is not at the beginning', async () => {
    const world = await given();
    expect(await resetEntries(database.em(), { subjects: ['2010ai', '2010ag'] }, 'dora')).toEqual([
      row('2010ag', 'Apart', 'time limit exceeded'), row('2010ag', 'Information', 'no host'), row('2010ag', 'Match', 'processed'), row('2010ai', 'Match', 'needs a look'),
    ]);
    expect(await world.statuses('Match')).toEqual({ '2010a': 'failed', '2010ag': 'not processed', '2010ai': 'not processed' });
    expect(await world.entry('2010ag', 'Information')).toMatchObject({ status: 'not processed', unmet: 1, cause: 'reset' });
    expect(await countDrift(database.em())).toBe(0);
  });

  it('says the same in a dry run and changes nothing', async () => {
    const world = await given();
    expect(await resetEntries(database.em(), { statuses: ['processed'] }, 'dora', { dryRun: true })).toEqual([row('2010ag', 'Match', 'processed')]);
    expect(await world.statuses('Match')).toMatchObject({ '2010ag': 'processed' });
  });

  it('takes the tasks along that wait for the named ones, directly or not, when it is told to', async () => {
    const world = await given();
    await world.put('2010ag', 'Information', 'processed');
    await world.put('2010ag', 'Report', 'processed');
    const all = [row('2010ag', 'Information', 'processed'), row('2010ag', 'Match', 'processed'), row('2010ag', 'Report', 'processed')];
    expect(await resetEntries(database.em(), { tasks: ['Match'], subjects: ['2010ag'] }, 'dora', { dryRun: true, withDependents: true })).toEqual(all);
    expect(await resetEntries(database.em(), { tasks: ['Report'], subjects: ['2010ag'] }, 'dora', { withDependents: true })).toEqual([all[2]]);
    expect(await resetEntries(database.em(), { tasks: ['Match'], subjects: ['2010ag'] }, 'dora')).toEqual([all[1]]);
    expect(await world.entry('2010ag', 'Information')).toMatchObject({ status: 'processed', unmet: 1 });
    await expect(resetEntries(database.em(), { tasks: ['Mach'] }, 'dora', { withDependents: true })).rejects.toMatchObject({ given: 'Mach', what: 'task' });
  });

  it('wipes the warning and the wait of an entry', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: () => ({ status: 'processed', warning: 'crowded' }) } } });
    await world.add('a');
    await world.engine().work();
    expect((await world.entry('a', 'Match')).warning).toBe('crowded');
    await resetEntries(database.em(), {}, 'dora');
    expect(await world.entry('a', 'Match')).toMatchObject({ warning: null, due_seconds: null, setbacks: 0, attempt: 1 });
  });

  it('of a running entry tells its runner to stop at the next renewal, and what it still writes is refused', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('obeys', 'late');
    const late = gate(writes('late'));
    world.runner('Match').on('obeys', obeys).on('late', late.script);
    const { engine, quiet, lines } = world.engine();
    await engine.wake();
    await Promise.all([world.runner('Match').began('obeys'), world.runner('Match').began('late')]);
    expect(await resetEntries(database.em(), {}, 'dora')).toEqual([row('late', 'Match', 'processing'), row('obeys', 'Match', 'processing')]);
    late.open();
    await vi.waitFor(() => expect(engine.leases.size).toBe(1));
    await renewLeases(engine, database, 60);
    await quiet();
    expect(await world.notes()).toEqual([]);
    expect(await world.statuses('Match')).toEqual({ obeys: 'not processed', late: 'not processed' });
    expect(await world.attempts('late', 'Match')).toMatchObject([{ outcome: 'superseded', ended: true }]);
    expect(lines.filter(({ msg }) => msg === 'an attempt came too late and wrote nothing')).toHaveLength(2);
    world.runner('Match').does(() => 'processed').on('late', writes('again')).on('obeys', () => 'processed');
    await world.engine({ daemonId: 2 }).work();
    expect(await world.attempts('late', 'Match')).toMatchObject([{ attempt: 1, outcome: 'superseded' }, { attempt: 2, outcome: 'finished' }]);
    expect(await world.notes()).toEqual(['again']);
  });

  it('that meets the end of an attempt waits for it, and then resets what it left', async () => {
    const world = await given();
    await world.put('2010a', 'Apart', 'processing');
    const other = await database.connect('test');
    try {
      await other.query(`begin; update task_register set status_id = (select id from status where message = 'no host'), cause = 'finish', lease_owner = null where status_id = 2`);
      const reset = resetEntries(database.em(), { tasks: ['Apart'], subjects: ['2010a'] }, 'dora');
      await vi.waitFor(async () => expect((await other.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).rowCount).toBe(1));
      await other.query('commit');
      expect(await reset).toEqual([row('2010a', 'Apart', 'no host')]);
      expect((await world.entry('2010a', 'Apart')).status).toBe('not processed');
    } finally {
      await other.end();
    }
  });

  it('that meets a claim ends the attempt that has just begun', async () => {
    const world = await given();
    await world.put('2010a', 'Apart', 'failed');
    const other = await database.connect('test');
    try {
      // The reset begins while a claim has the entry; it sees the claim's attempt only in a statement that begins later.
      await other.query('begin');
      await other.query(
        `with claimed as (
           update task_register r set status_id = 1, cause = 'retry', actor = 'test' where status_id = (select id from status where message = 'failed') and task_id = $1 returning *)
         select from claimed`, [world.task('Apart').id],
      );
      await other.query(
        `with claimed as (
           update task_register r set status_id = 2, cause = 'claim', attempt = attempt + 1, lease_owner = 9 where task_id = $1 and cause = 'retry' returning *)
         insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version) select subject_id, task_id, attempt, 9, 1 from claimed`, [world.task('Apart').id],
      );
      const reset = resetEntries(database.em(), { tasks: ['Apart'], subjects: ['2010a'] }, 'dora');
      await vi.waitFor(async () => expect((await other.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).rowCount).toBe(1));
      await other.query('commit');
      expect(await reset).toEqual([row('2010a', 'Apart', 'processing')]);
      expect(await world.attempts('2010a', 'Apart')).toMatchObject([{ attempt: 1, outcome: 'superseded', ended: true }]);
    } finally {
      await other.end();
    }
  });

  it('that meets somebody else’s reset of the same entry does it once', async () => {
    const world = await given();
    const [one, two] = await Promise.all([resetEntries(database.em(), {}, 'dora'), resetEntries(database.em(), {}, 'emil')]);
    expect(one.length + two.length).toBe(5);
    expect(await world.transitions('2010ag', 'Match')).toEqual(['load: not processed > processed', 'reset: processed > not processed']);
  });

  it('finds names with quotes, commas, braces, backslashes and the word NULL', async () => {
    const names = ['a"b', "o'hara", 'c,d', '{e}', 'f\\g', 'NULL', ' spaced ', 'ünï', '%', '_'];
    const world = await createWorld(database, { tasks: { 'Match "it", {now}\\': {} } });
    await world.add(...names);
    for (const name of names) {
      await world.put(name, 'Match "it", {now}\\', 'failed');
      expect(await resetEntries(database.em(), { subjects: [name], tasks: ['Match "it", {now}\\'] }, 'dora')).toEqual([row(name, 'Match "it", {now}\\', 'failed')]);
    }
    expect(textArray(['a"b', 'c\\d'])).toBe('{"a\\"b","c\\\\d"}');
  });
});
