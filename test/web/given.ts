import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Hono } from 'hono';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createWeb, type WebOptions } from '../../src/web/web.ts';

/** The pages of a database. */
export interface GivenWeb {
  app: Hono;
  /** A products folder of their own. */
  products: string;
  get(url: string, headers?: Record<string, string>): Promise<Response>;
}

export async function givenWeb(database: Database, options: Partial<WebOptions> = {}): Promise<GivenWeb> {
  const data = await mkdtemp(path.join(os.tmpdir(), 'afterglow-web-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const app = createWeb({
    database, folders: { data, products: data }, health: async () => ({ ok: true, reasons: [] }), order: [], log: pino({ level: 'silent' }), ...options,
  });
  return { app, products: data, get: async (url, headers = {}) => app.request(url, { headers }) };
}

const asked = () => {
  throw new Error('the database was asked');
};
/** A database that must not be asked. */
export const noDatabase = { em: asked, hot: { run: asked, transaction: asked } } as unknown as Database;

/** Adds a task without an object, with ticks: `outcome` and, where it failed, the error. */
export async function addSystemTask(database: Database, name: string, ticks: readonly { outcome: string; error?: object; log?: object[]; result?: object }[] = []): Promise<void> {
  const em = database.em();
  await em.execute(`insert into task (name, kind, description) values (?, 'system', 'Does what needs no object.')`, [name]);
  for (const { outcome, error, log, result } of ticks) {
    await em.execute(
      `insert into tick (runner, slot, cause, daemon_id, ended_at, outcome, wall_seconds, error, log, result)
       values (?, now(), 'person', 1, case when ? = 'running' then null else now() end, ?, 1.5, ?::jsonb, ?::jsonb, ?::jsonb)`,
      [name, outcome, outcome, error === undefined ? null : JSON.stringify(error), log === undefined ? null : JSON.stringify(log), result === undefined ? null : JSON.stringify(result)],
    );
  }
}

/** Adds a daemon that was heard of so many seconds ago. */
export async function addDaemon(
  database: Database,
  { id = 1, silentSeconds = 0, role = 'daemon', labels = [] }: { id?: number; silentSeconds?: number; role?: 'daemon' | 'worker'; labels?: readonly string[] } = {},
): Promise<void> {
  await database.em().execute(
    `insert into daemon (id, host, machine, pid, process_start, version, concurrency, heartbeat_at, role, labels) overriding system value
     values (?, 'observatory', 'm', 4711, 'p', '1.2.3', 8, now() - ? * interval '1 second', ?, ?::text[])`,
    [id, silentSeconds, role, `{${labels.join()}}`],
  );
}
