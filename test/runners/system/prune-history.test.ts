import { beforeAll, expect, it } from 'vitest';
import { PruneHistory } from '../../../runners/system/prune-history.ts';
import type { Database } from '../../../src/db/database.ts';
import { detachedContext } from '../../../src/runner/context.ts';
import { createWorld } from '../../engine/create-world.ts';
import { createDatabase } from '../../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

it('deletes attempts, transitions and ticks of long ago, but of each entry and runner the last one, and locks of the dead', async () => {
  const world = await createWorld(database, { tasks: { One: {} } });
  await world.add('a');
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await database.em().execute(`update task_register set status_id = 1, cause = 'reset' where status_id <> 1`);
    await world.engine({ daemonId: attempt + 1 }).work();
  }
  const em = database.em();
  await em.execute(`update attempt set started_at = started_at - interval '2 years' where attempt <> 2`);
  await em.execute(`update transition set at = at - interval '2 years' where attempt = 1`);
  await em.execute(`insert into tick (runner, slot, cause, daemon_id, started_at, ended_at, outcome) select 'X', now() - g * interval '1 year', 'person', 1, now() - g * interval '1 year', now(), 'finished' from unnest(array[4, 3, 2]) g`);
  await em.execute(`insert into named_lock (name, token, owner, taken_at, expires_at) select 'lock ' || g, gen_random_uuid(), 'dora', now(), now() - g * interval '1 hour' from unnest(array[-1, 1, 30]) g`);

  const deleted = await new PruneHistory().runProcess(detachedContext({ em }));
  expect(deleted).toMatchObject({ attempt: 1, tick: 2, named_lock: 1 });
  expect(await world.attempts('a', 'One')).toMatchObject([{ attempt: 2 }, { attempt: 3 }]);
  expect(await em.execute(`select distinct attempt from transition order by 1`)).toEqual([{ attempt: 2 }, { attempt: 3 }]);
  expect(await em.execute(`select name from named_lock order by name`)).toEqual([{ name: 'lock -1' }, { name: 'lock 1' }]);
});
