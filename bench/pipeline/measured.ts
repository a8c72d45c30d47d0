import type pg from 'pg';
import type { DatabaseAddress } from '../../src/db/database.ts';
import type { RedisServer } from '../peers/redis-server.ts';
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

/** One measured run of a side. */
export type Run = Usage & { /** Transactions that the database committed for it. */ transactions: number };

/**
 * Runs an act and says what it used. Nothing else may write to the server meanwhile.
 *
 * @param redis its processor time counts as the database's
 */
export async function measured({ admin, cpuSeconds: ofPostgres }: BenchServer, act: () => Promise<void>, redis?: RedisServer): Promise<Usage> {
  const cpuSeconds = () => {
    const [postgres, other] = [ofPostgres(), redis?.cpuSeconds()];
    return postgres === undefined ? undefined : postgres + (other ?? 0);
  };
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

/** A backend counts its last transactions when it leaves, which is a moment after its client has. */
export async function commitsSettled(server: BenchServer, address: DatabaseAddress): Promise<number> {
  for (;;) {
    const { rowCount } = await server.admin.query(`select from pg_stat_activity where datname = $1 and backend_type = 'client backend'`, [nameOf(address)]);
    if (rowCount === 0) return commitsOf(server.admin, address);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
