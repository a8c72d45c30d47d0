import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { serverCpuSeconds } from '../server-cpu.ts';

/** A redis-server of ours. */
export interface RedisServer {
  version: string;
  /** Its unix socket. */
  socket: string;
  /** CPU seconds that it has used; undefined where we cannot know. */
  cpuSeconds(): number | undefined;
  close(): Promise<void>;
}

const READY_WITHIN_MS = 10_000;

/**
 * Starts the machine's redis-server on a unix socket, with its append-only file synced every second, as BullMQ's page "Going to
 * production" advises, and without snapshots, which would only cost it time.
 *
 * @param folder where its own folder goes
 * @returns undefined where the machine has no redis-server
 */
export async function openRedis(folder: string): Promise<RedisServer | undefined> {
  const home = await mkdtemp(path.join(folder, 'redis-'));
  const socket = path.join(home, 'socket');
  const child = spawn(
    'redis-server',
    ['--port', '0', '--unixsocket', socket, '--dir', home, '--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction', '--save', ''],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const absent = await new Promise<boolean>((resolve, reject) => {
    child.on('spawn', () => resolve(false));
    child.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(true) : reject(error)));
  });
  if (absent) {
    await rm(home, { recursive: true });
    return undefined;
  }
  const client = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 50, lazyConnect: true });
  client.on('error', () => {});
  const close = async () => {
    client.disconnect();
    child.kill();
    await ended;
    await rm(home, { recursive: true, force: true });
  };
  try {
    const late = AbortSignal.timeout(READY_WITHIN_MS);
    await Promise.race([client.ping(), new Promise((_, reject) => late.addEventListener('abort', () => reject(new Error('redis-server does not answer.'))))]);
    const info = await client.info('server');
    return {
      version: /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown',
      socket,
      cpuSeconds: () => serverCpuSeconds(child.pid!),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
