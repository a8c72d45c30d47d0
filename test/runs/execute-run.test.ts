import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { RefusedError } from '../../src/errors.ts';
import { listRuns, listScripts } from '../../src/runs/list-runs.ts';
import { jobFolder, put } from './job-folder.ts';
import { createRuns, ok, says } from './world.ts';

const { run, database } = createRuns();

const linesOf = async (folder: string, name: string): Promise<string[]> => (await readFile(path.join(folder, name), 'utf8')).trim().split('\n');

test('every script runs once, after all scripts of the step before it in every job that names it (M6, M7, M9)', async () => {
  const note = (name: string) => ok(`echo ${name} >> order`);
  const folder = await jobFolder({
    ...Object.fromEntries(['a', 'b', 'c', 'shared', 'd', 'e'].map((name) => [`${name}.sh`, note(name)])),
    'jobs.json': [{ name: 'One', steps: ['a.sh', ['b.sh', 'c.sh'], 'shared.sh', 'd.sh'] }, { name: 'Two', steps: ['e.sh', 'shared.sh'] }],
  });
  const ended = await run(folder);
  expect(ended).toMatchObject({ state: 'finished', number: 1, counts: { tasks: 6, succeeded: 6, failed: 0, skipped: 0, unchanged: 0 } });
  const order = await linesOf(folder, 'order');
  const after = (later: string, earlier: string): boolean => order.indexOf(later) > order.indexOf(earlier);
  expect(order.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'shared']);
  expect(['b', 'c'].every((name) => after(name, 'a') && after('shared', name)) && after('shared', 'e') && after('d', 'shared')).toBe(true);
});

test('Md1: a slow script holds up nothing that does not wait for it', async () => {
  // The slow one waits for what the last of the other chain does: in waves it would never come.
  const folder = await jobFolder({
    'slow.sh': ok('n=0; while [ ! -e gate ]; do n=$((n+1)); [ $n -gt 800 ] && exit 9; sleep 0.02; done'),
    'a.sh': ok(), 'b.sh': ok(), 'c.sh': ok('touch gate'),
    'jobs.json': [{ steps: ['slow.sh'] }, { steps: ['a.sh', 'b.sh', 'c.sh'] }],
  });
  expect(await run(folder)).toMatchObject({ state: 'finished', counts: { succeeded: 4 } });
});

test('at most so many scripts run at once, and that many do (M11, M20)', async () => {
  const names = ['1', '2', '3', '4', '5', '6'];
  const folder = await jobFolder({ ...Object.fromEntries(names.map((name) => [`${name}.sh`, ok('sleep 0.05')])), 'jobs.json': [{ steps: [names.map((name) => `${name}.sh`)] }] });
  let peak = 0;
  await run(folder, { most: 2, watch: (view) => view.onChange(() => (peak = Math.max(peak, view.counts.running))) });
  expect(peak).toBe(2);
});

test('scripts of a job with a higher priority are begun first (M3)', async () => {
  const note = (name: string) => ok(`echo ${name} >> order`);
  const folder = await jobFolder({
    ...Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [`${name}.sh`, note(name)])),
    'jobs.json': [{ steps: ['a.sh'] }, { priority: 1, steps: ['b.sh', 'c.sh'] }, { priority: 5, steps: ['d.sh'] }],
  });
  await run(folder, { most: 1 });
  expect(await linesOf(folder, 'order')).toEqual(['d', 'b', 'c', 'a']);
});

test('Md9: a failure skips what waits for it, with the reason; other branches go on, and the run does not end as finished (M8, M10, M21)', async () => {
  const folder = await jobFolder({
    'a.sh': ok(), 'bad.sh': 'echo no such column >&2\nexit 3\n', 'b.sh': ok(), 'c.sh': ok(), 'd.sh': ok(),
    'jobs.json': [{ name: 'One', steps: ['a.sh', 'bad.sh', 'b.sh', 'c.sh'] }, { steps: ['a.sh', 'd.sh'] }],
  });
  const ended = await run(folder);
  expect(ended.states).toEqual(['a.sh: success', 'bad.sh: failed', 'd.sh: success', 'b.sh: skipped', 'c.sh: skipped']);
  expect(ended).toMatchObject({ state: 'failed', counts: { tasks: 5, succeeded: 2, failed: 1, skipped: 2, unchanged: 0 } });
  expect(ended.of('bad.sh')).toMatchObject({ reason: expect.stringContaining('exit code 3'), stderr: 'no such column\n' });
  expect(ended.of('b.sh').reason).toBe('"bad.sh", which it waits for, failed');
  expect(ended.of('c.sh').reason).toBe('"b.sh", which it waits for, was skipped');
});

