import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { applyEntries, describeLoad, loadFixtures } from '../../src/db/load-fixtures.ts';
import { saveTransients } from '../../src/db/save-transients.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { RefusedError } from '../../src/errors.ts';
import type { Fixtures } from '../../src/fixtures/fixture.ts';
import { readFixtures } from '../../src/fixtures/read.ts';
import { createDatabase } from '../harness.ts';
import { empty, fixtures, register, STATUSES, syncTo, task, transient, work } from './fixture-rows.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  await empty(database);
});

const load = (given: Partial<Fixtures> = {}) => loadFixtures(database.em(), fixtures(given));
const none = { added: [], changed: [], removed: [], unchanged: 0 };
const names = (sql: string) => database.em().execute<{ name: string }[]>(sql).then((rows) => rows.map(({ name }) => name));
const refusalOf = (loading: Promise<unknown>) =>
  loading.then(
    () => undefined,
    (error: unknown) => (error instanceof RefusedError ? error.message : error),
  );

/** Every row with its version: a row that was written again has another one. */
const versions = () =>
  database.em().execute(
    `select 'status' as of, xmin::text, ctid::text from status union all select 'task', xmin::text, ctid::text from task
     union all select 'resource', xmin::text, ctid::text from resource union all select 'subject', xmin::text, ctid::text from subject union all select 'transient', xmin::text, ctid::text from transient
     union all select 'task_register', xmin::text, ctid::text from task_register order by 1, 3`,
  );

