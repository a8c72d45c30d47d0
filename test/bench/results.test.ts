import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { page } from '../../bench/page.ts';
import { merged, readResults, writeResults, type Measured } from '../../bench/results.ts';
import { ROOT } from '../program.ts';

const measured = (part: string, ratio: number, rows: [string, string][] = []): Measured => ({
  part, machine: { title: 'Measured on', head: ['what', 'value'], rows: [['date', '2026-11-21'], ['load before the start', '0.3'], ['Node', '24'], ...rows] },
  section: { title: `Part ${part}`, method: ['As it was.'], tables: [], ratios: [{ what: `${part}: ours over theirs`, ratio, goal: { atLeast: 2 } }], limits: ['**We lose** a little.'] },
});

test('a part that is measured again takes the place of what was measured of it before, and leaves the others alone', () => {
  const before = [measured('queue', 1), measured('gone', 5), measured('claim', 3)];
  expect(merged(before, [measured('queue', 2)], ['claim', 'queue', 'start']).map(({ part, section }) => [part, section.ratios[0]!.ratio])).toEqual([['claim', 3], ['queue', 2]]);
});

test('results are read as they were written, and there are none at first', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'ag-results-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'results.json');
  expect(await readResults(file)).toEqual([]);
  await writeResults(file, [measured('queue', 1)]);
  expect(await readResults(file)).toEqual([measured('queue', 1)]);
});

test('the page says when each part was measured, and on what else than the others', () => {
  const text = page([measured('claim', 3), { ...measured('queue', 1), machine: { ...measured('queue', 1).machine, rows: [['date', '2026-10-01'], ['load before the start', '2'], ['Node', '22']] } }]);
  expect(text).toContain('Measured on 2026-11-21, with a load of 0.3 before the start.');
  expect(text).toContain('Measured on 2026-10-01, with a load of 2 before the start; Node 22.');
  expect(text).toContain('- Part queue: **We lose** a little.');
  expect(text).toMatch(/claim: ours over theirs \| +3 \| at least 2 \| yes/);
});

test('docs/benchmarks.md is what the results say', async () => {
  expect(await readFile(path.join(ROOT, 'docs/benchmarks.md'), 'utf8')).toBe(page(await readResults(path.join(ROOT, 'bench/results.json'))));
});
