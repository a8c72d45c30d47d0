import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { placeHolds } from '../../src/engine/hold.ts';
import { archiveObjects } from '../../src/objects/archive.ts';
import { editValues } from '../../src/objects/edit-values.ts';
import { findObjects } from '../../src/objects/found-object.ts';
import { giveResult } from '../../src/objects/give-result.ts';
import { restoreArchive, type RestoreOptions } from '../../src/objects/restore.ts';
import { TAR_END, tarHeader, tarPadding } from '../../src/objects/tar.ts';
import { objectFolder } from '../../src/runner/object-folder.ts';
import { ArchiveError } from '../../src/errors.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { givenObjects, type Task } from './given-objects.ts';

let here: Database;
let there: Database;
let folder: string;
let file: string;
const TABLES = `
create table if not exists filter (id integer primary key generated always as identity, name text not null unique);
create table if not exists image (id bigint primary key generated always as identity, subject_id bigint not null references subject on delete cascade, filter_id integer references filter, big numeric, path text, double_area double precision generated always as (2 * 3.5) stored);
create table if not exists sheet (subject_id bigint primary key references subject on delete cascade, text text);
create table if not exists remark (id integer primary key generated always as identity, sheet_id bigint not null references sheet on delete cascade, answers integer references remark, body text);
create table if not exists plate (code text primary key, subject_id bigint not null references subject on delete cascade);
create table if not exists scan (plate_code text not null references plate on delete cascade, place integer);
create table if not exists flux (image_id bigint not null references image on delete cascade, number integer not null, ujy double precision, primary key (image_id, number))`;
beforeAll(async () => {
  [here, there] = await Promise.all([createDatabase(), createDatabase()]);
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-archive-'));
  for (const database of [here, there]) await database.em().execute(TABLES);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  file = path.join(folder, 'a.tar.gz');
});

const products = (database: Database): string => path.join(folder, database === here ? 'here' : 'there');
const archive = async (...names: string[]) => archiveObjects(here.em(), await findObjects(here.em(), names), products(here), file);
const restore = (options: Partial<RestoreOptions> = {}) => restoreArchive(there.em(), file, { by: 'person emil', productsFolder: products(there), known: 'refuse', ...options });

/** Another database: it shares the names of statuses, tasks and filters, not their numbers. */
async function elsewhere(): Promise<World<Task>> {
  const world = await givenObjects(there);
  await there.em().execute(`insert into status (message, type) values ('only there', 'error'); delete from filter; insert into filter (name) values ('z'), ('i'), ('r'), ('g')`);
  await world.add('x', 'y', 'z');
  return world;
}

/** An object with a history: done, a figure and a result edited, one task failed and retried, a hold, rows in tables of the pipeline's own, files. */
async function given(): Promise<[World<Task>, World<Task>]> {
  const other = await elsewhere();
  const world = await givenObjects(here);
  await here.em().execute(`delete from filter; insert into filter (name) values ('g'), ('r')`);
  const [id] = await world.add({ name: '2010ag', at: '2010-01-02', priority: 2, data: { fit: { mb: 16.4 }, n: 1 } }, '2010a');
  world.runner('Distance').on('2010ag', () => 'no host');
  await world.engine().work();
  const [object] = await findObjects(here.em(), ['2010ag']);
  await editValues(here.em(), object!, new Map([['redshift', 0.03]]), { by: 'person ada', reason: 'why not' });
  await world.engine({ daemonId: 2 }).work();
  await giveResult(here.em(), object!, { task: 'Match', result: { name: 'UGC 1' } }, { by: 'person ada' });
  await placeHolds(here, { subjects: ['2010ag'], task: 'Report', reason: 'wait', until: undefined, by: 'person ada' });
  await here.em().execute(
    `with i as (insert into image (subject_id, filter_id, big, path) select ?, id, 12345678901234567890.12345678901234567890, name || '.fits' from filter order by name returning id)
     insert into flux (image_id, number, ujy) select id, n, n + 0.1 from i, generate_series(1, 2) n`, [id!]);
  await here.em().execute(`insert into sheet values (?, 'front'); insert into plate values ('P1', ?), ('P2', ?); insert into scan values ('P1', 1), ('P2', 2)`, [id!, id!, id!]);
  await here.em().execute(`with one as (insert into remark (sheet_id, body) values (?, 'is it so') returning id) insert into remark (sheet_id, answers, body) select ?, id, 'it is' from one`, [id!, id!]);
  await here.em().execute(`update remark set answers = (select min(id) from remark) where body = 'it is'`);
  const files = objectFolder(products(here), { name: '2010ag' });
  await mkdir(path.join(files, 'cut outs/größe'), { recursive: true });
  await writeFile(path.join(files, 'a.svg'), '<svg/>');
  await writeFile(path.join(files, 'cut outs/größe/b.bin'), Buffer.alloc(2000, 7));
  await symlink('/etc/passwd', path.join(files, 'link'));
  return [world, other];
}