describe('a load', () => {
  test('adds what is new and says so', async () => {
    const report = await load({ tasks: [task('A'), task('B', { kind: 'system', timeLimitSeconds: 1.5 })], transients: [transient('x'), transient('y')] });
    expect(report).toEqual({
      statuses: { added: ['processed', 'no host'], changed: [], removed: [], unchanged: 3 },
      tasks: { ...none, added: ['A', 'B'] },
      resources: { ...none, kept: [] },
      transients: { ...none, added: ['x', 'y'] },
    });
    expect(describeLoad(report, { 'host.Host': 2 })).toEqual([
      'statuses: 2 added ("processed", "no host"), 3 unchanged',
      'tasks: 2 added ("A", "B")',
      'transients: 2 added ("x", "y")',
      'left out, as nothing here uses them: 2 host.Host',
    ]);
    expect(await database.em().execute(`select name, kind, time_limit_seconds, active from task order by id`)).toEqual([
      { name: 'A', kind: 'transient', time_limit_seconds: null, active: true },
      { name: 'B', kind: 'system', time_limit_seconds: 1.5, active: true },
    ]);
  });

  test('leaves the ids of the statuses that the machinery uses at 1, 2 and 3, in whatever order they are given', async () => {
    await load({ statuses: STATUSES.toReversed() });
    expect(await names(`select id || ' ' || message as name from status where id <= 3 order by id`)).toEqual(['1 not processed', '2 processing', '3 time limit exceeded']);
  });

  test('of the same again writes nothing', async () => {
    const given = await readFixtures(['fixtures/test']);
    const options = { sync: syncTo({}, given.statuses, 'failed') };
    await loadFixtures(database.em(), given, options);
    const before = await versions();
    const report = await loadFixtures(database.em(), given, options);
    expect(report).toEqual({
      statuses: { ...none, unchanged: 6 }, tasks: { ...none, unchanged: 5 }, resources: { ...none, kept: [], unchanged: 3 }, transients: { ...none, unchanged: 5 }, entries: { ...none, unchanged: 3 },
    });
    expect(await versions()).toEqual(before);
  });

  test('changes what was edited, and what hangs on it', async () => {
    await load({ tasks: [task('A')], transients: [transient('x'), transient('y')] });
    const report = await load({
      statuses: STATUSES.map((status) => (status.message === 'no host' ? { ...status, type: 'warning' } : status)),
      tasks: [task('A', { description: 'Better.', owner: 'anna', timeLimitSeconds: 60, active: false })],
      transients: [
        transient('x', { redshift: 0.1, data: { a: [1, { b: null }] } }),
        transient('y', { publicTimestamp: new Date('2010-01-16T04:30:00.123Z'), priority: 7 }),
      ],
    });
    expect(describeLoad(report)).toEqual(['statuses: 1 changed ("no host"), 4 unchanged', 'tasks: 1 changed ("A")', 'transients: 2 changed ("x", "y")']);
    expect(await names(`select type as name from status where message = 'no host'`)).toEqual(['warning']);
    expect(await database.em().execute(`select description, owner, time_limit_seconds, active from task`)).toEqual([{ description: 'Better.', owner: 'anna', time_limit_seconds: 60, active: false }]);
    expect(await database.em().execute(`select data, redshift from subject s join transient t on t.subject_id = s.id where name = 'x'`)).toEqual([{ data: { a: [1, { b: null }] }, redshift: 0.1 }]);
    // The claim order is copied to the entries.
    expect(await database.em().execute(`select r.priority, r.public_timestamp = '2010-01-16 04:30:00.123Z' as copied from task_register r join subject s on s.id = r.subject_id where s.name = 'y'`))
      .toEqual([{ priority: 7, copied: true }]);
  });

  test('keeps at what part of the day a task may be done', async () => {
    const windows = () => database.em().execute(`select window_from::text, window_to::text, window_zone, in_window(window_from, window_to, window_zone) as is_open from task`);
    await load({ tasks: [task('A', { window: { opens: '22:00:00', closes: '06:00:00', zone: 'Europe/Berlin' } })] });
    expect(await windows()).toMatchObject([{ window_from: '22:00:00', window_to: '06:00:00', window_zone: 'Europe/Berlin', is_open: expect.any(Boolean) }]);
    const always = task('A', { window: { opens: '00:00:00', closes: '24:00:00', zone: 'UTC' } });
    expect((await load({ tasks: [always] })).tasks).toEqual({ ...none, changed: ['A'] });
    expect((await load({ tasks: [always] })).tasks).toEqual({ ...none, unchanged: 1 });
    expect(await windows()).toEqual([{ window_from: '00:00:00', window_to: '24:00:00', window_zone: 'UTC', is_open: true }]);
    expect((await load({ tasks: [task('A')] })).tasks).toEqual({ ...none, changed: ['A'] });
    expect(await windows()).toEqual([{ window_from: null, window_to: null, window_zone: 'UTC', is_open: true }]);
  });

  test('is refused where PostgreSQL does not know the time zone of a window, before a claim would fail of it', async () => {
    expect(await refusalOf(load({ tasks: [task('A'), task('B', { window: { opens: '22:00:00', closes: '06:00:00', zone: 'Mars/Olympus_Mons' } })] }))).toBe(
      'Nothing was loaded:\ntask "B" has a window in the time zone "Mars/Olympus_Mons", which this PostgreSQL does not know. Name it as the tz database does today.',
    );
    expect(await names(`select name from task`)).toEqual([]);
  });

  test('clears a figure that the fixtures no longer know', async () => {
    await load({ transients: [transient('x', { redshift: 0.1, tnsId: 3, data: { a: 1 }, publicTimestamp: new Date(0) })] });
    await load({ transients: [transient('x')] });
    expect(await database.em().execute(`select redshift, tns_id, data, public_timestamp from subject s join transient t on t.subject_id = s.id`)).toEqual([
      { redshift: null, tns_id: null, data: {}, public_timestamp: null },
    ]);
  });

  test('keeps every figure to the last digit', async () => {
    const given = transient('x', { raDeg: 359.99999999999994, decDeg: -1e-300, redshift: 0.1 + 0.2, tnsId: Number.MAX_SAFE_INTEGER, priority: -2147483648, data: { 'q?"\\': 'it’s \'?\' \\ ?', f: 1.7976931348623157e308 } });
    await load({ transients: [given] });
    expect((await load({ transients: [given] })).transients).toEqual({ ...none, unchanged: 1 });
    expect(await database.em().execute(`select ra_deg, dec_deg, redshift, tns_id, priority, data from subject s join transient t on t.subject_id = s.id`)).toEqual([
      { ra_deg: given.raDeg, dec_deg: given.decDeg, redshift: given.redshift, tns_id: String(given.tnsId), priority: given.priority, data: given.data },
    ]);
  });

  test('leaves transients that the fixtures no longer name', async () => {
    await load({ transients: [transient('x'), transient('y')] });
    expect((await load({ transients: [transient('y')] })).transients).toEqual({ ...none, unchanged: 1 });
    expect(await names(`select name from subject order by id`)).toEqual(['x', 'y']);
  });

  test('is one transaction: what fails within takes everything back', async () => {
    await load({ tasks: [task('A')] });
    const given = fixtures({ statuses: [...STATUSES, { message: 'new', type: 'error' }], tasks: [task('A'), task('B')], transients: [transient('x')] });
    await expect(loadFixtures(database.em(), given, { sync: async () => { throw new Error('the graph is gone'); } })).rejects.toThrow('the graph is gone');
    await expect(loadFixtures(database.em(), fixtures({ tasks: [task('B')], transients: [transient('x'), transient('x')] }))).rejects.toThrow();
    expect(await names(`select name from task union all select message from status where message = 'new' union all select name from subject`)).toEqual(['A']);
  });

  test('may happen in many processes at once', async () => {
    const given = { tasks: [task('A'), task('B')], transients: Array.from({ length: 50 }, (_, index) => transient(`x${index}`)) };
    const reports = await Promise.all(Array.from({ length: 6 }, () => load(given)));
    expect(reports.flatMap(({ transients }) => transients.added)).toHaveLength(50);
    expect(await register(database)).toHaveLength(100);
  });

  test('names twenty and counts more', async () => {
    const report = await load({ transients: Array.from({ length: 21 }, (_, index) => transient(`x${index}`)) });
    expect(describeLoad(report).at(-1)).toBe('transients: 21 added');
  });
});

