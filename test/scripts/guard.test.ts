import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readProcesses } from '../../src/isolation/process-table.ts';
import { processesWith, said, scriptFolder } from './runners.ts';

const SOON = { timeout: 10_000, interval: 10 };
const { data, write } = scriptFolder();
let count = 0;

/** A process that runs a script. */
async function start(text: string): Promise<{ parent: ChildProcess; folders: string; running: () => number[]; begun: (times?: number) => Promise<void> }> {
  const folders = path.join(data(), `folders-${(count += 1)}`);
  const parent = spawn(process.execPath, [path.join(import.meta.dirname, 'parent.ts'), await write(text), folders], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    parent.kill('SIGKILL');
    for (const pid of processesWith('MINE', folders)) process.kill(pid, 'SIGKILL');
  });
  let printed = '';
  parent.stdout.setEncoding('utf8').on('data', (piece: string) => (printed += piece));
  return {
    parent, folders, running: () => processesWith('MINE', folders),
    begun: async (times = 1) => expect.poll(() => printed.split('begun').length - 1, SOON).toBeGreaterThanOrEqual(times),
  };
}

/** The guards of a process. */
const guardsOf = (parent: ChildProcess): number[] => readProcesses().map(({ pid }) => pid).filter((pid) => isGuardOf(pid, parent.pid!));

function isGuardOf(pid: number, daemon: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return words.includes('guard.ts') && words.includes(`"pid":${daemon},`);
  } catch {
    return false;
  }
}

describe('what a process that is killed by kill -9 has run of scripts', () => {
  test('is gone soon, with all that the scripts had started, in their process groups and outside, and so are their folders', async () => {
    const { parent, folders, running, begun } = await start('trap "" TERM\nsleep 301 &\nsetsid sleep 302 > /dev/null 2>&1 < /dev/null &\n(sleep 303 &)\necho begun\nwait; sleep 304');
    await begun();
    await expect.poll(running, SOON).toHaveLength(4);
    expect(await readdir(folders)).toHaveLength(1);
    parent.kill('SIGKILL');
    await expect.poll(running, SOON).toEqual([]);
    await expect.poll(() => readdir(folders), SOON).toEqual([]);
  });

  test('is gone even where the process dies in the moment in which it starts one', async () => {
    // Each run takes a few milliseconds; so the kill comes at some place of them that nobody chose.
    const { parent, running, begun } = await start(`echo begun\nsleep 0.00$((RANDOM % 3)) &\n${said('{"status": "success"}')}`);
    await begun(2);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await expect.poll(running, SOON).toEqual([]);
  });

  test('is gone too where the guard was killed before: another takes its place', async () => {
    const { parent, running, begun } = await start('echo begun; sleep 305');
    await begun();
    await expect.poll(() => guardsOf(parent), SOON).toHaveLength(1);
    const [first] = guardsOf(parent);
    process.kill(first!, 'SIGKILL');
    await expect.poll(() => guardsOf(parent).filter((pid) => pid !== first), SOON).toHaveLength(1);
    parent.kill('SIGKILL');
    await expect.poll(running, SOON).toEqual([]);
  });

  test('is gone too where it ended by itself', async () => {
    const { parent, running, begun } = await start('echo begun; sleep 306');
    await begun();
    parent.kill('SIGTERM');
    await once(parent, 'exit');
    await expect.poll(running, SOON).toEqual([]);
  });
});
