import { beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { findObjects } from '../../src/objects/found-object.ts';
import { raiseFlag, readFlags, resolveFlags } from '../../src/objects/flags.ts';
import { createDatabase } from '../harness.ts';
import { givenObjects } from './given-objects.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

it('B21: a person’s doubt about a result stands until somebody resolves it, changes nothing, and both are kept', async () => {
  const world = await givenObjects(database);
  await world.add('2010ag', '2010a');
  const [object, other] = await findObjects(database.em(), ['2010ag', '2010a']);
  const em = database.em();
  const ada = { by: 'person ada', reason: 'two galaxies overlap' };
  expect(await raiseFlag(em, object!, 'Match', ada)).toMatchObject({ subject: '2010ag', task: 'Match', reason: 'two galaxies overlap', by: 'person ada', resolvedAt: null });
  await raiseFlag(em, object!, undefined, { by: 'person ada', reason: 'is it a star?' });
  await world.engine().work();
  expect((await world.entry('2010ag', 'Report')).status).toBe('processed');
  expect((await readFlags(em)).map(({ task }) => task)).toEqual(['Match', null]);
  expect(await resolveFlags(em, object!, 'Match', { by: 'person emil', reason: 'the larger one' })).toMatchObject([{ resolvedBy: 'person emil', resolution: 'the larger one' }]);
  expect((await readFlags(em)).map(({ reason }) => reason)).toEqual(['is it a star?']);
  expect(await readFlags(em, object)).toHaveLength(2);
  expect(await readFlags(em, other)).toEqual([]);
  await expect(resolveFlags(em, object!, 'Match', ada)).rejects.toThrow('2010ag has no open flag on "Match".');
  await expect(raiseFlag(em, object!, 'Mach', ada)).rejects.toThrow('did you mean "Match"?');
});