describe('a new task', () => {
  test('has an entry for every object of its kind, with its place in the order', async () => {
    await load({ tasks: [task('A')], transients: [transient('x', { priority: 3 }), transient('y', { publicTimestamp: new Date('2010-01-01T00:00:00Z') })] });
    await database.em().execute(`insert into subject (kind, name) values ('request', 'r')`);
    await load({ tasks: [task('A'), task('B'), task('C', { kind: 'request' }), task('D', { kind: 'system' })] });
    expect((await register(database)).map((row) => `${row.subject} ${row.task}`)).toEqual(['x A', 'x B', 'y A', 'y B', 'r C']);
    expect(await database.em().execute(`select priority, public_timestamp = 'infinity' as last from task_register r join task t on t.id = r.task_id where t.name = 'B' order by subject_id`))
      .toEqual([{ priority: 3, last: true }, { priority: 0, last: false }]);
  });

  test('waits for just those prerequisites that are not met already', async () => {
    const first = { tasks: [task('A')], transients: [transient('x'), transient('y')] };
    await loadFixtures(database.em(), fixtures(first), { sync: syncTo({ A: {} }) });
    await work(database, 'x', 'A', 'processed');
    await loadFixtures(database.em(), fixtures({ ...first, tasks: [task('A'), task('B')] }), { sync: syncTo({ A: {}, B: { A: 'processed' } }) });
    expect((await register(database)).filter((row) => row.task === 'B').map(({ subject, unmet }) => [subject, unmet])).toEqual([['x', 0], ['y', 1]]);
    expect(await countDrift(database.em())).toBe(0);
  });

  test('misses no object that is added at the same moment', async () => {
    await load({ tasks: [task('A')], transients: [transient('old')] });
    const round = async (n: number) => {
      const tasks = [task('A'), ...Array.from({ length: n + 1 }, (_, index) => task(`N${index}`))];
      const subjects = [1, 2, 3].map((index) => database.em().execute(`insert into subject (kind, name) values ('transient', 'r${n}n${index}')`));
      await Promise.all([load({ tasks }), ...subjects, saveTransients(database.em(), [transient(`s${n}`)])]);
    };
    for (let n = 0; n < 5; n++) await round(n);
    const [counts] = await database.em().execute<{ subjects: number; tasks: number; entries: number }[]>(
      `select (select count(*)::int from subject) as subjects, (select count(*)::int from task) as tasks, (select count(*)::int from task_register) as entries`,
    );
    expect(counts).toEqual({ subjects: 21, tasks: 6, entries: 126 });
  });
});