test('with --forced failures stop nothing, and the run has failed all the same (M21)', async () => {
  const folder = await jobFolder({ 'a.sh': says({ status: 'no data', message: 'the register is closed' }), 'b.sh': ok(), 'jobs.json': [{ steps: ['a.sh', 'b.sh'] }] });
  const ended = await run(folder, { forced: true });
  expect(ended).toMatchObject({ state: 'failed', counts: { succeeded: 1, failed: 1, skipped: 0 } });
  // Any status but success is a failure, whose result is kept (M13).
  expect(ended.of('a.sh')).toMatchObject({ reason: 'the register is closed', result: { status: 'no data', message: 'the register is closed' } });
});

test('Md2, Md3: a result without a status, no result, and a broken one are failures that say which, and are counted; one over several lines is read (M13, M15)', async () => {
  const folder = await jobFolder({
    'no-status.sh': says({ rows: 3 }), 'silent.sh': 'echo done\n', 'broken.sh': `echo '== RESULT START =='\necho '{"status": }'\necho '== RESULT END =='\n`,
    'pretty.sh': `echo noise\necho '== RESULT START =='\nprintf '{\\n  "status": "success",\\n  "rows": 3\\n}\\n'\necho '== RESULT END =='\necho more\n`,
    'jobs.json': [{ steps: [['no-status.sh', 'silent.sh', 'broken.sh', 'pretty.sh']] }],
  });
  const ended = await run(folder);
  expect(ended.counts).toEqual({ tasks: 4, succeeded: 1, failed: 3, skipped: 0, unchanged: 0 });
  expect(ended.of('no-status.sh').reason).toContain('without a status');
  expect(ended.of('silent.sh').reason).toContain('printed no result');
  expect(ended.of('broken.sh').reason).toContain('no JSON');
  expect(ended.of('pretty.sh').result).toEqual({ status: 'success', rows: 3 });
});

test('Md4: a script over the time limit of its job is stopped; retries give it more attempts', async () => {
  const folder = await jobFolder({
    'hangs.sh': 'sleep 60\n', 'second.sh': ok('[ -e tried ] || { touch tried; exit 1; }'),
    'jobs.json': [{ name: 'Slow', time_limit_seconds: 0.3, steps: ['hangs.sh'] }, { name: 'Flaky', retries: 1, steps: ['second.sh'] }],
  });
  const ended = await run(folder);
  expect(ended.states).toEqual(['hangs.sh: failed', 'second.sh: success']);
  expect(ended.of('hangs.sh').reason).toContain('its time limit of 0.3 s is exceeded');
  expect(ended.of('second.sh').attempt).toBe(2);
});

test('a script reads its job, the results of its parents and its arguments, and works in the folder of the file (M14, M16, M17)', async () => {
  const folder = await jobFolder({
    'in/grab.sh': ok('echo "$@" > args', { output_url: 'args', rows: 2 }),
    'load.sh': 'cat > given.json\n' + ok(),
    'jobs.json': [{ name: 'Grab', subfolder: 'in', arguments: ['--region', 'Otago'], region: 'Otago', steps: ['grab.sh'] }, { name: 'Load', steps: ['in/grab.sh', 'load.sh'] }],
  });
  const ended = await run(folder, { name: 'reads' });
  expect(ended.state).toBe('finished');
  expect(await linesOf(folder, 'args')).toEqual(['--region Otago']);
  const given = JSON.parse(await readFile(path.join(folder, 'given.json'), 'utf8')) as object;
  expect(given).toMatchObject({
    task: 'load.sh', run: { name: 'reads', number: 1 }, job: { name: 'Load' }, attempt: 1,
    results: { 'in/grab.sh': { status: 'success', rows: 2, output_url: 'args', output_hashes: { args: expect.stringMatching(/^[0-9a-f]{64}$/) } } },
  });
});

test('a script that is begun and ends while the register is asked is not begun again', async () => {
  // "c" is begun when "a" has ended; then the end of "b" is a reason to look once more, before "c" is claimed.
  const folder = await jobFolder({ 'a.sh': ok(), 'b.sh': ok('sleep 0.1'), 'c.sh': ok(), 'jobs.json': [{ steps: ['a.sh', 'c.sh'] }, { steps: ['b.sh'] }] });
  const moves: string[] = [];
  const ended = await run(folder, { isSlow: true, watch: (view) => view.onChange(({ task, state }, before) => void (state !== before && moves.push(`${task.script} ${state}`))) });
  expect(moves.toSorted()).toEqual(['a.sh running', 'a.sh success', 'b.sh running', 'b.sh success', 'c.sh running', 'c.sh success']);
  expect(ended.state).toBe('finished');
});

