import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { saveTransients } from '../../src/db/save-transients.ts';
import { claim } from '../../src/engine/claim.ts';
import { resetEntries, retryEntries } from '../../src/engine/reset.ts';
import { parseTransientsCsv } from '../../src/fixtures/read-csv.ts';
import { ProblemList } from '../../src/fixtures/problem-list.ts';
import { editValues, type Editor, type EditReport } from '../../src/objects/edit-values.ts';
import { findObjects } from '../../src/objects/found-object.ts';
import { giveResult, type GivenResult } from '../../src/objects/give-result.ts';
import { parseValues } from '../../src/objects/parse-value.ts';
import type { World } from '../engine/world.ts';
import { obeys } from '../engine/scripted-runner.ts';
import { renewLeases } from '../engine/renew-leases.ts';
import { createDatabase } from '../harness.ts';
import { givenObjects, marksOf, ranSince, type Task } from './given-objects.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const ada: Editor = { by: 'person ada', reason: 'the spectrum says so' };
const edit = async (subject: string, assignments: string[], editor = ada): Promise<EditReport> => {
  const [object] = await findObjects(database.em(), [subject]);
  return editValues(database.em(), object!, parseValues(object!.kind, assignments), editor);
};
const give = async (subject: string, given: GivenResult, editor = ada, runners: World<Task>['runners'] = []): Promise<EditReport> => {
  const [object] = await findObjects(database.em(), [subject]);
  return giveResult(database.em(), object!, given, editor, runners);
};
const tasksOf = ({ again }: EditReport): string[] => again.map(({ task }) => task);

/** Two objects whose names begin alike, all done. */
async function allDone() {
  const world = await givenObjects(database);
  await world.add('2010a', { name: '2010ag', data: { fit: { mb: 16.4, x1: 0.5 }, survey: 'PS1' } });
  await world.engine().work();
  return world;
}

