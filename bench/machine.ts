import os from 'node:os';
import type pg from 'pg';
import { installed } from './peers/installed.ts';
import type { RedisServer } from './peers/redis-server.ts';
import type { Table } from './table.ts';

/** Settings that move the figures. */
const SETTINGS = [
  'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'wal_compression', 'max_wal_size', 'shared_buffers', 'work_mem', 'autovacuum', 'jit',
];

/** Packages whose versions move the figures. */
const PACKAGES = ['pg', 'pg-boss', 'graphile-worker', 'bullmq', 'ioredis'];

/** What the figures were measured on. */
export async function describeMachine(admin: pg.Client, embedded: boolean, redis: RedisServer | undefined): Promise<Table> {
  const settings = await admin.query<{ name: string; value: string }>(
    `select name, current_setting(name) as value from pg_settings where name = any ($1) order by array_position($1, name)`,
    [SETTINGS],
  );
  const { rows } = await admin.query<{ version: string }>(`select current_setting('server_version') as version`);
  const cpus = os.cpus();
  return {
    title: 'Measured on',
    head: ['what', 'value'],
    rows: [
      ['date', new Date().toISOString().slice(0, 10)],
      ['processor', `${cpus[0]?.model.trim() ?? process.arch}, ${os.availableParallelism()} cores (${process.arch})`],
      ['memory', `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`],
      ['system', `${os.type()} ${os.release()}`],
      ['load before the start', os.loadavg()[0]!.toFixed(1)],
      ['Node', process.versions.node],
      ['PostgreSQL', `${rows[0]!.version}, ${embedded ? 'the embedded one over its unix socket' : 'given by --url'}`],
      ['its settings', settings.rows.map(({ name, value }) => `${name} ${value}`).join(', ')],
      ['Redis', redis?.version ?? 'none here'],
      ['packages', PACKAGES.map(installed).join(', ')],
    ],
  };
}
