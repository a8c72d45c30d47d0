import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isCertainlyDead, thisProcess } from '../../src/daemon/process-identity.ts';

const here = thisProcess();
const startOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[19]!;

describe.skipIf(here.machine === '')('on a machine that tells of its processes, a process', () => {
  it('that runs is not dead: this one, another, one with brackets and spaces in its name', async () => {
    expect(isCertainlyDead(here)).toBe(false);
    const odd = spawn(process.execPath, ['-e', `process.title = 'a) b 1 (c'; process.stdout.write('up'); setInterval(() => {}, 1000)`], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void odd.kill('SIGKILL'));
    await once(odd.stdout, 'data');
    expect(isCertainlyDead({ ...here, pid: odd.pid!, processStart: startOf(odd.pid!) })).toBe(false);
  });

  it('that was killed is dead, and so is one whose number another has now', async () => {
    const child = spawn('sleep', ['1000']);
    const identity = { ...here, pid: child.pid!, processStart: startOf(child.pid!) };
    expect(isCertainlyDead(identity)).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isCertainlyDead(identity)).toBe(true);
    expect(isCertainlyDead({ ...here, processStart: '1' })).toBe(true);
  });

  it('of another machine, or of whom nothing is known, is not called dead', () => {
    expect(isCertainlyDead({ ...here, machine: 'elsewhere', pid: 2 ** 22 })).toBe(false);
    expect(isCertainlyDead({ ...here, machine: '', pid: 2 ** 22 })).toBe(false);
    expect(isCertainlyDead({ ...here, processStart: '', pid: 2 ** 22 })).toBe(false);
  });
});
