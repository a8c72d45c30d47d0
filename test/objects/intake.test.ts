import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { saveTransients } from '../../src/db/save-transients.ts';
import { parseTransientsCsv } from '../../src/fixtures/read-csv.ts';
import { ProblemList } from '../../src/fixtures/problem-list.ts';
import { archiveObjects } from '../../src/objects/archive.ts';
import { findObjects } from '../../src/objects/found-object.ts';
import { restoreArchive } from '../../src/objects/restore.ts';
import { createDatabase } from '../harness.ts';
import { givenObjects } from './given-objects.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const take = async (csv: string, absent: 'kept' | 'cleared' = 'kept') => saveTransients(database.em(), parseTransientsCsv(csv, new ProblemList('a.csv')).transients, absent);

describe('an object that comes in', () => {
  it('Bd19: is begun at once by whatever door: a file, a statement of SQL, an archive', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-intake-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const world = await givenObjects(database);
    const first = [world.task('Information').id, world.task('Picture').id].map(String);
    const listener = await database.connect('test');
    const heard: string[] = [];
    listener.on('notification', ({ payload }) => heard.push(payload!));
    onTestFinished(() => listener.end());
    await listener.query('listen afterglow_ready');
    const woken = () => vi.waitFor(() => expect(new Set(heard.splice(0))).toEqual(new Set(first)));

    await take('name,ra,dec\nby-file,1,2\n');
    await woken();
    await database.em().execute(`insert into subject (kind, name) values ('transient', 'by-sql')`);
    await woken();
    await archiveObjects(database.em(), await findObjects(database.em(), ['by-file']), folder, path.join(folder, 'a.tar.gz'));
    await database.em().execute(`delete from subject where name = 'by-file'`);
    await restoreArchive(database.em(), path.join(folder, 'a.tar.gz'), { by: 'person ada', productsFolder: folder, known: 'refuse' });
    await woken();
  });

  it('Bd17: is done under its own name, whatever its place in the file and whatever the name looks like', async () => {
    const world = await givenObjects(database);
    const seen: [string, number][] = [];
    world.runner('Information').does(({ name, raDeg }) => {
      seen.push([name, raDeg]);
      return 'processed';
    });
    await take('name,ra,dec\n2,20,0\n0,30,0\n1,10,0\n');
    await world.engine().work();
    expect(seen.toSorted(([a], [b]) => a.localeCompare(b))).toEqual([['0', 30], ['1', 10], ['2', 20]]);
  });

  it.each(['kept', 'cleared'] as const)('Bd10: and is known already is changed in its place: what was found out about it stays (%s)', async (absent) => {
    const world = await givenObjects(database);
    world.runner('Picture').does(() => ({ status: 'processed', result: 'a picture' }));
    const [id] = await world.add('2010ag');
    await world.engine().work();
    await take('name,ra,dec,class\n2010ag,150,2,SN Ia\n', absent);
    expect((await findObjects(database.em(), ['2010ag']))[0]!.id).toBe(id);
    expect(await world.attempts('2010ag', 'Picture')).toMatchObject([{ result: 'a picture', outcome: 'finished' }]);
    expect(new Set(Object.values(await world.statuses('Report')))).toEqual(new Set(['processed']));
  });
});
