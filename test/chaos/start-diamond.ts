import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process with a daemon on the diamond. */
export interface DiamondProcess {
  /** Its results in the spool. */
  kept(): number;
  kill(): Promise<void>;
  isGone(): boolean;
  /** How often it logged a line with these words. */
  said(words: string): number;
  /** The last lines of its log. */
  readonly log: readonly string[];
}

/** Starts one, and resolves when it works. */
export async function startDiamond(options: { url: string; data: string; leaseSeconds: number }): Promise<DiamondProcess> {
  const { url, data, leaseSeconds } = options;
  mkdirSync(data, { recursive: true });
  const child = spawn(process.execPath, [fileURLToPath(new URL('diamond-process.ts', import.meta.url))], {
    env: { ...process.env, DATABASE_URL: url, AFTERGLOW_DATA: data, LEASE_SECONDS: String(leaseSeconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const log: string[] = [];
  const counts = new Map<string, number>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    if (log.length > 30) log.shift();
    const { msg = '' } = line.startsWith('{') ? (JSON.parse(line) as { msg?: string }) : {};
    counts.set(msg, (counts.get(msg) ?? 0) + 1);
  });
  const working = new Promise<void>((resolve) => createInterface({ input: child.stdout }).once('line', () => resolve()));
  await Promise.race([working, exited.then(() => Promise.reject(new Error(`A daemon ended by itself:\n${log.join('\n')}`)))]);
  const spool = path.join(data, 'spool');
  return {
    log,
    kept() {
      try {
        return readdirSync(spool).filter((name) => name.includes(`.${child.pid}.`) && name.endsWith('.json')).length;
      } catch {
        return 0;
      }
    },
    async kill() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await exited;
    },
    isGone: () => child.exitCode !== null || child.signalCode !== null,
    said: (words) => [...counts].reduce((sum, [msg, count]) => sum + (msg.includes(words) ? count : 0), 0),
  };
}