/** All of an object, without what is of one database alone. */
async function everything(database: Database, name: string): Promise<unknown> {
  const [row] = await database.em().execute<[object]>(
    `select s.kind, s.name, s.public_timestamp, s.priority, s.data, s.edited, s.created_at, to_jsonb(t) - 'subject_id' as transient,
            (select jsonb_agg(jsonb_build_array(k.name, x.message, r.attempt, r.unmet, r.held, r.failure, r.reason, r.cause, r.actor, r.overridden_by, r.last_modified, r.wall_seconds) order by k.name)
               from task_register r join task k on k.id = r.task_id join status x on x.id = r.status_id where r.subject_id = s.id) as register,
            (select jsonb_agg(jsonb_build_array(k.name, x.message, to_jsonb(a) - '{subject_id,task_id,status_id,daemon_id}'::text[]) order by k.name, a.attempt)
               from attempt a join task k on k.id = a.task_id left join status x on x.id = a.status_id where a.subject_id = s.id) as attempts,
            (select jsonb_agg(jsonb_build_array(k.name, f.message, g.message, x.at, x.cause, x.actor, x.attempt) order by x.id)
               from transition x join task k on k.id = x.task_id join status f on f.id = x.from_id join status g on g.id = x.to_id where x.subject_id = s.id) as transitions,
            (select jsonb_agg(jsonb_build_array(k.name, e.field, e.at, e.edited_by, e.reason, e.old_value, e.new_value) order by e.id)
               from edit e left join task k on k.id = e.task_id where e.subject_id = s.id) as edits,
            (select jsonb_agg(jsonb_build_array(k.name, h.reason, h.placed_by, h.placed_at) order by h.id) from hold h left join task k on k.id = h.task_id where h.subject_id = s.id) as holds,
            (select jsonb_agg(jsonb_build_array(f.name, i.big::text, i.path, (select jsonb_agg(jsonb_build_array(u.number, u.ujy) order by u.number) from flux u where u.image_id = i.id)) order by i.id)
               from image i join filter f on f.id = i.filter_id where i.subject_id = s.id) as images,
            (select jsonb_agg(jsonb_build_array(h.text, k.body, (select a.body from remark a where a.id = k.answers)) order by k.body) from sheet h join remark k on k.sheet_id = h.subject_id where h.subject_id = s.id) as remarks,
            (select jsonb_agg(jsonb_build_array(p.code, c.place) order by p.code) from plate p join scan c on c.plate_code = p.code where p.subject_id = s.id) as plates
       from subject s left join transient t on t.subject_id = s.id where s.name = ?`, [name]);
  return row;
}

