import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { runProgram, type Ended } from '../program.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
const settings = (...args: string[]): Promise<Ended> => runProgram(['settings', ...args, '--data', folder], env);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-settings-'));
  env = { DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_SETTING_NIGHT_MODE: 'on', USER: 'ada' };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('settings are set, listed and unset, each time with what they were', { timeout: 30_000 }, async () => {
  expect((await settings('set', 'most', '3')).stdout).toBe('The setting "most" is 3 now; before, it was not set.\n');
  expect((await settings('set', 'most', 'three of them')).stdout).toBe('The setting "most" is "three of them" now; before, it was 3.\n');
  expect(JSON.parse((await settings('list', '--json')).stdout)).toMatchObject({
    settings: [{ name: 'most', value: 'three of them', changedBy: 'person ada' }], environment: { AFTERGLOW_SETTING_NIGHT_MODE: 'on' },
  });
  expect((await settings('unset', 'most')).stdout).toBe('The setting "most" is not set any more; it was "three of them".\n');
  expect((await settings()).stdout).toBe('No settings are set.\nAFTERGLOW_SETTING_NIGHT_MODE in this environment: "on".\n');
  expect(await settings('set', '3 most', '1')).toMatchObject({ code: 1, stderr: expect.stringContaining('The name of a setting begins with a letter') as string });
});
