import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PYTHON_HELPERS, R_HELPERS } from '../../src/scripts/environment.ts';
import { runScript, type ScriptRun } from '../../src/scripts/run-script.ts';

const hasR = spawnSync('Rscript', ['--version']).status === 0;
const INPUT = {
  task: 'Flux', attempt: 2, subject: { name: 'Żółw "2010ag"\n', redshift: 0.1, position: [10.5, -3], tags: ['a', 'b'], host: null, good: true, deep: { empty: {}, none: [], mixed: [1, 'x', null] }, text: 'é ∑ 🔭 \\ /' },
};
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-helpers-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the helper module for Python', () => {
  test('reads the input, tells progress and writes the result', async () => {
    const run = await runText('echo.py', `
import afterglow, datetime, os, pathlib
given = afterglow.read_input()
afterglow.progress(0.4)
print('noise', end='')
afterglow.write_result({'lost': 1})
afterglow.write_result({
    'given': given, 'at': datetime.datetime(2026, 11, 21, 12, 0), 'path': pathlib.Path('/a/b'), 'all': {3, 1}, 'attempt': afterglow.attempt(),
    'own': os.path.isdir(afterglow.folder()) and afterglow.folder() == os.getcwd(), 'key': afterglow.idempotency_key(),
}, status='no host', warning='faint', cost=0.25)
print('more noise')
`);
    expect(run.ended).toEqual({ result: { status: 'no host', warning: 'faint', cost: 0.25, result: {
      given: INPUT, at: '2026-11-21T12:00:00', path: '/a/b', all: [1, 3], attempt: 2, own: true, key: '7-3-2',
    } } });
    expect(run.progress).toEqual([0.4]);
    expect(run.lines).toEqual(['noise', 'more noise']);
  });

  test('says where a number is that JSON does not have', async () => {
    const run = await runText('nan.py', `import afterglow\nafterglow.write_result({'fluxes': [1.0, float('nan')]})\n`);
    expect(run.ended).toMatchObject({ failed: { failure: 'exit code', message: expect.stringContaining('ValueError: fluxes[1] is nan, which JSON does not have; give None') } });
  });

  test('ends a script that another attempt may help', async () => {
    const run = await runText('away.py', `import afterglow\nafterglow.try_again('NED is away')\n`);
    expect(run.ended).toMatchObject({ failed: { code: 'SCRIPT_DIED', exitCodeOfScript: 75, lastWords: 'NED is away' } });
  });

  test('works by hand, with nothing on standard input', async () => {
    const file = path.join(folder, 'by-hand.py');
    await writeFile(file, `import afterglow\nafterglow.write_result({'given': afterglow.read_input(), 'attempt': afterglow.attempt()})\n`);
    const said = execFileSync('python3', [file], { env: { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONPATH: PYTHON_HELPERS }, input: '', encoding: 'utf8' });
    expect(said).toBe('== RESULT START ==\n{"given": {}, "attempt": 1, "status": "success"}\n== RESULT END ==\n');
  });
});

// R is on few machines that test; where Rscript is not there, vitest lists these as skipped.
describe.skipIf(!hasR)('the helper functions for R', () => {
  test('read the input, tell progress and write the result', async () => {
    const run = await runText('echo.R', `
source(Sys.getenv("AFTERGLOW_R"))
given <- read_input()
progress(0.4)
cat("noise")
write_result(list(lost = 1))
write_result(list(
  given = given, sum = sum(given$subject$position), tags = paste(given$subject$tags, collapse = "+"), one = I("x"), missing = NA, nothing = NULL, big = 12345678901, third = 1/3,
  at = as.Date("2026-11-21"), kind = factor("SN"), rows = data.frame(z = c(0.1, NA), name = c("a", "b")), attempt = as.integer(Sys.getenv("AFTERGLOW_ATTEMPT"))
), status = "no host", warning = "faint", cost = 0.25)
cat("more noise\\n")
`);
    expect(run.ended).toEqual({ result: { status: 'no host', warning: 'faint', cost: 0.25, result: {
      given: INPUT, sum: 7.5, tags: 'a+b', one: ['x'], missing: null, nothing: null, big: 12345678901, third: 1 / 3,
      at: '2026-11-21', kind: 'SN', rows: [{ z: 0.1, name: 'a' }, { z: null, name: 'b' }], attempt: 2,
    } } });
    expect(run.progress).toEqual([0.4]);
    expect(run.lines).toEqual(['noise', 'more noise']);
  });

  test('say where a number is that JSON does not have', async () => {
    const run = await runText('nan.R', `source(Sys.getenv("AFTERGLOW_R"))\nwrite_result(list(fluxes = c(1, NaN)))\n`);
    expect(run.ended).toMatchObject({ failed: { failure: 'exit code', message: expect.stringContaining('result$fluxes is NaN, which JSON does not have; give NA') } });
  });

  test('end a script that another attempt may help', async () => {
    const run = await runText('away.R', `source(Sys.getenv("AFTERGLOW_R"))\ntry_again("NED is away")\n`);
    expect(run.ended).toMatchObject({ failed: { code: 'SCRIPT_DIED', exitCodeOfScript: 75, lastWords: 'NED is away' } });
  });

  test('are in the file that the environment of scripts names', async () => {
    const run = await runText('where.R', `cat(Sys.getenv("AFTERGLOW_R"), "\\n")`);
    expect(run.lines).toEqual([R_HELPERS]);
  });
});

async function runText(name: string, text: string): Promise<ScriptRun & { lines: string[]; progress: number[] }> {
  const script = path.join(folder, name);
  await writeFile(script, text);
  const lines: string[] = [];
  const progress: number[] = [];
  const run = await runScript({
    script, folders: path.join(folder, 'folders'), input: INPUT, set: { AFTERGLOW_ATTEMPT: '2', AFTERGLOW_IDEMPOTENCY_KEY: '7-3-2' }, onLine: (line) => lines.push(line),
    onProgress: (fraction) => progress.push(fraction),
  });
  return { ...run, lines, progress };
}
