import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { deleteObjects, type Deleted, type DeleteOptions } from '../../src/objects/delete-objects.ts';
import { findObjects } from '../../src/objects/found-object.ts';
import { objectFolder } from '../../src/runner/object-folder.ts';
import { gate, obeys, writes } from '../engine/scripted-runner.ts';
import { renewLeases } from '../engine/renew-leases.ts';
import { createDatabase } from '../harness.ts';
import { givenObjects } from './given-objects.ts';

let database: Database;
let products: string;
beforeAll(async () => {
  database = await createDatabase();
  products = await mkdtemp(path.join(os.tmpdir(), 'afterglow-delete-'));
});
afterAll(() => rm(products, { recursive: true, force: true }));

const remove = async (names: string[], options: Partial<DeleteOptions> = {}): Promise<Deleted[]> =>
  deleteObjects(database, await findObjects(database.em(), names), { by: 'person ada', productsFolder: products, withFiles: false, cancel: false, dryRun: false, ...options });
const left = async (): Promise<string[]> => (await database.em().execute<{ name: string }[]>(`select name from subject order by name`)).map(({ name }) => name);

async function given() {
  const world = await givenObjects(database);
  await world.add('2010a', '2010ag');
  await world.engine().work();
  for (const name of ['2010a', '2010ag']) {
    const folder = objectFolder(products, { name });
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'a.svg'), '<svg/>');
  }
  return world;
}

describe('delete', () => {
  it('says in a dry run which rows and files would go, and takes none', async () => {
    await given();
    expect(await remove(['2010a'], { dryRun: true })).toEqual([
      { kind: 'transient', name: '2010a', rows: { subject: 1, task_register: 7, attempt: 7, transition: 14, transient: 1 }, files: { count: 1, bytes: 6 }, running: [] },
    ]);
    expect(await left()).toEqual(['2010a', '2010ag']);
  });

  it('Bd7: takes the object of this name with all rows, and nothing of one whose name it begins', async () => {
    await given();
    await remove(['2010a']);
    expect(await left()).toEqual(['2010ag']);
    const [rest] = await database.em().execute(`select (select count(*)::int from attempt) as attempts, (select count(*)::int from transition) as transitions, (select count(*)::int from task_register) as entries`);
    expect(rest).toEqual({ attempts: 7, transitions: 14, entries: 7 });
    expect(await readdir(path.join(products, 'transient'))).toEqual(['2010a', '2010ag']);
    expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
  });

  it('takes the files where that is wanted', async () => {
    await given();
    await remove(['2010a'], { withFiles: true });
    expect(await readdir(path.join(products, 'transient'))).toEqual(['2010ag']);
  });

  it('is refused while something runs, for all of the objects named, and says what', async () => {
    const world = await given();
    await world.put('2010ag', 'Match', 'processing');
    await expect(remove(['2010a', '2010ag'])).rejects.toThrow('"Match" of 2010ag runs. Wait until that is done, or say --cancel.');
    expect(await left()).toEqual(['2010a', '2010ag']);
    expect(await remove(['2010ag'], { dryRun: true, cancel: true })).toMatchObject([{ running: ['Match'] }]);
  });

  it('stops what runs first where that is wanted', async () => {
    const world = await givenObjects(database);
    await world.add('2010ag');
    world.runner('Information').on('2010ag', obeys);
    world.runner('Picture').on('2010ag', obeys);
    const { engine, quiet } = world.engine();
    await engine.wake();
    await Promise.all([world.runner('Information').began('2010ag'), world.runner('Picture').began('2010ag')]);
    const removed = remove(['2010ag'], { cancel: true });
    while ((await left()).length > 0) await renewLeases(engine, database, 60);
    await removed;
    await quiet();
    expect(await database.em().execute(`select from attempt`)).toEqual([]);
  });

  it('is not undone by a result that comes after it', async () => {
    const world = await givenObjects(database);
    await world.add('2010ag');
    const late = gate(writes('late'));
    world.runner('Information').on('2010ag', late.script);
    const { engine, quiet } = world.engine();
    await engine.wake();
    await world.runner('Information').began('2010ag');
    // As if its lease had ended and it had been rescued.
    await database.em().execute(`update attempt set outcome = 'rescued', ended_at = now() where outcome = 'running'`);
    await database.em().execute(`update task_register set status_id = 1, cause = 'rescue', lease_owner = null, lease_until = null where status_id = 2`);
    await remove(['2010ag']);
    late.open();
    await quiet();
    expect(await world.notes()).toEqual([]);
    expect(await database.em().execute(`select from task_register`)).toEqual([]);
  });

  it('Bd10: is refused where rows of others refer to the object, and says which table', async () => {
    await given();
    await database.em().execute(`create table alias (name text primary key, subject_id bigint references subject); insert into alias select 'x', id from subject where name = '2010a'`);
    try {
      await expect(remove(['2010ag', '2010a'])).rejects.toThrow('alias');
      expect(await left()).toEqual(['2010a', '2010ag']);
    } finally {
      await database.em().execute(`drop table alias`);
    }
  });
});

describe('the folder of an object', () => {
  it.each([['../../etc', 'transient/%2E.%2F..%2Fetc'], ['..', 'transient/%2E%2E'], ['a/b', 'transient/a%2Fb'], ['2010ag', 'transient/2010ag'], ['größe *', 'transient/gr%C3%B6%C3%9Fe%20%2A'], ['~', 'transient/%7E']])('of %s lies below the products', (name, folder) => {
    expect(path.relative('/p', objectFolder('/p', { name }))).toBe(folder);
  });
});
