import { chmod, mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkGraph } from '../../src/runner/check/check-graph.ts';
import type { SubjectTaskRunner } from '../../src/runner/runner.ts';
import { launchOf } from '../../src/scripts/launch.ts';
import { scriptFolder, Shell } from './runners.ts';

const { data, write } = scriptFolder();

/** A folder with programs of these names, as a PATH. */
async function programs(...names: string[]): Promise<string> {
  const folder = path.join(data(), `bin-${names.join('-')}`);
  await mkdir(folder, { recursive: true });
  for (const name of names) {
    const file = await write('#!/bin/sh\n');
    await chmod(file, 0o755);
    await rename(file, path.join(folder, name));
  }
  return folder;
}

describe('how a script is started', () => {
  test('its extension tells, and it needs no executable bit; the name may have several dots (Md6)', async () => {
    const where = await programs('python3', 'Rscript', 'sh');
    for (const [name, program] of [['a.py', 'python3'], ['v1.2.final.py', 'python3'], ['a.R', 'Rscript'], ['a.r', 'Rscript'], ['a.sh', 'sh']] as const) {
      const script = await write('# a script\n', name);
      expect(launchOf(script, undefined, where)).toEqual({ file: path.join(where, program), args: [script] });
    }
    const script = await write('// a script\n', 'a.ts');
    expect(launchOf(script, undefined, where)).toEqual({ file: process.execPath, args: [script] });
  });

  test('its first line tells where the extension does not, and for shell scripts which shell', async () => {
    const where = await programs('python3', 'sh');
    const named = await write('#!/usr/bin/env -S python3 -u\nprint(1)\n', 'flux');
    expect(launchOf(named, undefined, where)).toEqual({ file: '/usr/bin/env', args: ['-S python3 -u', named] });
    const bash = await write('#! /bin/bash\n', 'b.sh');
    expect(launchOf(bash, undefined, where)).toEqual({ file: '/bin/bash', args: [bash] });
    const python = await write('#!/bin/bash\n', 'c.py');
    expect(launchOf(python, undefined, where)).toMatchObject({ file: path.join(where, 'python3') });
  });

  test('a program starts itself', () => {
    expect(launchOf(process.execPath, undefined, '/nowhere')).toEqual({ file: process.execPath, args: [] });
  });

  test('its runner may name a program with arguments', async () => {
    const where = await programs('uv');
    const script = await write('', 'd.py');
    expect(launchOf(script, ['uv', 'run', 'python'], where)).toEqual({ file: path.join(where, 'uv'), args: ['run', 'python', script] });
  });

  test.each([
    ['nowhere.py', undefined, /does not exist\.$/],
    ['.', undefined, /is no file\.$/],
    ['a.txt', 'text', /is no program, has no shebang, and its extension tells no interpreter \(\.py, \.R, .*\)\.$/],
    ['a.py', 'print(1)', /needs the program "python3", which is nowhere on the PATH\.$/],
    ['b', '#!/opt/no/such/python\n', /needs the program "\/opt\/no\/such\/python", which is not there or not executable\.$/],
  ])('what cannot be started is told: %s', async (name, text, fault) => {
    const script = text === undefined ? path.join(data(), name) : await write(text, name);
    const answer = launchOf(script, undefined, '/nowhere') as { fault: string };
    expect(answer.fault).toMatch(fault);
    expect(answer.fault).toContain(`The script ${script} `);
  });
});

describe('M5, Md6: before anything runs it is checked', () => {
  const check = (runner: SubjectTaskRunner<never>) => checkGraph({
    statuses: [{ message: 'not processed', type: 'blank' }, { message: 'processing', type: 'warning' }, { message: 'time limit exceeded', type: 'error' }, { message: 'processed', type: 'success' }, { message: 'failed', type: 'error' }],
    tasks: [{ name: 'Do', kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true }],
    runners: [runner],
  });

  test('a script that is there and can be started is well', async () => {
    expect(check(new Shell(await write('', 'well.sh')))).toEqual([]);
  });

  test('a script that is not there is named, with its runner', () => {
    const script = path.join(data(), 'v1.2.none.py');
    expect(check(new Shell(script))).toEqual([
      { severity: 'error', code: 'runner-unusable', task: 'Do', message: `Shell cannot work. The script ${script} does not exist.` },
    ]);
  });

  test('an interpreter that nobody has is named, and is a warning where other machines do the task', async () => {
    const script = await write('', 'other.sh');
    const runner = Object.assign(new Shell(script), { interpreter: 'no-such-python' });
    expect(check(runner)).toMatchObject([{ severity: 'error', message: `Shell cannot work. The script ${script} needs the program "no-such-python", which is nowhere on the PATH.` }]);
    expect(check(Object.assign(runner, { requires: ['gpu'] }))).toMatchObject([{ severity: 'warning', code: 'runner-unusable-here' }]);
  });

  test('a memory limit is one, as there is a process to be killed', async () => {
    expect(check(Object.assign(new Shell(await write('', 'limited.sh')), { memoryLimitMiB: 128 }))).toEqual([]);
  });
});