describe('a status that the fixtures no longer have', () => {
  const without = STATUSES.filter(({ message }) => message !== 'no host');

  test('is removed where nothing uses it', async () => {
    await load();
    expect((await load({ statuses: without })).statuses).toEqual({ ...none, removed: ['no host'], unchanged: 4 });
    expect(await names(`select message as name from status order by id`)).toEqual(without.map(({ message }) => message));
  });

  test('stays while rows use it, and everything else of the load with it', async () => {
    const given = fixtures({ tasks: [task('A'), task('B')], transients: [transient('x'), transient('y')] });
    await loadFixtures(database.em(), given, { sync: syncTo({ A: {}, B: { A: 'no host' } }) });
    for (const name of ['x', 'y']) await work(database, name, 'A', 'no host');
    const report = await refusalOf(load({ statuses: without, tasks: [task('A', { owner: 'anna' }), task('B')] }));
    expect(report).toBe(
      'Nothing was loaded:\nstatus "no host" cannot be removed: 2 entries, 2 attempts, 2 transitions and 2 tasks ("A", "B") use it. Put it back into the fixtures.',
    );
    expect(await names(`select owner as name from task where owner <> ''`)).toEqual([]);
  });

  test('that another one seems to have taken the place of is told how to be renamed', async () => {
    await loadFixtures(database.em(), fixtures({ tasks: [task('A')], transients: [transient('x')] }), { sync: syncTo({ A: {} }) });
    await work(database, 'x', 'A', 'no host');
    const renamed = [...without, { message: "no host's match", type: 'error' } as const];
    expect(await refusalOf(load({ statuses: renamed, tasks: [task('A')] }))).toContain(
      `If "no host's match" is its new name, rename it in the database first: update status set message = 'no host''s match' where message = 'no host';`,
    );
    await database.em().execute(`update status set message = 'no host''s match' where message = 'no host'`);
    expect((await load({ statuses: renamed, tasks: [task('A')] })).statuses).toEqual({ ...none, unchanged: 5 });
  });

  test('can go together with its last mention in a runner', async () => {
    const given = fixtures({ tasks: [task('A'), task('B')], transients: [transient('x')] });
    await loadFixtures(database.em(), given, { sync: syncTo({ A: {}, B: { A: 'no host' } }) });
    expect(await refusalOf(loadFixtures(database.em(), { ...given, statuses: without }))).toContain('2 tasks ("A", "B") use it');
    const report = await loadFixtures(database.em(), { ...given, statuses: without }, { sync: syncTo({ A: {}, B: {} }, without, 'time limit exceeded') });
    expect(report.statuses.removed).toEqual(['no host']);
    expect((await register(database)).map(({ unmet }) => unmet)).toEqual([0, 0]);
  });
});

