import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Galaxy } from '../../runners/tables/entities.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { createDatabase } from '../harness.ts';
import { gate, throws, writes, type Script } from './scripted-runner.ts';
import { createWorld } from './create-world.ts';
import type { World } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const M31 = { name: 'M31', raDeg: 10.68, decDeg: 41.27, magnitude: 3.4, majorAxisArcmin: 190, minorAxisArcmin: 60, type: 'S' };

async function given(script: Script, tasks = { Match: {} }): Promise<World<'Match'>> {
  await database.em().execute(`delete from galaxy`);
  const world = await createWorld(database, { tasks });
  await world.add('2010ag');
  world.runner('Match').on('2010ag', script);
  return world;
}

const galaxies = async () => (await database.em().find(Galaxy, {}, { orderBy: { name: 'asc' } })).map(({ name, type }) => `${name}: ${type}`);
const inTransactions = async () => {
  const rows = await database.em().execute<{ state: string }[]>(`select state from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`);
  return rows.length;
};

describe('what a runner writes is kept together with its status', () => {
  it('when it writes SQL', async () => {
    const world = await given(writes('seen'));
    await world.engine().work();
    expect([(await world.entry('2010ag', 'Match')).status, await world.notes()]).toEqual(['processed', ['seen']]);
  });

  it('when it persists entities and leaves the flush to us', async () => {
    const world = await given((_subject, { em }) => {
      em.persist(em.create(Galaxy, M31));
      return 'processed';
    });
    await world.engine().work();
    expect([(await world.entry('2010ag', 'Match')).status, await galaxies()]).toEqual(['processed', ['M31: S']]);
  });

  it('when it changes an entity that it has found', async () => {
    const world = await given(async (_subject, { em }) => {
      (await em.findOneOrFail(Galaxy, { name: 'M31' })).type = 'SA(s)b';
      return 'processed';
    });
    await database.em().insert(Galaxy, M31);
    await world.engine().work();
    expect(await galaxies()).toEqual(['M31: SA(s)b']);
  });

  it('when it upserts, updates, deletes, flushes, and nests a transaction of its own', async () => {
    const world = await given(async (subject, { em }) => {
      await em.upsert(Galaxy, { ...M31, type: 'spiral' });
      await em.nativeUpdate(Galaxy, { name: 'M31' }, { magnitude: 3.5 });
      em.create(Galaxy, { ...M31, name: 'M32' });
      await em.flush();
      await em.nativeDelete(Galaxy, { name: 'M32' });
      await em.transactional(async (inner) => void (await inner.execute(`insert into note (subject_id, attempt, text) values (?, 1, 'inner')`, [subject.id])));
      await em.transactional((inner) => inner.execute(`insert into no_such_table values (1)`)).catch(() => {});
      // It sees what it wrote itself; nobody else does.
      expect(await em.count(Galaxy, { type: 'spiral' })).toBe(1);
      expect(await database.em().count(Galaxy, {})).toBe(0);
      return 'processed';
    });
    await world.engine().work();
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'finished', error: null }]);
    expect([await galaxies(), await world.notes()]).toEqual([['M31: spiral'], ['inner']]);
  });

  it('and dependents are woken by the same commit', async () => {
    const world = await createWorld(database, { tasks: { Match: { does: writes('seen') }, Report: { needs: { Match: 'processed' } } } });
    await world.add('2010ag');
    world.runner('Report').does(async () => {
      expect(await world.notes()).toEqual(['seen']);
      return 'processed';
    });
    await world.engine().work();
    expect((await world.entry('2010ag', 'Report')).status).toBe('processed');
  });
});

