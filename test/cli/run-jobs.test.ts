import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { listRuns, listScripts } from '../../src/runs/list-runs.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';
import { Emulator } from '../runs/emulator.ts';
import { jobFolder, put } from '../runs/job-folder.ts';
import { ok } from '../runs/world.ts';

let database: Database;
let data: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  database = await createDatabase();
  data = await mkdtemp(path.join(os.tmpdir(), 'afterglow-run-jobs-'));
  env = { DATABASE_URL: urlOf(database.address), AFTERGLOW_DATA: data, AFTERGLOW_LOG: 'plain', NO_COLOR: '1' };
});
afterAll(() => rm(data, { recursive: true, force: true }));

function start(folder: string, ...args: string[]): ReturnType<typeof startProgram> {
  const started = startProgram(['run-jobs', path.join(folder, 'jobs.json'), ...args], env);
  onTestFinished(() => void started.child.kill('SIGKILL'));
  return started;
}

/** How many processes have this word on their command line. */
async function processesWith(word: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(word)).length;
}

/** A number of seconds that no other sleeping process has. */
const oddSeconds = (): string => `${3000 + (process.pid % 1000)}.${Math.floor(Math.random() * 1e6) + 1}`;

test('a run whose process was killed with kill -9 leaves no script behind and is taken up by the same command; what was done is not done again', { timeout: 60_000 }, async () => {
  const seconds = oddSeconds();
  const folder = await jobFolder({
    'a.sh': ok('echo a >> order'),
    'b.sh': ok(`echo b >> order; [ -e gate ] || { sleep ${seconds} & sleep ${seconds}; }`),
    'c.sh': ok('echo c >> order'),
    'jobs.json': [{ steps: ['a.sh', 'b.sh', 'c.sh'] }],
  });
  const first = start(folder, '--name', 'resumed');
  await expect.poll(() => processesWith(seconds), { timeout: 20_000 }).toBe(2);
  first.child.kill('SIGKILL');
  expect((await first.ended).signal).toBe('SIGKILL');
  await expect.poll(() => processesWith(seconds), { timeout: 10_000 }).toBe(0);
  expect(await listRuns(database.em(), { name: 'resumed' })).toMatchObject([{ number: 1, state: 'crashed', counts: { succeeded: 1 } }]);

  await put(folder, { gate: '' });
  const second = await start(folder, '--name', 'resumed').ended;
  expect(second.stdout).toContain('Run 1 of "resumed" did not come to its end; it goes on where it was.');
  expect(second.stdout).toContain('Run 1 of "resumed" is finished. 3 scripts: 3 succeeded.');
  expect(second.code).toBe(0);
  expect(await readFile(path.join(folder, 'order'), 'utf8')).toBe('a\nb\nb\nc\n');
  expect(await listRuns(database.em(), { name: 'resumed' })).toMatchObject([{ number: 1, state: 'finished', resumed: 1, counts: { tasks: 3, succeeded: 3 } }]);
});

test('Ctrl-C leaves no process running, not even what scripts have started, and the run is aborted (M23, M25)', async () => {
  const seconds = oddSeconds();
  const folder = await jobFolder({
    // One that does not want to go, one that left its process group, and one that went into the background.
    'a.sh': ok(`trap '' TERM; setsid sleep ${seconds} & sleep ${seconds} & sleep ${seconds}`), 'b.sh': ok(),
    'jobs.json': [{ name: 'Long', steps: ['a.sh', 'b.sh'] }],
  });
  const { child, ended } = start(folder, '--name', 'stopped');
  await expect.poll(() => processesWith(seconds), { timeout: 20_000 }).toBe(3);
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  expect(await processesWith(seconds)).toBe(0);
  expect(code).toBe(130);
  expect(stdout).toContain('Run 1 of "stopped" was aborted. 2 scripts: 2 skipped.');
  expect(await listScripts(database.em(), { name: 'stopped', number: 1 })).toMatchObject([{ state: 'skipped', reason: 'the run was aborted' }, { state: 'skipped', reason: 'the run was aborted' }]);
});

test('--debug shows command, output and errors of every script, and halts at the first failure (M20, M24)', async () => {
  const folder = await jobFolder({
    "it's.sh": ok('echo loaded; echo careful >&2', { rows: 3 }), 'bad.sh': 'echo no such table >&2\nexit 2\n', 'after.sh': ok(),
    'hooks.ts': 'export function onTaskReady(task: { args: string[] }): void { task.args.push("--hooked"); }',
    'jobs.json': [{ arguments: ['--name', "O'Neil & sons"], steps: ["it's.sh", 'bad.sh', 'after.sh'] }],
  });
  const { code, stdout } = await start(folder, '--debug', '--hooks', path.join(folder, 'hooks.ts')).ended;
  const sh = /^(\/\S*\/sh) /m.exec(stdout)?.[1];
  expect(stdout).toContain(`--- command of it's.sh\n${sh} '${folder}/it'\\''s.sh' --name 'O'\\''Neil & sons' --hooked\n--- standard output of it's.sh\nloaded\n--- standard error of it's.sh\ncareful\n--- result of it's.sh\n`);
  expect(stdout).toContain('--- standard error of bad.sh\nno such table\n');
  expect(stdout).toContain(`Run 1 of "${path.basename(folder)}" was halted at the first failure. 3 scripts: 1 succeeded, 1 failed, 1 skipped.`);
  expect(code).toBe(4);
});