describe('a changed figure', () => {
  it.each([
    ['redshift=0.03', ['Host', 'Aperture', 'Distance', 'Report']],
    ['position=150.1,+2:00:36', ['Information', 'Match', 'Host', 'Aperture', 'Distance', 'Report', 'Picture']],
    ['ra=151', ['Information', 'Match', 'Host', 'Aperture', 'Distance', 'Report', 'Picture']],
    ['data.fit.mb=16.9', ['Distance', 'Report']],
    ['data.survey=ZTF', []],
    ['class=SN Ia', []],
    ['priority=3', []],
  ])('B20: %s has exactly that done again which reads it, and what follows from that', async (assignment, tasks) => {
    const world = await allDone();
    const marks = marksOf(world);
    const report = await edit('2010ag', [assignment]);
    expect(report.changes).toHaveLength(1);
    expect(tasksOf(report)).toEqual(tasks);
    await world.engine({ daemonId: 2 }).work();
    expect(ranSince(world, marks, '2010ag')).toEqual(tasks);
    expect(ranSince(world, marks, '2010a')).toEqual([]);
    expect(await countDrift(database.em())).toBe(0);
  });

  it('is what the runners get then', async () => {
    const world = await allDone();
    const seen: unknown[] = [];
    world.runner('Distance').does(({ redshift, raDeg, data }) => {
      seen.push([redshift, raDeg, data.fit]);
      return 'processed';
    });
    await edit('2010ag', ['redshift=0.03', 'ra=10:00:24', 'data.fit.mb=17']);
    await world.engine({ daemonId: 2 }).work();
    expect(seen).toEqual([[0.03, 150.1, { mb: 17, x1: 0.5 }]]);
  });

  it('has a runner done again that does not say what it reads', async () => {
    const world = await allDone();
    Object.assign(world.runner('Picture'), { reads: undefined });
    await world.sync();
    expect(tasksOf(await edit('2010ag', ['class=SN Ia']))).toEqual(['Picture']);
  });

  it('is a row with who, when, the old value, the new one and why', async () => {
    await allDone();
    await edit('2010ag', ['redshift=0.03', 'data.fit.mb=17']);
    await edit('2010ag', ['redshift=none']);
    const rows = await database.em().execute(`select field, edited_by, reason, old_value, new_value, at <= now() as at from edit order by id`);
    expect(rows).toEqual([
      { field: 'redshift', edited_by: 'person ada', reason: 'the spectrum says so', old_value: null, new_value: 0.03, at: true },
      { field: 'data.fit.mb', edited_by: 'person ada', reason: 'the spectrum says so', old_value: 16.4, new_value: 17, at: true },
      { field: 'redshift', edited_by: 'person ada', reason: 'the spectrum says so', old_value: 0.03, new_value: null, at: true },
    ]);
  });

  it('that is what it was changes nothing', async () => {
    const world = await allDone();
    await edit('2010ag', ['redshift=0.03']);
    await world.engine({ daemonId: 2 }).work();
    expect(await edit('2010ag', ['redshift=0.03'])).toEqual({ subject: '2010ag', changes: [], again: [], kept: [] });
  });

  it('changes nothing in a dry run, which says the same', async () => {
    const world = await allDone();
    const said = await edit('2010ag', ['redshift=0.03'], { ...ada, dryRun: true });
    expect(await database.em().execute(`select from edit`)).toEqual([]);
    expect(await world.statuses('Host')).toEqual({ '2010a': 'processed', '2010ag': 'processed' });
    expect(await edit('2010ag', ['redshift=0.03'])).toEqual(said);
  });

  it('stays when fixtures or a file say something else; what nobody edited does not', async () => {
    const world = await allDone();
    await edit('2010ag', ['redshift=0.03', 'position=10,20', 'data.survey=ZTF']);
    const [row] = parseTransientsCsv('name,ra,dec,redshift,class\n2010ag,1,2,0.5,SN Ic\n', new ProblemList('a.csv')).transients;
    for (const absent of ['cleared', 'kept'] as const) await saveTransients(database.em(), [{ ...row!, data: { survey: 'DES', fit: { mb: 1 } } }], absent);
    const [now] = await database.em().execute(`select t.ra_deg, t.dec_deg, t.redshift, t.spectroscopic_class, s.data from transient t join subject s on s.id = t.subject_id where s.name = '2010ag'`);
    expect(now).toEqual({ ra_deg: 10, dec_deg: 20, redshift: 0.03, spectroscopic_class: 'SN Ic', data: { survey: 'ZTF', fit: { mb: 1 } } });
    expect(world).toBeDefined();
  });

  it.each([
    ['redshift=abc', 'redshift should be a number above -1, or null; it is "abc".'],
    ['redshift=-2', 'redshift should be a number above -1'],
    ['ra=400', 'ra_deg should be'],
    ['position=12', 'position is right ascension and declination'],
    ['redshft=1', 'did you mean "redshift"?'],
    ['redshift', 'says no value'],
    ['data=[1]', 'data should be a JSON object'],
    ['data.nowhere.deep=1', 'cannot be set'],
    ['name=other', 'There is no figure of a transient "name"'],
  ])('that cannot be (%s) is refused with the reason, and nothing is changed', async (assignment, words) => {
    await allDone();
    await expect(edit('2010ag', ['class=SN Ib', assignment])).rejects.toThrow(words);
    expect(await database.em().execute(`select from edit`)).toEqual([]);
    expect(await database.em().execute(`select from transient where spectroscopic_class = 'SN Ib'`)).toEqual([]);
  });

  it('of a request is refused: its own commands change it', async () => {
    const world = await allDone();
    await world.add({ name: 'r1', kind: 'request' });
    await expect(edit('r1', ['data.email=x'])).rejects.toThrow('r1 is a request');
    await expect(give('r1', { task: 'Match', result: 1 })).rejects.toThrow('r1 is a request');
  });

  it('Bd7: is that of the object of this name, and of none whose name has it in it', async () => {
    const world = await allDone();
    await edit('2010a', ['redshift=0.03']);
    expect(await world.statuses('Host')).toEqual({ '2010a': 'not processed', '2010ag': 'processed' });
    await expect(edit('2010', ['redshift=0.03'])).rejects.toMatchObject({ code: 'UNKNOWN_NAME', message: expect.stringContaining('2010a') });
  });
});