describe('nothing that a runner wrote is kept', () => {
  const stays = async (world: World<'Match'>, status: string) => {
    expect((await world.entry('2010ag', 'Match')).status).toBe(status);
    expect([await world.notes(), await galaxies(), await inTransactions()]).toEqual([[], [], 0]);
  };

  it('when it throws afterwards', async () => {
    const world = await given(writes('seen', throws(new Error('fell'))));
    await world.engine().work();
    await stays(world, 'failed');
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'failed', error: { message: 'fell' } }]);
  });

  it('when it returns an unknown status', async () => {
    const world = await given(writes('seen', () => 'procesed'));
    await world.engine().work();
    await stays(world, 'failed');
  });

  it('when its entities cannot be flushed: the entry fails with the database’s error', async () => {
    const world = await given((_subject, { em }) => {
      em.persist([em.create(Galaxy, M31), em.create(Galaxy, M31)]);
      return { status: 'processed', result: { kept: false } };
    });
    await world.engine().work();
    await stays(world, 'failed');
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'failed', result: null, error: { name: 'UniqueConstraintViolationException', code: '23505', message: expect.stringContaining('galaxy_name_key') } }]);
  });

  it('when a constraint is violated at the commit itself', async () => {
    const world = await given(writes('same', async (subject, context) => {
      await context.em.execute(`set constraints all deferred`);
      return writes('same')(subject, context);
    }));
    await world.engine().work();
    await stays(world, 'failed');
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'failed', error: { code: '23505' } }]);
  });

  it('when it swallowed an error of a statement, because PostgreSQL has given the transaction up', async () => {
    const world = await given(writes('seen', async (_subject, { em }) => {
      await em.execute(`insert into no_such_table values (1)`).catch(() => {});
      return 'processed';
    }));
    await world.engine().work();
    await stays(world, 'failed');
  });

  it('when its lease was lost meanwhile, and the log says so', async () => {
    const world = await given(writes('seen', async () => {
      await resetEntries(database.em(), { subjects: ['2010ag'] }, 'dora');
      return 'processed';
    }));
    const { engine, quiet, lines } = world.engine();
    await engine.wake();
    await quiet();
    expect(await world.entry('2010ag', 'Match')).toMatchObject({ status: 'not processed', cause: 'reset', actor: 'dora' });
    await stays(world, 'not processed');
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'an attempt came too late and wrote nothing', err: expect.objectContaining({ type: 'LeaseLostError' }), subject: '2010ag', attempt: 1 }));
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'superseded', status: null }]);
  });

  it('when it goes on after its time limit: every later write is refused', async () => {
    const later = gate();
    const refused: unknown[] = [];
    const world = await given(async (subject, context) => {
      await writes('early')(subject, context);
      await later.script(subject, context);
      for (const write of [() => writes('late')(subject, context), () => context.em.insert(Galaxy, M31), () => context.em.flush()]) await Promise.resolve(write()).catch((error: Error) => refused.push(error.message));
      return 'processed';
    }, { Match: { limit: 0.05 } });
    await world.engine({ settleSeconds: 0.01 }).work();
    await stays(world, 'time limit exceeded');
    later.open();
    await vi.waitFor(() => expect(refused).toHaveLength(3));
    expect(new Set(refused)).toEqual(new Set(['This attempt is over; nothing can be written any more.']));
    await stays(world, 'time limit exceeded');
  });

  it('when its time limit passes in the middle of a statement', async () => {
    const world = await given(
      async (_subject, { em }) => {
        await em.execute(`insert into note (subject_id, attempt, text) select 1, 1, 'slow' from pg_sleep(0.3)`);
        return 'processed';
      },
      { Match: { limit: 0.05 } },
    );
    await world.engine({ settleSeconds: 0.01 }).work();
    await stays(world, 'time limit exceeded');
  });
});

