import { expect, test } from 'vitest';
import { CountStates } from '../../../runners/system/count-states.ts';
import { detachedContext } from '../../../src/index.ts';
import { createWorld } from '../../engine/create-world.ts';
import { createDatabase } from '../../harness.ts';

test('what is counted is kept at a firing, and the next one rests for a while where counting takes long', async () => {
  const database = await createDatabase();
  const world = await createWorld(database, { tasks: { Match: {} } });
  await world.add('a', 'b');
  await world.put('a', 'Match', 'processed');
  const em = database.em();
  expect(await new CountStates().runProcess(detachedContext({ em }))).toEqual({ transient: { total: 2, completed: 1, processing: 0, waiting: 1, blocked: 0 } });
  const slow = new CountStates();
  await em.transactional(async (tx) => {
    // As if there were millions of objects.
    const other = await database.connect('test');
    await other.query('begin; lock table state_count');
    const counting = slow.runProcess(detachedContext({ em: tx }));
    await other.query('select pg_sleep(0.6)');
    await other.query('commit');
    await other.end();
    expect(await counting).toHaveProperty('transient');
  });
  expect(await slow.runProcess(detachedContext({ em }))).toEqual({ rests: true });
  expect(await em.execute(`select from state_count`)).toHaveLength(2);
});
