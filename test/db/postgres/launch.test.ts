import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { launchPostgres } from '../../../src/db/postgres/launch.ts';
import { worksOn } from '../../../src/db/postgres/processes.ts';
import { pathWith, useRoot } from './folders.ts';
import { keeperOf, sql, startClient, startHolder, stopped, until } from './processes.ts';

const isLinux = process.platform === 'linux';
// One after the other, on one data folder, as making one takes a second or more: the first makes it, and each leaves it without a server.
const root = useRoot();
const dataDir = path.join(root, 'deep', 'data');
const cluster = path.join(dataDir, 'postgres');

describe('one process', () => {
  test('an empty folder becomes a database that syncs to disk, and release stops it without a trace', async () => {
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
    await sql(server, 'create table kept as select 1 as n');
    await server.release();
    await server.release();
    expect(worksOn(server.pid, cluster)).toBe(false);
    expect(existsSync(server.host)).toBe(false);
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
    expect(lines[0]).toMatch(/^making a PostgreSQL \d+/);
    expect(lines[1]).toMatch(/^PostgreSQL started in .* \(process \d+, socket in .*\)$/);
  });

  test('a second start finds the rows of the first, whatever the environment says about PostgreSQL and Node', async () => {
    const env = { PGPORT: '1', PGHOST: 'nowhere', PGSSLMODE: 'require', PGDATA: '/nowhere', NODE_OPTIONS: '--no-warnings', LC_ALL: 'xx_XX' };
    const client = await startHolder(dataDir, { env });
    expect(await sql(client.server, 'select n from kept')).toEqual([{ n: 1 }]);
    expect(await client.release()).toBe(0);
    expect(worksOn(client.server.pid, cluster)).toBe(false);
  });

  test('kill -9 of the only process stops the server', async () => {
    const client = await startHolder(dataDir);
    await client.kill();
    await stopped(client.server, dataDir);
  });

  test('a server that is killed is started again, and what was committed is there', async () => {
    const client = await startHolder(dataDir);
    await sql(client.server, 'create table survives as select 1 as n');
    process.kill(client.server.pid, 'SIGKILL');
    await expect.poll(() => sql(client.server, 'select n from survives').catch(() => 'down'), { timeout: 10_000 }).toEqual([{ n: 1 }]);
    expect(await client.release()).toBe(0);
  });

  test('a server that keeps dying is given up, and who holds it is told', async () => {
    const client = await startHolder(dataDir);
    let isLost = false;
    void client.lost.then(() => (isLost = true));
    while (!isLost) {
      const [row] = await sql(client.server, `select pg_read_file('postmaster.pid') as file`).catch(() => []);
      if (row !== undefined) process.kill(Number.parseInt(String(row.file), 10), 'SIGKILL');
    }
    expect(await client.lost).toMatch(/postgres is gone, and the database with it\. The end of .*ended more than 3 times within a minute/s);
    await client.release();
  });
});

describe('several processes', () => {
  test('two share one server, which outlives the first and stops with the second', async () => {
    const first = await startHolder(dataDir);
    const second = await startHolder(dataDir);
    expect(second.server.pid).toBe(first.server.pid);
    expect([first.server.startedByUs, second.server.startedByUs]).toEqual([true, false]);
    await first.kill();
    expect(await sql(second.server, 'select n from kept')).toEqual([{ n: 1 }]);
    expect(await second.release()).toBe(0);
    expect(worksOn(second.server.pid, cluster)).toBe(false);
  });

  test('two that find an empty folder at the same time get the same server', async () => {
    const contested = path.join(root, 'contested');
    const clients = await Promise.all([startHolder(contested), startHolder(contested)]);
    expect(clients[0].server.pid).toBe(clients[1].server.pid);
    expect(clients.filter(({ server }) => server.startedByUs)).toHaveLength(1);
    expect(readdirSync(contested).sort()).toEqual(['postgres', 'postgres.log']);
    await Promise.all(clients.map((client) => client.release()));
    await stopped(clients[0].server, contested);
  });

  test('processes that come while the last one leaves get a server', async () => {
    const leaving = await startHolder(dataDir);
    const left = leaving.release();
    const coming = await Promise.all([startHolder(dataDir), startHolder(dataDir)]);
    await left;
    expect(coming[0].server.pid).toBe(coming[1].server.pid);
    expect(await sql(coming[0].server, 'select n from kept')).toEqual([{ n: 1 }]);
    await Promise.all(coming.map((client) => client.kill()));
    await stopped(coming[0].server, dataDir);
  });

  test('a process that was killed while the server starts leaves nothing running', { skip: !isLinux }, async () => {
    const client = startClient(dataDir);
    client.said.catch(() => {});
    const processes = () => spawnSync('ps', ['-ww', '-eo', 'args='], { encoding: 'utf8' }).stdout.split('\n');
    const keepers = () => processes().filter((line) => line.includes(`keeper.ts ${dataDir}`));
    await until(() => keepers().length === 1);
    await client.kill();
    await until(() => keepers().length === 0);
    expect(existsSync(path.join(cluster, 'postmaster.pid'))).toBe(false);
  });

  test('a process with another folder of temporary files shares the server too', async () => {
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
    const client = await startHolder(dataDir);
    process.kill(keeperOf(client.server), 'SIGKILL');
    expect(await client.lost).toContain(`${cluster} is gone`);
    const next = await startHolder(dataDir);
    expect(next.server.pid).not.toBe(client.server.pid);
    expect(await sql(next.server, 'select n from kept')).toEqual([{ n: 1 }]);
    await Promise.all([client.release(), next.release()]);
  });

  test('together with every server process: the next launch recovers what was committed', async () => {
    const client = await startHolder(dataDir);
    await sql(client.server, 'create table recovered as select generate_series(1, 1000) as n');
    const backends = await sql(client.server, 'select pid from pg_stat_activity where pid <> pg_backend_pid()');
    for (const pid of [keeperOf(client.server), client.server.pid, ...backends.map((row) => Number(row.pid))]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // A backend may notice that its server is dead, and be gone before us.
      }
    }
    await client.kill();
    const next = await startHolder(dataDir);
    expect(await sql(next.server, 'select count(*)::int as n from recovered')).toEqual([{ n: 1000 }]);
    await next.release();
  });

  test('where the server cannot be tied to it leaves an orphan, which the next launch stops and replaces', { skip: !isLinux }, async () => {
    const env = { PATH: pathWith(root, 'unshare', 'flock', 'sh') };
    const client = await startHolder(dataDir, { env });
    process.kill(keeperOf(client.server), 'SIGKILL');
    await client.lost;
    await client.kill();
    await sql(client.server, 'create table orphaned as select 1 as n');
    const next = await startHolder(dataDir, { env });
    expect(next.server.pid).not.toBe(client.server.pid);
    expect(worksOn(client.server.pid, cluster)).toBe(false);
    expect(await sql(next.server, 'select n from orphaned')).toEqual([{ n: 1 }]);
    await next.release();
  });
});
