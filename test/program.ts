import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';

/** The project's own folder. */
export const ROOT = path.resolve(import.meta.dirname, '..');

/** How a run of the program ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Starts `afterglow` as a user would, as a process of its own. `ended` resolves with what it printed. */
export function startProgram(args: readonly string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ended>; saw(text: string): Promise<void> } {
  const child = spawn(process.execPath, [path.join(ROOT, 'src/main.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: '', AFTERGLOW_LOG: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const look of watchers) look();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return {
    child,
    ended,
    saw: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!output.stderr.includes(text) && !output.stdout.includes(text)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
        void ended.then(() => reject(new Error(`It ended without saying "${text}":\n${output.stdout}\n${output.stderr}`)), reject);
      }),
  };
}

/** Runs `afterglow` to its end. */
export const runProgram = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> => startProgram(args, env).ended;
