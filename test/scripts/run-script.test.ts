import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CancelledError, ScriptDiedError, ScriptError, TimeLimitError } from '../../src/errors.ts';
import { readProcesses } from '../../src/isolation/process-table.ts';
import { runScript, type ScriptOrder, type ScriptRun } from '../../src/scripts/run-script.ts';

let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-scripts-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a script', () => {
  test('gets arguments and one JSON on standard input, and its result is what stands between the markers', async () => {
    const run = await runSh('read -r json; printf "%s\\n" "== RESULT START ==" "{\\"status\\": \\"success\\", \\"args\\": \\"$1|$2\\", \\"input\\": $json}" "== RESULT END =="', {
      args: ['a b', '$(touch /nowhere); *'], input: { ra: 10.5, name: '2010ag' },
    });
    expect(run.ended).toEqual({ result: { status: 'success', result: { args: 'a b|$(touch /nowhere); *', input: { ra: 10.5, name: '2010ag' } }, warning: undefined, cost: undefined } });
  });

  test('gets of the environment what is on the list and what it is given, and no passwords of ours', async () => {
    process.env.AFTERGLOW_TEST_SECRET = 'hush';
    process.env.AFTERGLOW_TEST_PASSED = 'go on';
    const order = { pass: ['AFTERGLOW_TEST_PASSED'], set: { AFTERGLOW_ATTEMPT: '3', LANG: 'C.UTF-8' } };
    const run = await runSh(`env; ${said('{"status": "success"}')}`, order);
    const names = run.lines.map((line) => line.split('=')[0]!).filter((name) => /^[A-Z_]+$/.test(name));
    expect(run.lines).toEqual(expect.arrayContaining(['AFTERGLOW_TEST_PASSED=go on', 'AFTERGLOW_ATTEMPT=3', 'LANG=C.UTF-8', `PATH=${process.env.PATH}`]));
    expect(names).not.toContain('AFTERGLOW_TEST_SECRET');
    // What the shell sets by itself is OLDPWD, PWD, SHLVL and _.
    const known = ['AFTERGLOW_FOLDER', 'AFTERGLOW_PROCESS', 'AFTERGLOW_R', 'HOME', 'LC_ALL', 'LC_CTYPE', 'LOGNAME', 'OLDPWD', 'PWD', 'PYTHONIOENCODING', 'PYTHONPATH', 'PYTHONUNBUFFERED', 'SHLVL', 'TMPDIR', 'TZ', 'USER', '_'];
    expect(names.filter((name) => !known.includes(name)).toSorted()).toEqual(['AFTERGLOW_ATTEMPT', 'AFTERGLOW_TEST_PASSED', 'LANG', 'PATH']);
  });

  test('works in a folder of its own, which is removed afterwards', async () => {
    const run = await runSh(`echo x > made; pwd; ${said('{"status": "success"}')}`);
    expect(run.lines[0]).toContain(path.join(folder, 'folders'));
    await expect(readdir(run.lines[0]!)).rejects.toThrow(/ENOENT/);
    expect(run.keptFolder).toBeUndefined();
  });

  test('leaves its folder where that is asked for', async () => {
    const run = await runSh('echo x > made; exit 3', { keepFolder: 'on failure' });
    expect(await readdir(run.keptFolder!)).toEqual(['made']);
    const well = await runSh(said('{"status": "success"}'), { keepFolder: 'on failure' });
    expect(well.keptFolder).toBeUndefined();
  });

  test('tells how far it is, and what it says beside that goes to the log', async () => {
    const run = await runSh(`echo one; echo "== PROGRESS 0.25 =="; echo two; echo "== PROGRESS 50% =="; echo "== PROGRESS 1.5 =="; ${said('{"status": "success"}')}`);
    expect((await runSh('printf "no end"; exit 1')).lines).toEqual(['no end']);
    expect(run.progress).toEqual([0.25, 0.5]);
    expect(run.lines).toEqual(['one', 'two', '== PROGRESS 1.5 ==']);
  });
});

test('a listener that throws ends neither the script nor us', async () => {
  const fails = () => {
    throw new Error('the log is full');
  };
  expect((await runSh(`echo one; echo "== PROGRESS 0.5 =="\n${said('{"status": "success"}')}`, { onLine: fails, onProgress: fails })).ended).toHaveProperty('result');
});

