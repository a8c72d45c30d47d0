import type pg from 'pg';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { nameOf, type BenchServer } from '../server.ts';

/** What a run used, beside its time. */
export interface Usage {
  seconds: number;
  /** CPU seconds of this process, user and system. */
  cpuSeconds: number;
  /** CPU seconds of the database's processes; undefined where we cannot know. */
  databaseCpuSeconds: number | undefined;
  /** Bytes that went into the database's log. */
  walBytes: number;
}

/** Runs an act and says what it used. Nothing else may write to the server meanwhile. */
export async function measured({ admin, cpuSeconds }: BenchServer, act: () => Promise<void>): Promise<Usage> {
  const walAt = async () => (await admin.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')).rows[0]!.lsn;
  const wal = await walAt();
  const databaseCpu = cpuSeconds();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await act();
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  const databaseUsed = cpuSeconds();
  const { rows } = await admin.query<{ bytes: string }>('select pg_wal_lsn_diff($1::pg_lsn, $2::pg_lsn) as bytes', [await walAt(), wal]);
  return {
    seconds,
    cpuSeconds: (used.user + used.system) / 1e6,
    databaseCpuSeconds: databaseUsed === undefined || databaseCpu === undefined ? undefined : databaseUsed - databaseCpu,
    walBytes: Number(rows[0]!.bytes),
  };
}

/** How many transactions a database has committed; right once those who made them have disconnected. */
export async function commitsOf(admin: pg.Client, address: DatabaseAddress): Promise<number> {
  await admin.query('select pg_stat_clear_snapshot()');
  const { rows } = await admin.query<{ commits: string }>('select xact_commit as commits from pg_stat_database where datname = $1', [nameOf(address)]);
  return Number(rows[0]!.commits);
}
