import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from '../../src/scripts/script-folder.ts';
import { scriptFolder } from './runners.ts';

const { data } = scriptFolder();

test('folders that a process left behind, which died with its guard, are removed by the next one; those of others are left', async () => {
  const folders = path.join(data(), 'left');
  const mine = await makeFolder(path.join(data(), 'first'), 'a.py');
  const own = path.basename(mine.ofProcess);
  // A process id that this machine does not give, an earlier process of our own id, another machine's, and what is kept.
  const dead = [own.replace(/-\d+-\d+$/, '-4194999-5'), own.replace(/\d+$/, '1')];
  const others = [`elsewhere-1-4194999-5`, 'kept', own];
  for (const name of [...dead, ...others]) await mkdir(path.join(folders, name, 'a.py-x'), { recursive: true });
  const folder = await makeFolder(folders, 'a.py');
  expect((await readdir(folders)).toSorted((a, b) => a.localeCompare(b))).toEqual(others.toSorted((a, b) => a.localeCompare(b)));
  expect(await folder.end('never', true)).toBeUndefined();
  expect(await readdir(path.join(folders, own))).toEqual(['a.py-x']);
});
