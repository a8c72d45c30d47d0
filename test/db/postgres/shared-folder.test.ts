import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, test } from 'vitest';
import { launchPostgres } from '../../../src/db/postgres/launch.ts';
import { brokenIn, useRoot } from './folders.ts';

// A file of its own, as it takes ten seconds of waiting.
const root = useRoot();

test('a folder that another machine has in use is left alone, and the error says so', { skip: spawnSync('flock', ['--no-fork', root, 'true']).status !== 0 }, async () => {
  const dataDir = brokenIn(root);
  const other = spawn('flock', ['--no-fork', path.join(dataDir, 'postgres', 'PG_VERSION'), 'cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  other.stdin.write('locked\n');
  await once(other.stdout, 'data');
  await expect(launchPostgres({ dataDir })).rejects.toThrow(/is in use by a PostgreSQL of another machine or container that shares the folder/);
  const ended = once(other, 'exit');
  other.stdin.end();
  await ended;
});
