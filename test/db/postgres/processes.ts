import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, vi } from 'vitest';
import type { EmbeddedPostgres } from '../../../src/db/postgres/launch.ts';
import { parentOf, worksOn } from '../../../src/db/postgres/processes.ts';

/** What `client.ts` says first. */
export type Said = { server: EmbeddedPostgres; error?: undefined } | { server?: undefined; error: string; code: string };

/** A running `client.ts`. */
export interface Client {
  child: ChildProcess;
  /** Its first line. */
  said: Promise<Said>;
  /** Its second line, which tells that it lost the server. */
  lost: Promise<string>;
  /** Lets it release and end. */
  release(): Promise<number | null>;
  /** kill -9 */
  kill(): Promise<void>;
}

const everyClient = new Set<ChildProcess>();

/** Starts a process that holds the server of a data folder. */
export function startClient(
  dataDir: string,
  options: { prefix?: readonly string[]; env?: Record<string, string>; program?: string } = {},
): Client {
  const program = options.program ?? fileURLToPath(new URL('client.ts', import.meta.url));
  const words = [...(options.prefix ?? []), process.execPath, program, dataDir];
  const child = spawn(words[0]!, words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...options.env } });
  everyClient.add(child);
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdin!.on('error', () => {});
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const ended = once(child, 'close').then(([code]) => {
    everyClient.delete(child);
    return code as number | null;
  });
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`The client ended (code ${await ended}) without a word:\n${errors}`);
    return value;
  };
  const said = nextLine().then((line) => JSON.parse(line) as Said);
  const lost = said.then(nextLine).then((line) => (JSON.parse(line) as { lost: string }).lost);
  lost.catch(() => {}); // most tests lose nothing
  return {
    child,
    said,
    lost,
    release() {
      child.stdin!.end();
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Starts a client and waits until it has the server. */
export async function startHolder(dataDir: string, options?: Parameters<typeof startClient>[1]): Promise<Client & { server: EmbeddedPostgres }> {
  const client = startClient(dataDir, options);
  const said = await client.said;
  if (said.server === undefined) throw new Error(said.error);
  return { ...client, server: said.server };
}

/** Ends what a failed test may have left; the servers go with their holders. */
export function killEveryClient(): void {
  for (const child of everyClient) child.kill('SIGKILL');
}

/** The process that keeps a server. */
export function keeperOf(server: EmbeddedPostgres): number {
  return parentOf(server.pid);
}

/** Waits until the server's process is gone. */
export async function stopped(server: EmbeddedPostgres, dataDir: string): Promise<void> {
  await until(() => !worksOn(server.pid, `${dataDir}/postgres`));
}

/** Looks every few milliseconds, for ten seconds at most. */
export async function until(isTrue: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(isTrue()).toBe(true), { timeout: 10_000, interval: 5 });
}

/** Runs statements on a connection of their own and gives the last one's rows. */
export async function sql(server: Pick<EmbeddedPostgres, 'host' | 'port' | 'user' | 'database'>, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const { host, port, user, database } = server;
  const client = new pg.Client({ host, port, user, database });
  client.on('error', () => {});
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await client.query(statement));
    return rows;
  } finally {
    await client.end();
  }
}