describe('the EntityManager of a runner', () => {
  it.each(['commit', 'rollback', 'begin'] as const)('refuses %s', async (method) => {
    const world = await given(writes('seen', (_subject, { em }) => em[method]().then(() => 'processed')));
    await world.engine().work();
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'failed', error: { code: 'REFUSED', message: `em.${method}() is not for runners: what they write is committed together with the status.` } }]);
    expect(await world.notes()).toEqual([]);
  });

  it.each(['fork', 'getConnection', 'getDriver', 'getKysely', 'createQueryBuilder', 'qb', 'getRepository', 'clone', 'getContext', 'getTransactionContext'])('refuses %s, which would go past the transaction', async (method) => {
    const world = await given((_subject, { em }) => {
      (em as unknown as Record<string, () => void>)[method]!();
      return 'processed';
    });
    await world.engine().work();
    expect(await world.attempts('2010ag', 'Match')).toMatchObject([{ outcome: 'failed', error: { code: 'REFUSED' } }]);
  });

  it('opens no transaction for reading, whatever way, and one for the first write', async () => {
    const seen: [string, boolean][] = [];
    const world = await given(async (subject, context) => {
      const { em } = context;
      const note = (what: string) => seen.push([what, em.isInTransaction()]);
      await em.find(Galaxy, {});
      note('find');
      await em.execute(`  SELECT count(*) as n from galaxy`);
      note('select');
      await context.result('Match');
      note('result');
      await em.count(Galaxy);
      note('count');
      await writes('seen')(subject, context);
      note('insert');
      await em.execute(`select 1`);
      await em.find(Galaxy, {});
      note('select after it');
      return 'processed';
    });
    await world.engine().work();
    expect(seen).toEqual([['find', false], ['select', false], ['result', false], ['count', false], ['insert', true], ['select after it', true]]);
    expect(await inTransactions()).toBe(0);
  });

  it.each([
    ['select 1; insert into note values (1, 1, \'sly\')'],
    ['select 1 from galaxy for update'],
    ['select 1 from galaxy for no key update'],
    ['select 1 as one into temporary one_row'],
    ['with added as (insert into note values (1, 1, \'sly\') returning 1) select * from added'],
  ])('takes for a write: %s', async (sql) => {
    const inTransaction: boolean[] = [];
    const world = await given(async (_subject, { em }) => {
      await em.execute(sql);
      inTransaction.push(em.isInTransaction());
      throw new Error('fell');
    });
    await world.engine().work();
    expect(inTransaction).toEqual([true]);
    expect([(await world.entry('2010ag', 'Match')).status, await world.notes()]).toEqual(['failed', []]);
  });

  it('is another one in every attempt', async () => {
    const seen = new Set<unknown>();
    const world = await given(() => 'failed');
    world.runner('Match').on('2010ag', (_subject, { em }) => (seen.add(em), 'failed'));
    const { work } = world.engine();
    await work();
    await world.put('2010ag', 'Match', 'not processed');
    await work();
    expect(seen.size).toBe(2);
  });
});

describe('attempts side by side', () => {
  it('that write and are more than there are connections all come to their end', async () => {
    const narrow = await openDatabase(database.address, { entities: [Galaxy] }, 2);
    try {
      const world = await createWorld(database, { tasks: { Match: {} } });
      const names = Array.from({ length: 24 }, (_, n) => `sn${n}`);
      await world.add(...names);
      world.runner('Match').does(async (subject, context) => {
        await writes(subject.name)(subject, context);
        await context.result('Match');
        return 'processed';
      });
      await world.engine({ fork: () => narrow.em(), hot: narrow.hot, concurrency: 12 }).work();
      expect(await world.notes()).toEqual(names.toSorted());
      expect(new Set(Object.values(await world.statuses('Match')))).toEqual(new Set(['processed']));
    } finally {
      await narrow.close();
    }
  });

  it('that run into a deadlock with each other: one is run again, none fails', async () => {
    await database.em().execute(`delete from galaxy`);
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a', 'b');
    await database.em().insertMany(Galaxy, [M31, { ...M31, name: 'M33' }]);
    let both = 0;
    const [first, second] = [gate(), gate()];
    const lockBoth = (one: string, other: string): Script => async (subject, context) => {
      await context.em.nativeUpdate(Galaxy, { name: one }, { type: subject.name });
      if ((both += 1) === 2) [first, second].forEach(({ open }) => open());
      if (context.attempt === 1) await (subject.name === 'a' ? first : second).script(subject, context);
      await context.em.nativeUpdate(Galaxy, { name: other }, { type: subject.name });
      return 'processed';
    };
    world.runner('Match').on('a', lockBoth('M31', 'M33')).on('b', lockBoth('M33', 'M31'));
    await world.engine().work();
    expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed' });
    const attempts = [...(await world.attempts('a', 'Match')), ...(await world.attempts('b', 'Match'))];
    expect(attempts.map(({ outcome }) => outcome).toSorted()).toEqual(['failed', 'finished', 'finished']);
    expect(new Set((await galaxies()).map((galaxy) => galaxy.split(': ')[1])).size).toBe(1);
  });
});