describe('a task that the fixtures no longer have', () => {
  test('is removed with its entries where nobody has worked on them', async () => {
    const given = { transients: [transient('x')] };
    await loadFixtures(database.em(), fixtures({ ...given, tasks: [task('A'), task('B'), task('C')] }), { sync: syncTo({ A: {}, B: { A: 'processed' }, C: { B: 'processed' } }) });
    await work(database, 'x', 'A', 'processed');
    // B and C go together, though C waits for B.
    expect((await load({ ...given, tasks: [task('A')] })).tasks).toEqual({ ...none, removed: ['B', 'C'], unchanged: 1 });
    expect((await register(database)).map((row) => row.task)).toEqual(['A']);
    expect(await countDrift(database.em())).toBe(0);
  });

  test('stays when something has happened in it', async () => {
    const given = { tasks: [task('A'), task('B')], transients: [transient('x'), transient('y')] };
    await loadFixtures(database.em(), fixtures(given), { sync: syncTo({ A: {} }) });
    await work(database, 'x', 'A', 'processing');
    expect(await refusalOf(load({ ...given, tasks: [task('B')] }))).toBe(
      'Nothing was loaded:\ntask "A" cannot be removed: 1 entry, 1 attempt and 1 transition use it. Put it back into the fixtures.',
    );
    expect(await refusalOf(load({ ...given, tasks: [task('A2'), task('B')] }))).toContain(
      `If "A2" is its new name, rename it in the database first: update task set name = 'A2' where name = 'A';`,
    );
  });

  test('stays when it was run and reset, as its history would be lost', async () => {
    await loadFixtures(database.em(), fixtures({ tasks: [task('A')], transients: [transient('x')] }), { sync: syncTo({ A: {} }) });
    await work(database, 'x', 'A', 'processed');
    await database.em().execute(`update task_register set status_id = 1, cause = 'reset', actor = 'dora'`);
    expect(await refusalOf(load())).toContain('task "A" cannot be removed: 1 entry, 1 attempt and 3 transitions use it.');
  });

  test('stays while a person holds it for an object', async () => {
    await load({ tasks: [task('A')], transients: [transient('x')] });
    await database.em().execute(`insert into hold (subject_id, task_id, reason, placed_by) values (1, 1, 'bad weather', 'dora')`);
    expect(await refusalOf(load())).toContain('task "A" cannot be removed: 1 hold uses it.');
  });

  test('stays while another one waits for it', async () => {
    await loadFixtures(database.em(), fixtures({ tasks: [task('A'), task('B')] }), { sync: syncTo({ A: {}, B: { A: 'processed' } }) });
    expect(await refusalOf(load({ tasks: [task('B')] }))).toContain('task "A" cannot be removed: 1 task ("B") uses it.');
    const report = await loadFixtures(database.em(), fixtures({ tasks: [task('B')] }), { sync: syncTo({ B: {} }) });
    expect(report.tasks.removed).toEqual(['A']);
  });

  test('is told together with everything else that cannot go', async () => {
    await loadFixtures(database.em(), fixtures({ tasks: [task('A'), task('B')], transients: [transient('x')] }), { sync: syncTo({ A: {}, B: {} }) });
    await work(database, 'x', 'A', 'processed');
    await work(database, 'x', 'B', 'no host');
    const message = await refusalOf(load({ statuses: STATUSES.slice(0, 3) }));
    expect(String(message).split('\n')).toEqual([
      'Nothing was loaded:',
      expect.stringContaining('status "processed" cannot be removed: 1 entry, 1 attempt and 1 transition use it.'),
      expect.stringContaining('status "no host" cannot be removed: 1 entry, 1 attempt and 1 transition use it.'),
      expect.stringContaining('task "A" cannot be removed'),
      expect.stringContaining('task "B" cannot be removed'),
    ]);
  });
});

