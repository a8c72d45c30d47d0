import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { placeHolds } from '../../src/engine/hold.ts';
import { claimNamed } from '../../src/engine/run-one.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const tasks = { Match: {}, Information: { needs: { Match: 'processed' } }, Report: { needs: { Match: 'processed', Information: 'processed' } } };
const by = { daemonId: 5, actor: 'dora', leaseSeconds: 60 };

describe('one entry for a person', () => {
  it('is claimed in its turn or not, paused or not, waiting or not, and run by the engine', async () => {
    const world = await createWorld(database, { tasks });
    await world.add({ name: 'first', at: '2001-01-01' }, { name: 'last' });
    await database.em().execute(`insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled) values ('Match', '* * * * *', 'UTC', false, '* * * * *', 'UTC', true)`);
    await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '1 day'`);
    const { engine } = world.engine();
    await engine.runClaimed(await claimNamed(database, world.task('Match'), 'last', by));
    expect(await world.statuses('Match')).toEqual({ first: 'not processed', last: 'processed' });
    expect(await world.attempts('last', 'Match')).toMatchObject([{ daemon_id: 5, outcome: 'finished', runner_version: 7 }]);
    expect(engine.quiet).toBe(true);
  });

  it('is refused with all that it waits for', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('a');
    await world.put('a', 'Information', 'no host');
    await expect(claimNamed(database, world.task('Report'), 'a', by)).rejects.toThrow(
      '"Report" of a cannot run yet: "Match" must be "processed", it is "not processed"; "Information" must be "processed", it is "no host".',
    );
    expect(await world.entry('a', 'Report')).toMatchObject({ status: 'not processed', attempt: 0 });
  });

  it('is refused when it is done or runs, and says what to do', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('done', 'runs');
    await world.put('done', 'Match', 'processed');
    await world.put('runs', 'Match', 'processing');
    await expect(claimNamed(database, world.task('Match'), 'done', by)).rejects.toThrow('"Match" of done is "processed"; it is run from "not processed". Use "afterglow reset" first.');
    await expect(claimNamed(database, world.task('Match'), 'runs', by)).rejects.toMatchObject({ code: 'REFUSED', message: expect.stringContaining('is "processing"') });
  });

  it('is refused while it is held, with who holds it and why', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('a');
    await placeHolds(database, { subjects: ['a'], reason: 'bad field', by: 'emil' });
    await expect(claimNamed(database, world.task('Match'), 'a', by)).rejects.toThrow('"Match" of a is held by emil: bad field. Use "afterglow unhold" first.');
  });

  it('is refused while somebody else is claiming it', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('a');
    const other = await database.connect('test');
    try {
      await other.query(`begin; select from task_register for update`);
      await expect(claimNamed(database, world.task('Match'), 'a', by)).rejects.toThrow('is being claimed by somebody else');
    } finally {
      await other.end();
    }
  });

  it('of a name that is not there is refused with the nearest one', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('2010ag', '2010a');
    await expect(claimNamed(database, world.task('Match'), '2010agg', by)).rejects.toMatchObject({ code: 'UNKNOWN_NAME', message: expect.stringContaining('"2010ag"') });
    await expect(claimNamed(database, { ...world.task('Match'), kind: 'request' }, '2010ag', by)).rejects.toMatchObject({ what: 'request' });
  });
});
