import { expect, onTestFinished, test } from 'vitest';
import { createWorld } from '../engine/create-world.ts';
import { ScriptedRunner } from '../engine/scripted-runner.ts';
import { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { said, scriptFolder, Shell } from '../scripts/runners.ts';
import { startDaemon } from './start-daemon.ts';

const SOON = { timeout: 10_000, interval: 20 };
const database = await createDatabase();
const { data, write } = scriptFolder();

test('what a machine cannot do is left to others that can, and is told of', async () => {
  const { machine } = await createWorld(database, { tasks: { Do: {}, Other: {} } });
  const on = async (script: string) => {
    const world = new World<'Do' | 'Other'>(database, machine, new Map([['Do', new Shell(script) as never], ['Other', new ScriptedRunner('Other', {})]]));
    await world.sync();
    onTestFinished(() => world.end());
    return world;
  };
  const here = await on(`${data()}/gone.py`);
  await here.add('a', 'b');
  const sentence = `"Do" is not done on this machine: The script ${data()}/gone.py does not exist.`;
  const { daemon, lines } = await startDaemon(here);
  await expect.poll(() => here.statuses('Other'), SOON).toEqual({ a: 'processed', b: 'processed' });
  expect(await here.statuses('Do')).toEqual({ a: 'not processed', b: 'not processed' });
  expect(lines.filter(({ level }) => level >= 50).map(({ msg }) => msg)).toEqual([sentence]);
  expect(await daemon.troubles()).toEqual([sentence]);
  await startDaemon(await on(await write(said('{"status": "success"}'))), { folders: { data: data(), products: data() } });
  await expect.poll(() => here.statuses('Do'), SOON).toEqual({ a: 'processed', b: 'processed' });
});
