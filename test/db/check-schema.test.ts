import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/db/database.ts';
import { coreMigrations } from '../../src/db/migrations/index.ts';
import { VERSION } from '../../src/version.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { runProgram } from '../program.ts';

const addMigration = (name: string) => `insert into afterglow_migration (name) values ('${name}')`;

describe('a schema that is newer than the program', () => {
  it('is refused before anything is written, by whoever opens it', async () => {
    const database = await createDatabase();
    // As an older program would find it: one of ours that it does not know, and one that it knows and that is not there yet.
    const last = coreMigrations.at(-1)!.name;
    await database.em().execute(`delete from afterglow_migration where name = '${last}'; ${addMigration('afterglow-9999-to-come')}`);
    const before = await database.em().execute(`select name from afterglow_migration order by id`);
    await expect(openDatabase(database.address)).rejects.toMatchObject({
      name: 'SchemaNewerError', code: 'SCHEMA_NEWER', exitCode: 3, unknown: ['afterglow-9999-to-come'],
      message: `The database has migrations that Afterglow ${VERSION} does not know (afterglow-9999-to-come): it belongs to a newer one. Update this installation.`,
    });
    expect(await database.em().execute(`select name from afterglow_migration order by id`)).toEqual(before);
    // Reading commands too.
    const { code, stderr } = await runProgram(['status'], { DATABASE_URL: urlOf(database.address) });
    expect([code, stderr]).toEqual([3, expect.stringContaining('SchemaNewerError')]);
  });
});

describe("a pipeline's own migrations", () => {
  it('are no reason to refuse, where the database is opened without the pipeline', async () => {
    const database = await createDatabase();
    await database.em().execute(addMigration('my-survey-0001-spectra'));
    await (await openDatabase(database.address)).close();
  });
});

describe('a database without our tables', () => {
  it('gets them, or is left as it is and refused where somebody else must have prepared it', async () => {
    const database = await createDatabase();
    await database.em().execute(`drop schema public cascade; create schema public`);
    const tables = async () => Number((await database.em().execute<{ count: string }[]>(`select count(*) from pg_tables where schemaname = 'public'`))[0]!.count);
    await expect(openDatabase(database.address, {}, 2, { mustExist: true })).rejects.toMatchObject({ code: 'REFUSED', message: expect.stringContaining('no daemon has ever prepared it') });
    expect(await tables()).toBe(0);
    await (await openDatabase(database.address)).close();
    expect(await tables()).toBeGreaterThan(10);
  });
});
