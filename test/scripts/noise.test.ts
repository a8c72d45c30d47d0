import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const MEGABYTES = 100;
const SAID = `cat <<'X'\n== RESULT START ==\n{"status": "success", "n": 5}\n== RESULT END ==\nX\n`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-noise-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  ['short lines', `yes "a line of noise" | head -c ${MEGABYTES}000000`],
  ['no line break', `head -c ${MEGABYTES}000000 /dev/zero | tr '\\0' x`],
  ['standard error', `yes "a line of noise" | head -c ${MEGABYTES}000000 >&2`],
])(`Md8: ${MEGABYTES} MB of noise take no memory: %s`, async (_what, noise) => {
  const script = path.join(folder, 'noise.sh');
  await writeFile(script, `${noise}\n${SAID}${noise}\n`);
  const { stdout } = await run(process.execPath, [path.join(import.meta.dirname, 'noisy.ts'), script, folder]);
  const { ended, beforeMiB, peakMiB, lines } = JSON.parse(stdout) as { ended: unknown; beforeMiB: number; peakMiB: number; lines: number };
  expect(ended).toEqual({ result: { status: 'success', result: { n: 5 } } });
  // Of twice as much noise: before the result and after it. What is left is what Node holds of pieces of 64 KiB until it collects them.
  expect(peakMiB - beforeMiB).toBeLessThan(MEGABYTES);
  expect(lines).toBeLessThanOrEqual(501);
}, 30_000);
