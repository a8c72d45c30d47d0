import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = mkdtempSync(path.join(os.tmpdir(), 'afterglow-bin-'));
const program = path.join(root, 'bin', 'afterglow.js');
const packageFolder = path.join(root, 'node_modules', `node-${process.platform}-${process.arch}`);
const oldNode = nodeBefore24();

// Says who runs it and with what; then ends as it is told.
const STAND_IN = `
const [how, detail]: string[] = process.argv.slice(2);
if (how === 'wait') { setInterval(() => {}, 1000); process.on(detail!, () => process.exit(7)); }
console.log(JSON.stringify({ major: parseInt(process.versions.node), args: process.argv.slice(2) }));
if (how === 'exit') process.exitCode = Number(detail);
if (how === 'die') process.kill(process.pid, detail);
`;

beforeAll(() => {
  cpSync(fileURLToPath(new URL('../../bin/afterglow.js', import.meta.url)), program);
  mkdirSync(path.join(root, 'src'));
  writeFileSync(path.join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(path.join(root, 'src', 'main.ts'), STAND_IN);
  mkdirSync(path.join(packageFolder, 'bin'), { recursive: true });
  writeFileSync(path.join(packageFolder, 'package.json'), '{}');
  symlinkSync(process.execPath, path.join(packageFolder, 'bin', 'node'));
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A Node of this machine that cannot run the sources, for want of which some tests are skipped. */
function nodeBefore24(): string | undefined {
  return (process.env.PATH ?? '')
    .split(':')
    .map((folder) => path.join(folder, 'node'))
    .filter((file) => existsSync(file))
    .find((file) => {
      const major = Number.parseInt(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout.slice(1), 10);
      return major >= 20 && major < 24;
    });
}

function run(node: string, ...args: string[]) {
  const { stdout, stderr, status, signal } = spawnSync(node, [program, ...args], { encoding: 'utf8' });
  return { said: stdout === '' ? undefined : (JSON.parse(stdout) as unknown), stderr, status, signal };
}

test('Node 24 or newer runs the sources itself', () => {
  expect(run(process.execPath, 'exit', '5')).toMatchObject({ said: { args: ['exit', '5'] }, stderr: '', status: 5 });
});

describe.skipIf(oldNode === undefined)('an older Node (skipped where the machine has none from 20 to 23)', () => {
  test('hands over to the Node 24 of npm, with the arguments, and ends with its exit code', () => {
    expect(run(oldNode!, 'exit', '5')).toMatchObject({ said: { major: 24, args: ['exit', '5'] }, stderr: '', status: 5 });
  });

  test('ends by the signal that ended it', () => {
    expect(run(oldNode!, 'die', 'SIGKILL')).toMatchObject({ status: null, signal: 'SIGKILL' });
    expect(run(oldNode!, 'die', 'SIGTERM')).toMatchObject({ status: null, signal: 'SIGTERM' });
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('passes %s on', async (signal) => {
    const child = spawn(oldNode!, [program, 'wait', signal], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([7, null]);
  });

  test('says in one line what to do where npm brought no Node', () => {
    rmSync(packageFolder, { recursive: true });
    const { stderr, status } = run(oldNode!, 'status');
    expect(status).toBe(3);
    expect(stderr).toMatch(/^Afterglow needs Node 24 or newer; this is 2\d\.\S+, and none came with npm for \S+\. Run "npm ci" .*\n$/);
  });
});