test('one line for each thing that happens where there is no terminal, and a failure in the exit code; "runs" tells of it afterwards (M22, M24)', { timeout: 60_000 }, async () => {
  const folder = await jobFolder({
    'a.sh': ok(), 'bad.sh': 'echo no such column >&2\nexit 3\n', 'c.sh': ok(), 'd.sh': ok(),
    'jobs.json': [{ name: 'Rents', steps: ['a.sh', 'bad.sh', 'c.sh'] }, { name: 'Monthly', frequency: 2, steps: ['d.sh'] }],
  });
  await start(folder, '--name', 'plain', '--only-run', 'a.sh').ended;
  const { code, stdout } = await start(folder, '--name', 'plain').ended;
  expect(stdout.replaceAll(/\d+\.\d s/g, 'n s').replaceAll(folder, '…')).toBe(
    [
      'Job "Monthly" is left out: it takes part in every 2nd run, and this is run 2.', 'plain 2: 3 scripts of 1 job', 'running    a.sh',
      'unchanged  a.sh (n s): nothing that it depends on has changed since run 1', 'running    bad.sh', 'failed     bad.sh (n s): The script …/bad.sh ended with exit code 3. It said at last:',
      '             | no such column', 'skipped    c.sh: "bad.sh", which it waits for, failed', 'Run 2 of "plain" has failed. 3 scripts: 1 unchanged, 1 failed, 1 skipped.', '',
    ].join('\n'),
  );
  expect(code).toBe(1);
  const listed = JSON.parse((await runProgram(['runs', '--name', 'plain', '--json'], env)).stdout) as object[];
  expect(listed).toMatchObject([{ number: 2, state: 'failed' }, { number: 1, state: 'finished', options: { only: ['a.sh'] }, counts: { tasks: 1, succeeded: 1 } }]);
  const shown = (await runProgram(['runs', 'show', 'plain'], env)).stdout;
  expect(shown).toContain('3 scripts: 1 unchanged, 1 failed, 1 skipped');
  expect(shown).toMatch(/^bad\.sh +failed +\d/m);
});

test('a file with mistakes is told and nothing is run or opened', async () => {
  const folder = await jobFolder({ 'a.py': '', 'jobs.json': [{ name: 'One', steps: ['a.py', 'b.py'] }] });
  const { code, stderr } = await start(folder).ended;
  expect(stderr).toContain('FileProblemsError: 1 problem found, nothing was run:');
  expect(stderr).toContain('jobs.json:6: expected a script of job "One" that is there, found "b.py": nothing of that name');
  expect(code).toBe(1);
});

test.skipIf(spawnSync('python3', ['--version']).error !== undefined)('on a terminal there is a tree that is drawn in place; Ctrl-C ends it (M24)', async () => {
  const folder = await jobFolder({
    'a.sh': ok(), 'b.sh': ok(), 'c.sh': `echo a warning >&2; exec sleep 600`,
    'jobs.json': [{ name: 'Rents', steps: ['a.sh', 'b.sh', 'c.sh'] }, { name: 'Sales', steps: ['a.sh', 'c.sh'] }],
    'term.py': TERMINAL,
  });
  const child = spawn('python3', [path.join(folder, 'term.py'), process.execPath, path.join(ROOT, 'src/main.ts'), 'run-jobs', path.join(folder, 'jobs.json'), '--name', 'drawn'], {
    env: { ...process.env, ...env, TERM: 'xterm', NO_COLOR: undefined },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const terminal = new Emulator(80, 24);
  child.stdout.setEncoding('utf8').on('data', (text: string) => terminal.write(text));
  const code = new Promise((resolve) => child.on('exit', resolve));
  await expect.poll(() => terminal.text, { timeout: 20_000 }).toMatch(/▶ c\.sh +\d/);
  child.stdin.write('\x03');
  expect(await code).toBe(130);
  expect(terminal.text.replaceAll(/\d+(?:\.\d)? s(?!\w)/g, 'n s')).toBe(
    [
      'drawn 1  n s  3 of 3 done, 1 skipped', 'Rents', '  ✔ a.sh  n s  (also of Sales)', '    ✔ b.sh  n s', '      - c.sh  the run was aborted  (also of Sales)', 'Sales  with 2 scripts from above',
      'Run 1 of "drawn" was aborted. 3 scripts: 2 succeeded, 1 skipped.',
    ].join('\n'),
  );
  expect(terminal.outOfReach).toBe(0);
});

/** Runs a command on a terminal of 80 columns and 24 lines: what it draws goes to standard output, what comes on standard input is typed. */
const TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
inputs = [terminal, 0]
while True:
    for ready in select.select(inputs, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b""
        if ready == 0 and data:
            os.write(terminal, data)
        elif ready == 0:
            inputs.remove(0)
        elif data:
            os.write(1, data)
        else:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
