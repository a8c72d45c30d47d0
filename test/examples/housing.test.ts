import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadHooks } from '../../src/runs/load-hooks.ts';
import { ROOT } from '../program.ts';
import { createRuns } from '../runs/world.ts';

const { run } = createRuns();

/** The example in a folder of its own. */
async function copied(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-housing-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(path.join(ROOT, 'examples/housing'), folder, { recursive: true, filter: (from) => !/\/(?:work|__pycache__)$/.test(from) });
  const hooks = path.join(folder, 'hooks.ts');
  await writeFile(hooks, (await readFile(hooks, 'utf8')).replace('../../src/', `${ROOT}/src/`));
  return folder;
}

const text = (folder: string, name: string): Promise<string> => readFile(path.join(folder, name), 'utf8');

/** The rows of a table of the example: region, quarter, figure. */
const rowsOf = (csv: string): [string, string, number][] =>
  csv.trim().split('\n').filter((line) => !line.startsWith('#')).slice(1).map((line) => line.split(',')).map(([region, quarter, figure]) => [region!, quarter!, Number(figure)]);

test('the three jobs of the example grab, transform and publish: what comes out follows from what went in', async () => {
  const folder = await copied();
  const ended = await run(folder, { name: 'housing', hooks: await loadHooks(path.join(folder, 'hooks.ts')) });
  expect(ended).toMatchObject({ state: 'finished', counts: { tasks: 6, succeeded: 6 } });
  expect(ended.of('scripts/load.py').result).toMatchObject({ row_count: 64, tables: { sales: 32, rents: 32 } });
  expect(ended.of('scripts/grab_sales.py').result).toMatchObject({ table_name: 'sales', file_type: 'csv', row_count: 32, start_date: '2023-Q1', end_date: '2024-Q4' });

  const prices = rowsOf(await text(folder, 'data/sales.csv'));
  const rents = new Map(rowsOf(await text(folder, 'data/rents.csv')).map(([region, quarter, rent]) => [`${region} ${quarter}`, rent]));
  const published = JSON.parse(await text(folder, 'work/affordability.json')) as Record<string, Record<string, number>>;
  expect(prices).toHaveLength(32);
  for (const [region, quarter, price] of prices) expect(published[region]![quarter]).toBeCloseTo(price / (rents.get(`${region} ${quarter}`)! * 52), 2);
  expect((await text(folder, 'work/affordability.svg')).match(/<polyline/g)).toHaveLength(4);
  expect(await text(folder, 'work/affordability.svg')).toContain('Years of rent that a house costs (invented figures)');
});

test('the example run again does nothing; with other rents, everything that comes from them is made anew', async () => {
  const folder = await copied();
  const hooks = await loadHooks(path.join(folder, 'hooks.ts'));
  await run(folder, { name: 'again', hooks });
  expect(await run(folder, { name: 'again', hooks })).toMatchObject({ state: 'finished', counts: { unchanged: 6 } });
  const rents = path.join(folder, 'data/rents.csv');
  await writeFile(rents, (await readFile(rents, 'utf8')).replace(/^North,2024-Q4,\d+/m, 'North,2024-Q4,600'));
  // The job that grabs names both files as its inputs, so both are grabbed again.
  expect((await run(folder, { name: 'again', hooks })).counts).toMatchObject({ succeeded: 6 });
  const published = JSON.parse(await text(folder, 'work/affordability.json')) as Record<string, Record<string, number>>;
  const price = rowsOf(await text(folder, 'data/sales.csv')).find(([region, quarter]) => region === 'North' && quarter === '2024-Q4')![2];
  expect(published.North!['2024-Q4']).toBeCloseTo(price / (600 * 52), 2);
});

test.skipIf(spawnSync('Rscript', ['--version']).error !== undefined)('its R script summarises the sales', async () => {
  const folder = await copied();
  await writeFile(path.join(folder, 'jobs.json'), await text(folder, 'jobs-with-r.json'));
  const ended = await run(folder, { name: 'with-r', hooks: await loadHooks(path.join(folder, 'hooks.ts')) });
  expect(ended.of('scripts/summary.R').reason).toBeUndefined();
  expect(ended).toMatchObject({ state: 'finished', counts: { succeeded: 2 } });
  expect((await text(folder, 'work/summary.csv')).trim().split('\n')).toHaveLength(5);
});
