import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { loadFixtures } from '../../src/db/load-fixtures.ts';
import { saveTransients } from '../../src/db/save-transients.ts';
import { createDatabase } from '../harness.ts';
import { empty, fixtures, register, task, transient } from './fixture-rows.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  await empty(database);
  await loadFixtures(database.em(), fixtures({ tasks: [task('A'), task('B')] }));
});

const rows = () =>
  database.em().execute(
    `select name, priority, data, ra_deg, redshift, tns_id, spectroscopic_class from subject s left join transient t on t.subject_id = s.id order by id`,
  );

test('new transients have their entries at once, in the order they were given', async () => {
  expect(await saveTransients(database.em(), [transient('b'), transient('a')])).toEqual({ added: ['b', 'a'], changed: [], unchanged: 0 });
  expect((await register(database)).map((row) => `${row.subject} ${row.task} ${row.unmet}`)).toEqual(['b A 0', 'b B 0', 'a A 0', 'a B 0']);
});

test('a known name is changed, the rest is left', async () => {
  await saveTransients(database.em(), [transient('a'), transient('b')]);
  expect(await saveTransients(database.em(), [transient('c'), transient('b', { raDeg: 11 }), transient('a')])).toEqual({ added: ['c'], changed: ['b'], unchanged: 1 });
});

test('what a file does not know can be kept', async () => {
  await saveTransients(database.em(), [transient('a', { redshift: 0.1, tnsId: 5, spectroscopicClass: 'SN Ia', priority: 9, data: { x: 1 } })]);
  expect(await saveTransients(database.em(), [transient('a', { raDeg: 11, spectroscopicClass: 'SN II' }), transient('new', { priority: 2 })], 'kept')).toEqual({ added: ['new'], changed: ['a'], unchanged: 0 });
  expect(await rows()).toEqual([
    { name: 'a', priority: 9, data: { x: 1 }, ra_deg: 11, redshift: 0.1, tns_id: '5', spectroscopic_class: 'SN II' },
    { name: 'new', priority: 2, data: {}, ra_deg: 10, redshift: null, tns_id: null, spectroscopic_class: null },
  ]);
  expect(await saveTransients(database.em(), [transient('a', { raDeg: 11 })], 'kept')).toEqual({ added: [], changed: [], unchanged: 1 });
});

test('an object that was added without a position gets one', async () => {
  await database.em().execute(`insert into subject (kind, name) values ('transient', 'a')`);
  expect(await saveTransients(database.em(), [transient('a')])).toEqual({ added: [], changed: ['a'], unchanged: 0 });
  expect(await rows()).toMatchObject([{ name: 'a', ra_deg: 10 }]);
});

test('an object of another kind may have the same name', async () => {
  await database.em().execute(`insert into subject (kind, name) values ('request', 'a')`);
  expect((await saveTransients(database.em(), [transient('a')])).added).toEqual(['a']);
});

test('saves of the same names at once end with each name once', async () => {
  const given = Array.from({ length: 200 }, (_, index) => transient(`x${index}`));
  const saved = await Promise.all(Array.from({ length: 5 }, () => saveTransients(database.em(), given)));
  expect(saved.flatMap(({ added }) => added)).toHaveLength(200);
});

test('it joins the transaction that it is called in', async () => {
  const failing = database.em().transactional(async (em) => {
    await saveTransients(em, [transient('a')]);
    throw new Error('later');
  });
  await expect(failing).rejects.toThrow('later');
  expect(await rows()).toEqual([]);
});

test('more rows than one statement takes are one transaction', async () => {
  const given = Array.from({ length: 10_001 }, (_, index) => transient(`x${index}`));
  await expect(saveTransients(database.em(), [...given, transient('bad', { raDeg: 400 })])).rejects.toThrow(/ra_deg/);
  expect(await rows()).toEqual([]);
  expect((await saveTransients(database.em(), given)).added).toHaveLength(10_001);
});

test('nothing to save is nothing done', async () => {
  expect(await saveTransients(database.em(), [])).toEqual({ added: [], changed: [], unchanged: 0 });
});
