import { beforeAll, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { readDaemons } from '../../src/db/daemons.ts';
import { setSetting, unsetSetting } from '../../src/db/settings.ts';
import { label, setting, type Qualifier } from '../../src/runner/qualifier.ts';
import { createWorld } from '../engine/create-world.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given(qualifiers: readonly Qualifier[]): Promise<World<'Plain' | 'Night'>> {
  const world = await createWorld(database, { tasks: { Plain: {}, Night: {} } });
  Object.assign(world.runner('Night'), { qualifiers });
  await unsetSetting(database.hot.run, 'night');
  await world.add('a');
  return world;
}

it('a daemon hears of a setting that is changed, and runs at once what qualifies now', async () => {
  const world = await given([setting('night', true)]);
  const { daemon } = await startDaemon(world);
  const mine = async () => (await readDaemons(database.em())).find(({ id }) => id === daemon.id)!;
  await vi.waitFor(async () => expect((await mine()).unqualified).toMatchObject([{ task: 'Night', key: null }]));
  await vi.waitFor(async () => expect((await world.entry('a', 'Plain')).status).toBe('processed'));
  await setSetting(database.hot.run, 'night', true, 'test');
  // Long before the five seconds are over after which it would look by itself.
  await vi.waitFor(async () => expect((await world.entry('a', 'Night')).status).toBe('processed'), { timeout: 3000 });
  expect((await mine()).unqualified).toEqual([]);
});

it('what does not qualify keeps nobody from being idle, as it cannot be run now', async () => {
  const world = await given([setting('night', true)]);
  const { daemon } = await startDaemon(world);
  await daemon.untilIdle();
  expect([(await world.entry('a', 'Plain')).status, (await world.entry('a', 'Night')).status]).toEqual(['processed', 'not processed']);
});

it('a daemon has the labels that it was started with', async () => {
  const world = await given([label('gpu')]);
  await startDaemon(world);
  await vi.waitFor(async () => expect(await database.em().execute(`select reason from unqualified`)).toEqual([{ reason: 'The daemon has not the label "gpu".' }]));
  await startDaemon(world, { config: { labels: ['gpu'] } });
  await vi.waitFor(async () => expect((await world.entry('a', 'Night')).status).toBe('processed'), { timeout: 3000 });
});