describe('a task that changes its kind', () => {
  test('leaves the objects of the old kind and has entries for those of the new one', async () => {
    await load({ tasks: [task('A')], transients: [transient('x')] });
    await database.em().execute(`insert into subject (kind, name) values ('request', 'r')`);
    expect((await load({ tasks: [task('A', { kind: 'request' })] })).tasks).toEqual({ ...none, changed: ['A'] });
    expect((await register(database)).map(({ subject }) => subject)).toEqual(['r']);
  });

  test('is refused when it has been worked on', async () => {
    await loadFixtures(database.em(), fixtures({ tasks: [task('A')], transients: [transient('x')] }), { sync: syncTo({ A: {} }) });
    await work(database, 'x', 'A', 'processed');
    expect(await refusalOf(load({ tasks: [task('A', { kind: 'system' })] }))).toBe(
      'Nothing was loaded:\ntask "A" cannot change its kind from "transient" to "system": 1 entry, 1 attempt and 2 transitions use it.',
    );
  });
});

describe('entries of the fixtures', () => {
  const given = fixtures({
    tasks: [task('A'), task('B')], transients: [transient('x'), transient('y')],
    entries: [{ transient: 'x', task: 'A', status: 'processed' }, { transient: 'y', task: 'A', status: 'no host' }],
  });
  const sync = syncTo({ A: {}, B: { A: 'processed' } });

  test('stand where they say, and those who wait for them know', async () => {
    const { entries } = await loadFixtures(database.em(), given, { sync });
    expect(entries).toEqual({ ...none, changed: ['x: A', 'y: A'] });
    expect(await register(database)).toEqual([
      { subject: 'x', task: 'A', status: 'processed', unmet: 0, attempt: 0 }, { subject: 'x', task: 'B', status: 'not processed', unmet: 0, attempt: 0 },
      { subject: 'y', task: 'A', status: 'no host', unmet: 0, attempt: 0 }, { subject: 'y', task: 'B', status: 'not processed', unmet: 1, attempt: 0 },
    ]);
    expect(await database.em().execute(`select distinct cause, actor from transition`)).toEqual([{ cause: 'load', actor: 'fixtures' }]);
    expect(await countDrift(database.em())).toBe(0);
  });

  test('can be applied after the graph is known, in a call of its own', async () => {
    expect((await loadFixtures(database.em(), given)).entries).toBeUndefined();
    await sync(database.em());
    expect(await applyEntries(database.em(), given.entries)).toEqual({ ...none, changed: ['x: A', 'y: A'] });
    expect(await applyEntries(database.em(), given.entries)).toEqual({ ...none, unchanged: 2 });
    expect(await applyEntries(database.em(), [])).toEqual(none);
  });

  test('are left alone once a runner has touched them', async () => {
    await loadFixtures(database.em(), { ...given, entries: [] }, { sync });
    await work(database, 'x', 'A', 'no host');
    expect(await applyEntries(database.em(), given.entries)).toEqual({ ...none, changed: ['y: A'], unchanged: 1 });
    expect((await register(database))[0]).toMatchObject({ status: 'no host', attempt: 1 });
  });

  test('stay reset when a person has reset them', async () => {
    await loadFixtures(database.em(), given, { sync });
    await database.em().execute(`update task_register set status_id = 1, cause = 'reset', actor = 'dora' where status_id <> 1`);
    expect(await applyEntries(database.em(), given.entries)).toEqual({ ...none, unchanged: 2 });
  });

  test('of names that are not there are left alone', async () => {
    await loadFixtures(database.em(), { ...given, entries: [] }, { sync });
    expect(await applyEntries(database.em(), [{ transient: 'z', task: 'A', status: 'processed' }, { transient: 'x', task: 'A', status: 'processing' }])).toEqual({ ...none, unchanged: 2 });
  });

  test('come from a file of blast’s, with its transients', async () => {
    const read = await readFixtures(['fixtures/test']);
    await loadFixtures(database.em(), read, { sync: syncTo({ 'Cutout download': {}, 'Host match': { 'Cutout download': 'processed' } }, read.statuses) });
    expect((await register(database)).filter(({ status }) => status !== 'not processed').map((row) => [row.subject, row.task, row.status])).toEqual([
      ['2010H', 'Cutout download', 'processed'], ['2010H', 'Host match', 'processed'], ['2010ai', 'Host match', 'no host'],
    ]);
  });
});