describe('a script fails, and is said to', () => {
  test('Md8: by its exit code, with the last lines of standard error', async () => {
    const { failed, stderr } = await failure('echo "first" >&2; echo "no such table" >&2; exit 3');
    expect(failed).toMatchObject({ failure: 'exit code', exitCodeOfScript: 3, lastWords: 'first\nno such table' });
    expect(failed.message).toMatch(/script .*\.sh ended with exit code 3\. It said at last:\nfirst\nno such table$/);
    expect(failed).not.toBeInstanceOf(ScriptDiedError);
    expect(stderr).toBe('first\nno such table\n');
  });

  test('by its exit code even where it printed a result', async () => {
    expect((await failure(`${said('{"status": "success"}')}; exit 1`)).failed).toMatchObject({ failure: 'exit code', exitCodeOfScript: 1 });
  });

  test('by exit code 75, which asks for another attempt', async () => {
    expect((await failure('exit 75')).failed).toBeInstanceOf(ScriptDiedError);
  });

  test('by a signal, which was not its own doing', async () => {
    const { failed } = await failure('kill -SEGV $$');
    expect(failed).toBeInstanceOf(ScriptDiedError);
    expect(failed).toMatchObject({ failure: 'signal', signal: 'SIGSEGV', code: 'SCRIPT_DIED' });
  });

  test('Md3: by saying nothing of a result', async () => {
    const { failed } = await failure('echo all is well');
    expect(failed).toMatchObject({ failure: 'no result', code: 'SCRIPT' });
    expect(failed.message).toContain('ended with exit code 0 and printed no result');
  });

  test('by a result that has no end', async () => {
    expect((await failure('echo "== RESULT START =="; echo "{"')).failed.failure).toBe('unfinished result');
  });

  test('by a result that is no JSON, with the place', async () => {
    const { failed } = await failure(said('{"status": "success",\n  "flux": NaN}'));
    expect(failed.failure).toBe('broken result');
    expect(failed.message).toContain('in its line 2, column 11, expected a value, found NaN}. JSON has null');
  });

  test('Md2: by a result without a status', async () => {
    const { failed } = await failure(said('{"row_count": 5}'));
    expect(failed.failure).toBe('no status');
    expect(failed.message).toContain('printed a result without a status; it has "row_count".');
  });

  test('by a result that is too large', async () => {
    const { failed } = await failure(said('{"status": "success", "text": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}'), { resultBytes: 50 });
    expect(failed.failure).toBe('result too large');
    expect(failed.message).toMatch(/printed a result of 7\d bytes, 50 are the most/);
  });

  test('by not being there, or being nothing that can be started', async () => {
    const missing = await runScript({ script: path.join(folder, 'none.py'), folders: path.join(folder, 'folders') });
    expect(missing.ended).toMatchObject({ failed: { failure: 'not started', message: `The script ${path.join(folder, 'none.py')} does not exist.` } });
    const text = path.join(folder, 'notes.txt');
    await writeFile(text, 'no program');
    expect((await runScript({ script: text, folders: folder })).ended).toMatchObject({ failed: { failure: 'not started', message: expect.stringContaining('is no program, has no shebang') } });
    expect((await runScript({ script: text, interpreter: 'cat', args: ['a\0b'], folders: folder })).ended).toMatchObject({ failed: { failure: 'not started', message: expect.stringMatching(/could not be started: .*null bytes/) } });
    expect((await runScript({ script: text, interpreter: 'cat', workingFolder: path.join(folder, 'gone'), folders: folder })).ended).toMatchObject({ failed: { failure: 'not started', message: `The script ${text} should start in ${path.join(folder, 'gone')}, which is no folder.` } });
    expect((await runScript({ script: text, interpreter: 'cat', args: ['x'.repeat(5_000_000)], folders: folder })).ended).toMatchObject({ failed: { failure: 'not started', message: expect.stringContaining('E2BIG') } });
    expect((await runScript({ script: text, interpreter: 'cat', input: 5n as never, folders: folder })).ended).toMatchObject({ failed: { failure: 'not started', message: expect.stringContaining('BigInt') } });
    // Which the C library would give to a shell.
    await chmod(text, 0o755);
    expect((await runScript({ script: text, folders: folder })).ended).toMatchObject({ failed: { failure: 'not started', message: expect.stringContaining('is no program, has no shebang') } });
  });
});

