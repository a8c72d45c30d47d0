import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { DatabaseAddress } from '../../src/db/database.ts';
import type { IsolatedResult } from '../../src/engine/isolated.ts';
import { ProcessPool, type PoolOptions } from '../../src/isolation/process-pool.ts';
import type { Json } from '../../src/runner/outcome.ts';
import { listeningLog, type LogLine } from '../engine/world.ts';
import { Doer, type DeedName } from './deeds.ts';

// Loading the ORM is most of what starting a process costs, compiling it most of that.
process.env.NODE_COMPILE_CACHE ??= path.resolve(import.meta.dirname, '../../node_modules/.cache/afterglow-test');

/** Nobody answers there; nobody is asked before a runner reads or writes. */
const NOWHERE: DatabaseAddress = { host: '/nowhere', port: 1, user: 'nobody', database: 'nothing' };

/** A pool on the runners of these tests. It is stopped when the test is over, or what `stops` says. */
export function createPool(
  options: Partial<PoolOptions> & { address?: DatabaseAddress; runnersFile?: string; stops?: (stop: () => Promise<void>) => void } = {},
): { pool: ProcessPool; lines: LogLine[] } {
  const { address = NOWHERE, runnersFile = path.join(import.meta.dirname, 'deeds.ts'), stops, ...more } = options;
  const { log, lines } = listeningLog();
  const pool = new ProcessPool({
    settings: { address, runnersFile, folders: { data: '/data', products: '/data/products' } },
    processes: 2, maxTasksPerProcess: 0, log, ...more,
  });
  (stops ?? onTestFinished)(() => pool.stop());
  return { pool, lines };
}

/** What an attempt says while it runs, and what comes of it. */
export interface Doing {
  lines: { level: string; message: string; fields?: Record<string, Json> }[];
  progress: number[];
  abort: AbortController;
  result: Promise<IsolatedResult>;
  /** Resolves when the runner has said this. */
  said(message: string): Promise<Record<string, Json>>;
}

/** Has an attempt do something in a process. */
export function attempt(
  pool: ProcessPool,
  does: DeedName,
  { next, name = '2010ag', id = '7', limits = {}, timeLimitSeconds = null }: { next?: string; name?: string; id?: string; limits?: { memoryLimitMiB?: number; killGraceSeconds?: number }; timeLimitSeconds?: number | null } = {},
): Doing {
  const abort = new AbortController();
  const lines: Doing['lines'] = [];
  const progress: number[] = [];
  const result = pool.run({
    runner: Object.assign(new Doer(), limits), taskId: 3, attempt: 1, timeLimitSeconds, abort, statuses: new Set(['not processed', 'processing', 'processed', 'failed']),
    subject: { id, name, publicTimestamp: new Date(5), data: { does, next } } as never,
    log: { info: (message, fields) => void lines.push({ level: 'info', message, fields }), warn: (message, fields) => void lines.push({ level: 'warn', message, fields }) },
    progress: (fraction) => void progress.push(fraction),
  });
  return {
    lines, progress, abort, result,
    said: async (message) => {
      await expect.poll(() => lines.map((line) => line.message), { timeout: 10_000, interval: 5 }).toContain(message);
      return lines.find((line) => line.message === message)!.fields ?? {};
    },
  };
}

/** What the attempt's runner gave as its result. */
export async function told(doing: Doing): Promise<Record<string, Json>> {
  const { outcome } = await doing.result;
  if ('thrown' in outcome) throw outcome.thrown;
  return outcome.returned.result as Record<string, Json>;
}

/** What the attempt ended of. */
export async function thrown(doing: Doing): Promise<Error & Record<string, unknown>> {
  const { outcome } = await doing.result;
  if ('returned' in outcome) throw new Error(`it returned ${outcome.returned.status}`);
  return outcome.thrown as Error & Record<string, unknown>;
}

/** Of these processes, those that run: dead ones that nobody has fetched aside. */
export function alive(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  });
}