describe('an archive', () => {
  it('B26: brings an object with all rows and files into another database, where everything is as it was', async () => {
    const [, other] = await given();
    expect(await archive('2010ag', '2010a')).toMatchObject({ file, objects: [{ name: '2010ag', files: 2 }, { name: '2010a', files: 0 }] });
    expect(await restore()).toMatchObject({ objects: [{ name: '2010ag', did: 'restored', files: 2 }, { name: '2010a', did: 'restored' }] });
    for (const name of ['2010ag', '2010a']) expect(await everything(there, name)).toEqual(await everything(here, name));
    const files = objectFolder(products(there), { name: '2010ag' });
    expect(await readFile(path.join(files, 'cut outs/größe/b.bin'))).toEqual(Buffer.alloc(2000, 7));
    expect((await readdir(files)).toSorted()).toEqual(['a.svg', 'cut outs']);
    expect(await countDrift(there.em())).toBe(0);
    expect((await auditRegister(there.em(), async () => {})).findings).toEqual([]);
    // What was still to be done there is done here, and only that.
    await other.engine({ daemonId: 9 }).work();
    expect(other.runner('Host').runs.map(({ subject }) => subject)).toContain('2010ag');
    expect(other.runner('Match').runs.filter(({ subject }) => subject.startsWith('2010'))).toEqual([]);
    expect((await auditRegister(there.em(), async () => {})).findings).toEqual([]);
  });

  it('of what runs has it as not begun', async () => {
    const [world] = await given();
    await world.put('2010a', 'Picture', 'processing', { owner: 7 });
    await archive('2010a');
    await restore();
    const [row] = await there.em().execute(
      `select x.message, r.attempt, r.lease_owner, (select outcome from attempt a where a.subject_id = r.subject_id and a.task_id = r.task_id order by attempt desc limit 1) as outcome
         from task_register r join subject s on s.id = r.subject_id join task k on k.id = r.task_id join status x on x.id = r.status_id where s.name = '2010a' and k.name = 'Picture'`);
    expect(row).toEqual({ message: 'not processed', attempt: 2, lease_owner: null, outcome: 'released' });
    expect((await auditRegister(there.em(), async () => {})).findings).toEqual([]);
  });

  it('is read by other tar programs', async () => {
    await given();
    await archive('2010ag');
    const names: string[] = [];
    const bytes = gunzipSync(await readFile(file));
    for (let at = 0; bytes[at] !== 0; ) {
      names.push(bytes.toString('utf8', at, at + 100).replace(/\0.*/s, ''));
      at += 512 + Math.ceil(Number.parseInt(bytes.toString('utf8', at + 124, at + 135), 8) / 512) * 512;
    }
    expect(names).toEqual(['afterglow.json', 'objects/1/rows.ndjson', 'objects/1/files/a.svg', 'objects/1/files/%2']);
    expect(bytes.length % 512).toBe(0);
  });

  it('is refused where the object is known, replaces it, or leaves it, as told', async () => {
    await given();
    await archive('2010ag', '2010a');
    await restore();
    const before = await everything(there, '2010ag');
    await expect(restore()).rejects.toThrow('There is a transient 2010ag here already. Nothing was restored; --replace');
    await there.em().execute(`delete from subject where name = '2010a'`);
    await rm(objectFolder(products(there), { name: '2010a' }), { recursive: true, force: true });
    await there.em().execute(`update transient set redshift = 9 where subject_id = (select id from subject where name = '2010ag')`);
    expect(await restore({ known: 'skip' })).toMatchObject({ objects: [{ did: 'skipped' }, { did: 'restored' }] });
    expect(await everything(there, '2010ag')).not.toEqual(before);
    await writeFile(path.join(objectFolder(products(there), { name: '2010ag' }), 'a.svg'), 'other');
    expect(await restore({ known: 'replace' })).toMatchObject({ objects: [{ did: 'replaced' }, { did: 'replaced' }] });
    expect(await everything(there, '2010ag')).toEqual(before);
    expect(await readFile(path.join(objectFolder(products(there), { name: '2010ag' }), 'a.svg'), 'utf8')).toBe('<svg/>');
    expect(await readdir(products(there))).toEqual(['transient']);
  });

  it('is checked in a dry run, which writes nothing', async () => {
    await given();
    await archive('2010ag');
    expect(await restore({ dryRun: true })).toMatchObject({ objects: [{ name: '2010ag', did: 'restored', files: 2 }] });
    expect(await everything(there, '2010ag')).toBeUndefined();
    expect(await readdir(products(there))).toEqual([]);
  });

  it('is refused, with nothing written, where a task, a table, a column or a row that is referred to is not there', async () => {
    await given();
    await archive('2010ag');
    await there.em().execute(`delete from filter where name = 'r'`);
    await expect(restore()).rejects.toThrow('refers by filter_id to {"name": "r"}'.replace(': ', ':'));
    await there.em().execute(`insert into filter (name) values ('r'); alter table flux rename column ujy to mjy`);
    await expect(restore()).rejects.toThrow('The table "flux" has no column "ujy" here.');
    await there.em().execute(`alter table flux rename column mjy to ujy; update task set name = 'Other' where name = 'Picture'`);
    await expect(restore()).rejects.toThrow('The archive has the tasks "Picture", which are not here.');
    expect(await everything(there, '2010ag')).toBeUndefined();
    expect(await readdir(products(there))).toEqual([]);
  });

  it('cannot be made of rows that refer to what only a number tells apart', async () => {
    await given();
    await here.em().execute(`create table session (id integer primary key generated always as identity, note text); insert into session (note) values ('x');
      create table exposure (subject_id bigint references subject on delete cascade, session_id integer references session);
      insert into exposure select s.id, p.id from subject s, session p where s.name = '2010ag'`);
    try {
      await expect(archive('2010ag')).rejects.toThrow('exposure.session_id refers to session, whose rows only a number of this database tells apart');
      expect((await archive('2010a')).objects).toHaveLength(1);
    } finally {
      await here.em().execute(`drop table exposure; drop table session`);
    }
  });
});

