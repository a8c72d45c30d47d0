import { expect, test } from 'vitest';
import { coreEntities } from '../../src/db/entities.ts';
import { createDatabase } from '../harness.ts';
import { fixtures, resource, task } from './fixture-rows.ts';
import { loadFixtures } from '../../src/db/load-fixtures.ts';
import { ResourceRow, TaskRow } from '../../src/db/entities.ts';

test('every entity can be read, with all its columns', async () => {
  const database = await createDatabase();
  for (const entity of coreEntities) expect(await database.em().find(entity as never, {}), entity.name).toBeInstanceOf(Array);
  await loadFixtures(database.em(), fixtures({ tasks: [task('A', { window: { opens: '22:00:00', closes: '06:00:00', zone: 'Europe/Berlin' } })], resources: [resource('tns', { perMinute: 60 })] }));
  expect(await database.em().findOneOrFail(TaskRow, { name: 'A' })).toMatchObject({ windowFrom: '22:00:00', windowTo: '06:00:00', windowZone: 'Europe/Berlin', requires: [], runnerVersion: 0, concurrency: null });
  expect(await database.em().findOneOrFail(ResourceRow, { name: 'tns' })).toMatchObject({ perMinute: 60, concurrency: null, state: 'closed', failures: 0, openUntil: null });
});