describe('a figure that changes while the object is at work', () => {
  it('stops the attempts that have the old one, whose results are refused, and has them made again', async () => {
    const world = await givenObjects(database);
    await world.add('2010ag');
    await world.put('2010ag', 'Information', 'processed');
    world.runner('Aperture').on('2010ag', obeys);
    const { engine, quiet } = world.engine();
    await engine.wake();
    await world.runner('Aperture').began('2010ag');
    await vi.waitFor(async () => expect((await world.entry('2010ag', 'Distance')).status).toBe('processed'));
    await edit('2010ag', ['redshift=0.03']);
    await renewLeases(engine, database, 60);
    await quiet();
    expect(await world.attempts('2010ag', 'Aperture')).toMatchObject([{ outcome: 'superseded' }]);
    world.runner('Aperture').on('2010ag', ({ redshift }) => ({ status: 'processed', result: redshift }));
    await world.engine({ daemonId: 2 }).work();
    expect((await world.attempts('2010ag', 'Aperture')).at(-1)).toMatchObject({ outcome: 'finished', result: 0.03 });
  });

  it('is not missed by a claim that began before the edit was over', async () => {
    const world = await givenObjects(database);
    await world.add('2010ag');
    const { id, kind, claimFromId, name } = world.task('Picture');
    const slow = await database.connect('test');
    try {
      // A claim's snapshot is of its beginning; here it is made to begin early and to lock late.
      await slow.query('begin isolation level read committed');
      const [object] = await findObjects(database.em(), ['2010ag']);
      await slow.query(`select pg_advisory_lock(77)`);
      const late = claim(
        async (statement, params) => (await database.hot.run({ name: `${statement.name}_slow`, text: statement.text.replace('with eligible', 'with waits as materialized (select pg_advisory_xact_lock_shared(77)), eligible').replace('from task_register r\n', 'from (select count(*) from waits) w, task_register r\n') }, params)) as never,
        { id, kind, claimFromId, name, version: 7 }, { daemonId: 5, actor: 'daemon 5', leaseSeconds: 60 }, 1,
      );
      await vi.waitFor(async () => expect((await slow.query(`select from pg_locks where locktype = 'advisory' and not granted`)).rowCount).toBe(1));
      await editValues(database.em(), object!, parseValues('transient', ['position=10,20']), ada);
      await slow.query(`select pg_advisory_unlock(77)`);
      expect(await late).toEqual([]);
      const [next] = await claim(database.hot.run, { id, kind, claimFromId, name, version: 7 }, { daemonId: 5, actor: 'daemon 5', leaseSeconds: 60 }, 1);
      expect(next!.subject).toMatchObject({ raDeg: 10, decDeg: 20 });
    } finally {
      await slow.end();
    }
  });
});

