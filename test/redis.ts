import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** Whether this machine has a redis-server. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A redis-server of a test's own, on a unix socket. */
export interface TestRedis {
  /** As `REDIS_URL` has it. */
  url: string;
  /** Everything in it is gone. */
  forget(): Promise<void>;
  /** kill -9; {@link start} brings it back empty, at the same place. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Starts one. Nothing is written to disk. */
export async function startRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-redis-'));
  const socket = path.join(folder, 'socket');
  let child: ReturnType<typeof spawn> | undefined;
  const client = new Redis({ path: socket, lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => {});
  const start = async () => {
    child = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'], { cwd: folder, stdio: 'ignore' });
    const late = AbortSignal.timeout(10_000);
    // The client connects anew by itself until somebody answers.
    await Promise.race([client.ping(), delay(10_000, undefined, { ref: false }).then(() => late.throwIfAborted())]);
  };
  const kill = async () => {
    const gone = new Promise((resolve) => child!.once('exit', resolve));
    child!.kill('SIGKILL');
    await gone;
  };
  await start();
  return {
    url: `unix:${socket}`,
    start, kill,
    forget: async () => void (await client.flushall()),
    async close() {
      client.disconnect();
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
