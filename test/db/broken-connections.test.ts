import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { wireTo } from '../engine/wire.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('a connection that breaks', () => {
  it('in a transaction comes back to the pool, so that the pool stays as big as it was and can be closed', async () => {
    const wire = await wireTo(database.address);
    // Two connections, and one more.
    const far = await openDatabase(wire.address, {}, 2);
    for (let turn = 0; turn < 3; turn += 1) {
      const ems = [far.em(), far.em(), far.em()];
      for (const em of ems) {
        await em.begin();
        await em.execute('select 1');
      }
      await wire.cut();
      for (const em of ems) await expect(em.execute('select 1')).rejects.toThrow();
      for (const em of ems) await expect(em.rollback()).rejects.toThrow();
      await wire.mend();
    }
    await vi.waitFor(async () => expect(await Promise.all(Array.from({ length: 3 }, () => far.em().execute('select 1 as one')))).toEqual([[{ one: 1 }], [{ one: 1 }], [{ one: 1 }]]));
    await far.close();
  });

  it('in the middle of a statement fails that statement and no other', async () => {
    const wire = await wireTo(database.address);
    const far = await openDatabase(wire.address, {}, 2);
    const statement = far.em().execute('select pg_sleep(10)');
    await vi.waitFor(async () => expect(await database.em().execute<object[]>(`select from pg_stat_activity where datname = current_database() and query like 'select pg_sleep%' and state = 'active'`)).toHaveLength(1));
    await wire.cut();
    await expect(statement).rejects.toThrow('Connection terminated');
    await wire.mend();
    expect(await far.em().execute('select 1 as one')).toEqual([{ one: 1 }]);
    await far.close();
  });
});
