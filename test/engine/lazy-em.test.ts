import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isConnectionError } from '../../src/db/connection-error.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { lazyEntityManager } from '../../src/engine/lazy-em.ts';
import { createDatabase } from '../harness.ts';
import { wireTo } from './wire.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
  await database.em().execute('create table kept (n int)');
});

async function given() {
  const wire = await wireTo(database.address);
  const far = await openDatabase(wire.address);
  onTestFinished(async () => {
    await wire.cut();
    await far.close();
  });
  return { wire, lazy: lazyEntityManager(() => far.em(), 0.3) };
}

const kept = () => database.em().execute('select n from kept');

describe('the end of an attempt whose runner wrote', () => {
  it('waits no longer than it may for a network that has gone silent', async () => {
    const { wire, lazy } = await given();
    await lazy.em.execute('insert into kept values (1)');
    wire.silence();
    const failure: unknown = await lazy.commit((em) => em.execute('select 1')).catch((error: unknown) => error);
    expect([isConnectionError(failure), isConnectionError(lazy.interruption), await kept()]).toEqual([true, true, []]);
  });

  it('may open its transaction again and again until the database is back, where nothing was sent yet', async () => {
    const { wire, lazy } = await given();
    await wire.cut();
    for (let time = 0; time < 3; time += 1) await expect(lazy.open()).rejects.toThrow();
    await wire.mend();
    await lazy.open();
    await lazy.commit((em) => em.execute('insert into kept values (2)'));
    expect([await kept(), lazy.interruption]).toEqual([[{ n: 2 }], undefined]);
  });

  it('does not open it anew where a statement was lost', async () => {
    const { wire, lazy } = await given();
    await lazy.em.execute('insert into kept values (3)');
    await wire.cut();
    await wire.mend();
    await lazy.open();
    await expect(lazy.commit(async () => {})).rejects.toThrow();
    expect(await kept()).toEqual([{ n: 2 }]);
  });
});