describe('a result that a person gives', () => {
  it('is what the tasks behind it get, and they alone are done again', async () => {
    const world = await allDone();
    const marks = marksOf(world);
    world.runner('Host').does(async (_, { result }) => ({ status: 'processed', result: { of: (await result('Match')) ?? null } }));
    const report = await give('2010ag', { task: 'Match', result: { name: 'UGC 10679' } });
    expect(report.changes).toEqual([{ what: 'Match', old: { status: 'processed', result: null }, new: { status: 'processed', result: { name: 'UGC 10679' } } }]);
    expect(tasksOf(report)).toEqual(['Host', 'Report']);
    await world.engine({ daemonId: 2 }).work();
    expect(ranSince(world, marks, '2010ag')).toEqual(['Host', 'Report']);
    expect((await world.attempts('2010ag', 'Host')).at(-1)!.result).toEqual({ of: { name: 'UGC 10679' } });
    expect(await countDrift(database.em())).toBe(0);
  });

  it('Bd22: stays whatever else is edited, retried or reset, and what follows from it alone is not done again', async () => {
    const world = await allDone();
    await give('2010ag', { task: 'Match', result: 'mine' });
    await world.engine({ daemonId: 2 }).work();
    const marks = marksOf(world);
    Object.assign(world.runner('Host'), { reads: ['redshift'] });
    await world.sync();
    const report = await edit('2010ag', ['position=10,20']);
    expect(report.kept).toEqual([{ task: 'Match', by: 'person ada' }]);
    // Host reads only what the person said, so it stands.
    expect(tasksOf(report)).toEqual(['Information', 'Aperture', 'Distance', 'Report', 'Picture']);
    await resetEntries(database.em(), { subjects: ['2010ag'] }, 'person emil');
    await retryEntries(database.em(), {}, 'person emil');
    await world.engine({ daemonId: 3 }).work();
    expect(ranSince(world, marks, '2010ag')).not.toContain('Match');
    expect((await world.attempts('2010ag', 'Match')).at(-1)).toMatchObject({ result: 'mine', daemon_id: 0 });
  });

  it('goes when a person resets it on purpose', async () => {
    const world = await allDone();
    await give('2010ag', { task: 'Match', result: 'mine' });
    const sent = await resetEntries(database.em(), { subjects: ['2010ag'], tasks: ['Match'], overridden: true }, 'person emil');
    expect(sent).toEqual([{ subject: '2010ag', task: 'Match', status: 'processed' }]);
    const marks = marksOf(world);
    await world.engine({ daemonId: 2 }).work();
    expect(ranSince(world, marks, '2010ag')).toContain('Match');
    expect(await database.em().execute(`select from task_register where overridden_by is not null`)).toEqual([]);
  });

  it('takes the place of an attempt that runs, which is refused afterwards', async () => {
    const world = await givenObjects(database);
    await world.add('2010ag');
    await world.put('2010ag', 'Information', 'processed');
    world.runner('Match').on('2010ag', obeys);
    const { engine, quiet } = world.engine();
    await engine.wake();
    await world.runner('Match').began('2010ag');
    await give('2010ag', { task: 'Match', result: 'mine' });
    await renewLeases(engine, database, 60);
    await quiet();
    expect((await world.entry('2010ag', 'Match')).status).toBe('processed');
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'superseded' }, { outcome: 'finished', result: 'mine' }]);
    await world.engine({ daemonId: 2 }).work();
    expect((await world.entry('2010ag', 'Report')).status).toBe('processed');
  });

  it('may be a failure, which blocks what waits for the task', async () => {
    const world = await allDone();
    await give('2010ag', { task: 'Match', result: null, status: 'no host' });
    await world.engine({ daemonId: 2 }).work();
    expect(await world.entry('2010ag', 'Host')).toMatchObject({ status: 'not processed', unmet: 1 });
    expect(await world.transitions('2010ag', 'Match')).toEqual(expect.arrayContaining(['reset: processed > not processed', 'load: not processed > no host']));
  });

  it('is completed and kept in the tables of a runner that takes results, or refused by it with its words', async () => {
    const world = await allDone();
    Object.assign(world.runner('Match'), {
      takeResult: async ({ name, id }: { name: string; id: string }, result: { name?: string }, { em }: { em: { execute(sql: string, params: unknown[]): Promise<unknown> } }) => {
        await em.execute(`insert into note (subject_id, attempt, text) values (?, 0, ?)`, [id, `${name} is in ${result.name}`]);
        if (result.name === undefined) throw new Error('a host needs a name');
        return { ...result, checked: true };
      },
    });
    expect((await give('2010ag', { task: 'Match', result: { name: 'UGC 1' } }, ada, world.runners)).changes[0]!.new).toEqual({ status: 'processed', result: { name: 'UGC 1', checked: true } });
    await expect(give('2010a', { task: 'Match', result: {} }, ada, world.runners)).rejects.toThrow('The runner of "Match" does not take this result: a host needs a name');
    await give('2010a', { task: 'Match', result: { name: 'x' } }, { ...ada, dryRun: true }, world.runners);
    expect(await world.notes()).toEqual(['2010ag is in UGC 1']);
  });

  it('of a task or status that is not there, or that is no end, is refused', async () => {
    await allDone();
    await expect(give('2010ag', { task: 'Mach', result: 1 })).rejects.toThrow('did you mean "Match"?');
    await expect(give('2010ag', { task: 'Match', result: 1, status: 'processing' })).rejects.toThrow('is no end of a task');
    await expect(give('2010ag', { task: 'Match', result: 1, status: 'procesed' })).rejects.toThrow('did you mean "processed"?');
  });
});

describe('a file that says something new about an object', () => {
  const take = async (csv: string) => saveTransients(database.em(), parseTransientsCsv(csv, new ProblemList('a.csv')).transients, 'kept');

  it('has just that done again which depends on it, and nothing where it says the same', async () => {
    const world = await allDone();
    const marks = marksOf(world);
    expect(await take('name,ra,dec,redshift\n2010ag,150,2,0.1\n2010a,150,2,\nnew,1,2,0.1\n')).toEqual({
      added: ['new'], changed: ['2010ag'], unchanged: 1, again: ['Host', 'Aperture', 'Distance', 'Report'].map((task) => ({ subject: '2010ag', task, status: 'processed' })),
    });
    await world.engine({ daemonId: 2 }).work();
    expect(ranSince(world, marks, '2010ag')).toEqual(['Host', 'Aperture', 'Distance', 'Report']);
    expect(ranSince(world, marks, '2010a')).toEqual([]);
    expect(await take('name,ra,dec,redshift\n2010ag,150,2,0.1\n')).toEqual({ added: [], changed: [], unchanged: 1 });
    expect(await countDrift(database.em())).toBe(0);
  });

  it('leaves what a person edited, and has nothing done again for that', async () => {
    await allDone();
    await edit('2010ag', ['redshift=0.03']);
    expect(await take('name,ra,dec,redshift\n2010ag,150,2,0.1\n')).toEqual({ added: [], changed: [], unchanged: 1 });
  });
});
