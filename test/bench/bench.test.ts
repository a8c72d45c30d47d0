import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, type Ended } from '../program.ts';

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
const hasPython = spawnSync('python3', ['--version']).status === 0;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'ag-bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function bench(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [path.join(ROOT, 'bench/main.ts'), ...args], { cwd: folder, env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Title → first cells of its rows, and whether all figures are numbers. */
function tablesOf(output: string): Map<string, { rows: string[][] }> {
  const tables = new Map<string, { rows: string[][] }>();
  for (const [, title, lines] of output.matchAll(/^\*\*(.+)\*\*\n\n((?:\|.*\n?)+)/gm)) {
    const rows = lines!.trim().split('\n').slice(2);
    tables.set(title!, { rows: rows.map((row) => row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())) });
  }
  return tables;
}

describe('all benchmarks, small', () => {
  let ended: Ended;
  let pageBefore: number | undefined;
  const pageTime = async () => (await stat(path.join(ROOT, 'docs/benchmarks.md')).catch(() => undefined))?.mtimeMs;
  beforeAll(async () => {
    pageBefore = await pageTime();
    ended = await bench('--quick');
  }, 300_000);

  test('end well, leave nothing behind, and leave the page alone', async () => {
    expect(ended, ended.stderr).toMatchObject({ code: 0, signal: null });
    expect(await readdir(folder)).toEqual([]);
    expect(await pageTime()).toBe(pageBefore);
  });

  test('print a table with every row for every part', () => {
    const tables = tablesOf(ended.stdout);
    const names = (title: string) => tables.get(title)?.rows.map((row) => row[0]);
    const sizes = (rows: readonly string[]) => rows.flatMap((row) => [row, row]);
    const peers = ['pg-boss', 'graphile-worker', 'graphile-worker, batching', ...(hasRedis ? ['BullMQ on Redis'] : [])];
    expect([...tables.keys()]).toEqual([
      'Measured on', 'One claim of 10 entries, milliseconds', 'One advance, milliseconds', 'The registers', '170 entries, empty runners', '170 entries, runners of 10 ms', '170 entries, runners of 10 ms, all objects', ...(hasRedis ? ['170 entries, our two engines'] : []),
      '200 items', 'Milliseconds until the handler begins', '200 jobs', 'Milliseconds until a job begins', 'Milliseconds until the dependent runs', 'What it costs', 'Statements a minute', 'Seconds from the kill to the next start',
      'Milliseconds for a run of a script', 'Seconds', 'Resident memory of the daemon with its pages, MB', 'Ratios', 'Figures with a goal, on this machine',
    ]);
    expect(names('One claim of 10 entries, milliseconds')).toEqual(sizes(['few, blocked', 'none, after few', 'few, drained', 'many', 'none', 'many, moving on']));
    expect(names('One advance, milliseconds')).toEqual(sizes(['10 × fan-out 1, one of few', ...[1, 10, 100].flatMap((entries) => [0, 1, 2].map((fanOut) => `${entries} × fan-out ${fanOut}`))]));
    expect(names('The registers')).toEqual(['500', '1,000']);
    expect(names('170 entries, empty runners')).toEqual(['afterglow', ...peers, 'ceiling']);
    expect(names('170 entries, runners of 10 ms')).toEqual(['afterglow', ...peers]);
    expect(names('170 entries, runners of 10 ms, all objects')).toHaveLength(2);
    if (hasRedis) expect(names('170 entries, our two engines')).toEqual(['afterglow', 'afterglow, ENGINE=bullmq']);
    expect(names('200 items')).toEqual(['afterglow', ...peers]);
    expect(names('Milliseconds until the handler begins')).toEqual(['afterglow', ...peers]);
    expect(names('200 jobs')).toEqual(['afterglow', ...peers]);
    expect(names('Milliseconds until a job begins')).toEqual(['afterglow', ...peers]);
    expect(names('Milliseconds until the dependent runs')).toHaveLength(2);
    expect(names('Statements a minute')!.length).toBeGreaterThan(0);
    expect(names('Seconds from the kill to the next start')).toHaveLength(2);
    expect(names('Milliseconds for a run of a script')).toEqual(['shell', ...(hasPython ? ['Python'] : [])]);
    expect(names('Seconds')).toHaveLength(4);
    expect(names('Figures with a goal, on this machine')).toHaveLength(hasPython ? 6 : 5);
  });

  test('give a figure wherever one is due', () => {
    const tables = tablesOf(ended.stdout);
    const figures = [...tables].filter(([title]) => title !== 'Measured on').flatMap(([, { rows }]) => rows.flatMap((row) => row.slice(1)));
    expect(figures.length).toBeGreaterThan(200);
    expect(figures.filter((figure) => /NaN|undefined|Infinity|void/.test(figure))).toEqual([]);
    // A difference of two times may be below nought on a busy machine.
    const whole = [...tables].filter(([title]) => !/^Measured on$|a run of a script|^Figures with a goal/.test(title)).flatMap(([, { rows }]) => rows.flatMap((row) => row.slice(1)));
    expect(whole.filter((figure) => figure.startsWith('-'))).toEqual([]);
  });

  test('a claim reads as many pages to choose its entries at either size', () => {
    const claims = tablesOf(ended.stdout).get('One claim of 10 entries, milliseconds')!.rows;
    const choosing = claims.filter((row) => row[0] === 'none').map((row) => Number(row.at(-1)));
    expect(choosing).toHaveLength(2);
    for (const pages of choosing) expect(pages).toBeLessThan(10);
  });
});

test('sizes that the scenarios cannot be made of are refused', async () => {
  const { code, stderr } = await bench('claim', '--transients', '700');
  expect(stderr).toContain('RefusedError: A register must have a multiple of 500 transients, at least 500; found 700.');
  expect(code).toBe(1);
});

test('registers that do not fit on the disk are refused before anything is loaded', async () => {
  const { code, stderr } = await bench('claim', '--transients', '1000000000000');
  expect(stderr).toMatch(/RefusedError: Registers of 1000000000000 transients need about [\d.]+ GB of disk, [\d.]+ GB are free in /);
  expect(code).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});