describe('a script is stopped', () => {
  test('at its time limit, with all that it has started', async () => {
    const { failed, lines } = await failure('sleep 300 & echo $!; echo waiting >&2; wait', { timeLimitSeconds: 0.5, killGraceSeconds: 5 });
    expect(failed).toMatchObject({ failure: 'time limit', lastWords: 'waiting' });
    expect(isRunning(Number(lines[0]))).toBe(false);
  });

  test('by SIGKILL where it does not listen to SIGTERM', async () => {
    const { failed, wallSeconds } = await failure('trap "" TERM; while true; do sleep 0.05; done', { timeLimitSeconds: 0.2, killGraceSeconds: 0.3 });
    expect(failed.failure).toBe('time limit');
    expect(wallSeconds).toBeGreaterThan(0.5);
    expect(wallSeconds).toBeLessThan(5);
  });

  test.each([new TimeLimitError(5), new CancelledError('ann', 'wrong field')])('by a signal, whose reason is what comes out: %s', async (reason) => {
    const abort = new AbortController();
    const run = await runSh('trap "echo ends; exit 0" TERM; echo $$; while true; do sleep 0.05; done', { signal: abort.signal, killGraceSeconds: 5 }, (line) => {
      if (/^\d+$/.test(line)) abort.abort(reason);
    });
    expect(run.ended).toEqual({ stopped: reason });
    expect(run.lines.at(-1)).toBe('ends');
    expect(isRunning(Number(run.lines[0]))).toBe(false);
  });

  test('when it uses more memory than it may', async () => {
    const { failed } = await failure('x=$(head -c 200000000 /dev/zero | tr "\\0" x); sleep 300', { memoryLimitMiB: 64 });
    expect(failed).toBeInstanceOf(ScriptDiedError);
    expect(failed.message).toMatch(/was killed: with all that it had started it used \d+ MiB of memory, its limit is 64 MiB\./);
  });

  test('and nothing that it left behind goes on, in its process group or outside', async () => {
    const run = await runSh(`sleep 300 & echo $!; setsid sleep 301 > /dev/null 2>&1 < /dev/null & echo $!; ${said('{"status": "success"}')}`);
    expect(run.ended).toHaveProperty('result');
    const [inside, outside] = run.lines.map(Number) as [number, number];
    expect(isRunning(inside)).toBe(false);
    await vi.waitFor(() => expect(isRunning(outside)).toBe(false), { timeout: 5000 });
  });
});

test('what left the process group of a script that has ended, and nobody else is left, goes soon', async () => {
  const run = await runSh(`setsid sleep 302 > /dev/null 2>&1 < /dev/null & echo $!; ${said('{"status": "success"}')}`);
  expect(run.ended).toHaveProperty('result');
  await vi.waitFor(() => expect(isRunning(Number(run.lines[0]))).toBe(false), { timeout: 5000 });
});

async function failure(text: string, order: Partial<ScriptOrder> = {}): Promise<ScriptRun & { lines: string[]; failed: ScriptError }> {
  const run = await runSh(text, order);
  if (!('failed' in run.ended)) throw new Error(`It did not fail: ${JSON.stringify(run.ended)}`);
  expect(run.ended.failed).toBeInstanceOf(ScriptError);
  return { ...run, failed: run.ended.failed };
}

async function runSh(text: string, order: Partial<ScriptOrder> = {}, onLine: (line: string) => void = () => {}): Promise<ScriptRun & { lines: string[]; progress: number[] }> {
  const script = path.join(folder, `script-${(count += 1)}.sh`);
  await writeFile(script, text);
  const lines: string[] = [];
  const progress: number[] = [];
  const run = await runScript({
    script, folders: path.join(folder, 'folders'), onProgress: (fraction) => progress.push(fraction),
    onLine: (line) => {
      lines.push(line);
      onLine(line);
    },
    ...order,
  });
  return { ...run, lines, progress };
}

const said = (json: string): string => `cat <<'X'\n== RESULT START ==\n${json}\n== RESULT END ==\nX\n:`;
const isRunning = (pid: number): boolean => readProcesses().some((row) => row.pid === pid);