interface Entry {
  name: string;
  content: Buffer | string;
  type?: string;
  /** In place of the true one. */
  bytes?: number;
}

/** An archive made by hand. */
async function put(entries: readonly Entry[], end: Buffer = TAR_END): Promise<void> {
  const parts = entries.flatMap(({ name, content, type, bytes }) => {
    const body = Buffer.from(content);
    const header = tarHeader(name, bytes ?? body.length, new Date(0));
    if (type !== undefined) {
      header.write(type, 156);
      header.write('/etc/passwd', 157);
      header.write('        ', 148);
      header.write(header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\u0000 ', 148);
    }
    return [header, body, tarPadding(body.length)];
  });
  await writeFile(file, gzipSync(Buffer.concat([...parts, end])));
}
const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
const described = (entry: string, content: string) => ({ entry, bytes: Buffer.byteLength(content), sha256: sha256(content) });

describe('a hostile or broken archive is refused, with nothing written', () => {
  const rows = `{"table":"subject","row":{"kind":"transient","name":"evil"}}\n`;
  const manifest = (more: object = {}, object: object = {}) => ({
    format: 1, afterglow: '0.1.0', madeAt: '2026-11-21T00:00:00.000Z', migrations: [],
    objects: [{ kind: 'transient', name: 'evil', rows: described('r', rows), files: [], ...object }], ...more,
  });
  const withFile = (name: string, more: object = {}): Entry[] => [
    { name: 'afterglow.json', content: JSON.stringify(manifest({}, { files: [{ ...described('f', 'x'), path: name, ...more }] })) }, { name: 'r', content: rows }, { name: 'f', content: 'x' },
  ];
  const plain: Entry[] = [{ name: 'afterglow.json', content: JSON.stringify(manifest()) }, { name: 'r', content: rows }];
  const withRows = (text: string, object: object = {}): Entry[] => [{ name: 'afterglow.json', content: JSON.stringify(manifest({}, { rows: described('r', text), ...object })) }, { name: 'r', content: text }];

  it.each<[string, readonly Entry[], string]>([
    ['a path that leads out of the folder', withFile('../../../../etc/cron.d/evil'), 'leads elsewhere'],
    ['an absolute path', withFile('/etc/passwd'), 'leads elsewhere'],
    ['a path with backslashes', withFile('..\\..\\evil'), 'leads elsewhere'],
    ['a path with a control character', withFile('a\u0000b'), 'leads elsewhere'],
    ['an empty part of a path', withFile('a//b'), 'leads elsewhere'],
    ['a symbolic link', [...plain, { name: 'f', content: '', type: '2' }], 'no plain file ("f", of type "2"'],
    ['a hard link', [...plain, { name: 'f', content: '', type: '1' }], 'no plain file'],
    ['a device', [...plain, { name: 'f', content: '', type: '3' }], 'no plain file'],
    ['a folder', [...plain, { name: 'f/', content: '', type: '5' }], 'no plain file'],
    ['a file that its list does not name', [...plain, { name: 'f', content: 'x' }], 'a file "f" that its list does not name'],
    ['a file twice', [...plain, { name: 'r', content: rows }], 'or names once only'],
    ['a file that is missing', plain.slice(0, 1), 'lacks the file "r"'],
    ['a file of another size', [plain[0]!, { name: 'r', content: `${rows} ` }], 'the archive\'s list says'],
    ['a file of other content', [plain[0]!, { name: 'r', content: rows.replace('evil', 'good') }], 'SHA-256'],
    ['no list', plain.slice(1), 'does not begin with afterglow.json'],
    ['a list that is no JSON', [{ name: 'afterglow.json', content: '{' }], 'no JSON'],
    ['a list of a newer format', [{ name: 'afterglow.json', content: JSON.stringify(manifest({ format: 2 })) }], 'of format 2'],
    ['a list with something unknown', [{ name: 'afterglow.json', content: JSON.stringify(manifest({ evil: 1 })) }], 'not as it should be'],
    ['a migration that is not here', [{ name: 'afterglow.json', content: JSON.stringify(manifest({ migrations: ['afterglow-9999-future'] })) }, plain[1]!], 'afterglow-9999-future'],
    ['rows of another object', withRows(rows.replace('evil', 'other')), 'not those of one object of that name'],
    ['two objects in one', withRows(rows + rows), 'not those of one object'],
    ['a row that is no JSON', withRows(`${rows}{\n`), 'Row 2 of evil is no JSON'],
    ['a table that is not there', withRows(`${rows}{"table":"pg_authid","row":{"rolname":"evil"}}\n`), 'a table "pg_authid", which is not here'],
    ['a table that does not belong to objects', withRows(`${rows}{"table":"status","row":{"message":"evil"}}\n`), 'does not belong to objects'],
    ['a column that is SQL', withRows(`${rows}{"table":"transient","row":{"ra_deg) values (1); drop table subject; --":1}}\n`), 'has no column'],
    ['a job', withRows(rows.replace('"transient"', '"job:Mail"'), { kind: 'job:Mail' }), 'is no object'],
    ['a figure that cannot be', withRows(`${rows}{"table":"transient","row":{"ra_deg":999,"dec_deg":0}}\n`), 'do not fit into this database'],
    ['an attempt of a task that is not there', withRows(`${rows}{"table":"attempt","task":"Evil","row":{"attempt":1}}\n`), 'the tasks "Evil"'],
  ])('%s', async (_, entries, words) => {
    await elsewhere();
    await put(entries);
    await expect(restore()).rejects.toThrow(words);
    await expect(restore()).rejects.toThrow(ArchiveError);
    expect(await there.em().execute(`select name from subject order by name`)).toEqual([{ name: 'x' }, { name: 'y' }, { name: 'z' }]);
    expect(await readdir(products(there))).toEqual([]);
  });

  it('rows of another object cannot be written to: ids are never taken from an archive', async () => {
    await given();
    const [{ id }] = await there.em().execute<[{ id: string }]>(`select id from subject where name = 'x'`);
    await put(withRows(`${rows}{"table":"transient","row":{"subject_id":${id},"ra_deg":1,"dec_deg":2},"inside":{"subject_id":"${id}"}}\n`));
    await restore();
    expect(await there.em().execute(`select s.name, t.ra_deg from subject s join transient t on t.subject_id = s.id where t.ra_deg = 1`)).toEqual([{ name: 'evil', ra_deg: 1 }]);
  });

  it('rows of another object cannot be referred to: what hangs on its rows would be that object’s', async () => {
    await elsewhere();
    await there.em().execute(`insert into plate select 'theirs', id from subject where name = 'x'; insert into sheet select id, 'theirs' from subject where name = 'x'`);
    const [{ id }] = await there.em().execute<[{ id: string }]>(`select id from subject where name = 'x'`);
    await put(withRows(`${rows}{"table":"scan","row":{"plate_code":"theirs","place":1},"inside":{"plate_code":"theirs"}}\n`));
    await expect(restore()).rejects.toThrow('refers by plate_code to a row of "plate" that is not in the archive');
    await put(withRows(`${rows}{"table":"remark","key":"1","row":{"id":1,"sheet_id":${id},"body":"evil"},"inside":{"sheet_id":"${id}"}}\n`));
    await expect(restore()).rejects.toThrow('refers by sheet_id to a row of "sheet" that is not in the archive');
  });

  it('a bomb is stopped at the limit, whether its list tells of it or not', async () => {
    await elsewhere();
    const limits = { total: 100_000, rows: 50_000 };
    const zeros = '0'.repeat(60_000_000);
    await put(withFile('a', { bytes: 60_000_000 }));
    await expect(restore({ limits })).rejects.toThrow('would unpack to');
    await put([{ name: 'afterglow.json', content: zeros }]);
    await expect(restore({ limits })).rejects.toThrow(ArchiveError);
    await put([plain[0]!, { name: 'r', content: zeros }]);
    await expect(restore({ limits })).rejects.toThrow(ArchiveError);
    await put(withRows('x'.repeat(60_000)));
    await expect(restore({ limits })).rejects.toThrow('50000 are the most');
    expect(await readdir(products(there))).toEqual([]);
  });

  it('what is no archive at all, or is cut off anywhere', async () => {
    await given();
    await writeFile(file, 'name,ra,dec\n');
    await expect(restore()).rejects.toThrow('cannot be read as an archive');
    await rm(file);
    await expect(restore()).rejects.toThrow('There is no file');
    await archive('2010ag');
    const whole = await readFile(file);
    for (const part of [0.1, 0.5, 0.9, 0.999]) {
      await writeFile(file, whole.subarray(0, Math.floor(whole.length * part)));
      await expect(restore()).rejects.toThrow(ArchiveError);
    }
    await writeFile(file, gzipSync(gunzipSync(whole).subarray(0, 1000)));
    await expect(restore()).rejects.toThrow('cut off');
    expect(await everything(there, '2010ag')).toBeUndefined();
  });
});
