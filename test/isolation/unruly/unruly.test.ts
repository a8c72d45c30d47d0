import { expect, test } from 'vitest';
import { createDatabaseAddress } from '../../harness.ts';
import { run } from './run.ts';

test('isolated attempts that misbehave in every way come to their end once, and leave no process behind, though a worker is killed', async () => {
  const lines: string[] = [];
  await run({ address: await createDatabaseAddress(), objects: 8, withinSeconds: 100, log: (line) => lines.push(line) });
  expect(lines.at(-1)).toMatch(/^8 entries done; attempts: 8 finished, [1-9]/);
}, 150_000);