test('a result may hold what the database cannot: it is kept as near as can be', async () => {
  const folder = await jobFolder({ 'a.sh': `echo '== RESULT START =='
echo '{"status":"success","text":"a\\u0000b"}'
echo '== RESULT END =='
`, 'b.sh': ok(), 'jobs.json': [{ steps: ['a.sh', 'b.sh'] }] });
  const ended = await run(folder);
  expect(ended.of('a.sh')).toMatchObject({ reason: undefined, result: { text: 'a␀b' } });
  expect(ended.state).toBe('finished');
});

test('of our environment a script gets what is passed on, and nothing else', async () => {
  vi.stubEnv('RENTS_KEY', 'secret').stubEnv('OTHER_KEY', 'secret');
  const folder = await jobFolder({ 'a.sh': ok('echo "$RENTS_KEY,$OTHER_KEY,$AFTERGLOW_SUBJECT,$AFTERGLOW_ATTEMPT" > environment'), 'jobs.json': [{ steps: ['a.sh'] }] });
  await run(folder, { name: 'env', pass: ['RENTS_KEY'] });
  vi.unstubAllEnvs();
  expect(await linesOf(folder, 'environment')).toEqual(['secret,,env-1,1']);
});

test('two runs of one name are not under way at once', async () => {
  const folder = await jobFolder({ 'a.sh': ok('while [ ! -e gate ]; do sleep 0.02; done'), 'jobs.json': [{ steps: ['a.sh'] }] });
  const running = Promise.withResolvers<void>();
  const first = run(folder, { name: 'twice', watch: (view) => view.onChange(() => running.resolve()) });
  await running.promise;
  await expect(run(folder, { name: 'twice' })).rejects.toThrow(RefusedError);
  await put(folder, { gate: '' });
  expect(await first).toMatchObject({ state: 'finished', number: 1 });
});

test('Md8: every run is kept with its state and its counts (M22, M23)', async () => {
  const folder = await jobFolder({ 'a.sh': ok(), 'b.sh': 'exit 1', 'jobs.json': [{ name: 'One', steps: ['a.sh', 'b.sh'] }] });
  await run(folder, { name: 'kept' });
  await put(folder, { 'b.sh': ok() });
  await run(folder, { name: 'kept' });
  const runs = await listRuns(database().em(), { name: 'kept' });
  expect(runs).toMatchObject([
    { name: 'kept', number: 2, state: 'finished', jobs: 1, counts: { tasks: 2, succeeded: 1, failed: 0, skipped: 0, unchanged: 1 } },
    { name: 'kept', number: 1, state: 'failed', jobs: 1, counts: { tasks: 2, succeeded: 1, failed: 1, skipped: 0, unchanged: 0 } },
  ]);
  expect(await listScripts(database().em(), { name: 'kept', number: 1 })).toMatchObject([
    { script: 'a.sh', jobs: ['One'], parents: [], state: 'success', result: { status: 'success' } },
    { script: 'b.sh', jobs: ['One'], parents: ['a.sh'], state: 'failed', reason: expect.stringContaining('exit code 1') },
  ]);
});

test('a run that is stopped is aborted: what runs is killed, what has not begun is skipped (M23, M25)', async () => {
  const folder = await jobFolder({ 'a.sh': ok('sleep 60'), 'b.sh': ok(), 'jobs.json': [{ steps: ['a.sh', 'b.sh'] }] });
  const stop = new AbortController();
  const ended = await run(folder, { signal: stop.signal, watch: (view) => view.onChange(({ command }) => void (command !== undefined && setTimeout(() => stop.abort(), 100))) });
  expect(ended).toMatchObject({ state: 'aborted', states: ['a.sh: skipped', 'b.sh: skipped'], counts: { tasks: 2, skipped: 2 } });
});

test('halted at the first failure, nothing more is begun and what runs is stopped (M20, M23)', async () => {
  const folder = await jobFolder({ 'bad.sh': 'exit 1', 'long.sh': ok('sleep 60'), 'next.sh': ok(), 'jobs.json': [{ steps: ['bad.sh'] }, { steps: ['long.sh', 'next.sh'] }] });
  const ended = await run(folder, { haltOnFailure: true });
  expect(ended).toMatchObject({ state: 'halted', states: ['bad.sh: failed', 'long.sh: skipped', 'next.sh: skipped'] });
});
