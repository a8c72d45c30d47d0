import { rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { jobFolder, put } from './job-folder.ts';
import { createRuns, ok } from './world.ts';

const { run } = createRuns();

/** Counts its runs beside its result, so that this says whether it ran. */
const copies = (from: string, to: string, before = ''): string => ok(`${before}\ncat ${from} > ${to}`, { output_url: to });

async function chain(more: object = {}): Promise<string> {
  return jobFolder({
    'data.csv': '1,2', 'other/x.csv': '5',
    'grab.sh': copies('data.csv', 'grabbed'), 'load.sh': copies('grabbed', 'loaded'), 'apart.sh': copies('other/x.csv', 'apart'),
    'jobs.json': [{ name: 'Chain', inputs: ['*.csv'], ...more, steps: ['grab.sh', 'load.sh'] }, { name: 'Apart', inputs: ['other'], steps: ['apart.sh'] }],
  });
}

test('what has not changed since its last success is not run again, with the reason; its result stands (M18)', async () => {
  const folder = await chain();
  const first = await run(folder);
  expect(first.states).toEqual(['grab.sh: success', 'apart.sh: success', 'load.sh: success']);
  const second = await run(folder);
  expect(second.states).toEqual(['grab.sh: unchanged', 'apart.sh: unchanged', 'load.sh: unchanged']);
  expect(second).toMatchObject({ state: 'finished', counts: { tasks: 3, succeeded: 0, unchanged: 3 } });
  expect(second.of('grab.sh')).toMatchObject({ reason: 'nothing that it depends on has changed since run 1', result: first.of('grab.sh').result! });
  const third = await run(folder, { forced: true });
  expect(third.counts).toMatchObject({ succeeded: 3, unchanged: 0 });
});

test('a file that a job reads is changed: its scripts run, and what follows from them, nothing else (M18)', async () => {
  const folder = await chain();
  await run(folder);
  await put(folder, { 'data.csv': '3,4' });
  expect((await run(folder)).states).toEqual(['grab.sh: success', 'apart.sh: unchanged', 'load.sh: success']);
  // Of a folder, whatever lies in it.
  await put(folder, { 'other/deep/y.csv': 'new' });
  expect((await run(folder)).states).toEqual(['grab.sh: unchanged', 'apart.sh: success', 'load.sh: unchanged']);
});

test('a script is changed: it runs; what follows from it runs only if its result is another one (M18)', async () => {
  const folder = await chain({ inputs: [] });
  await run(folder);
  await put(folder, { 'grab.sh': `# the same\n${copies('data.csv', 'grabbed')}` });
  expect((await run(folder)).states).toEqual(['grab.sh: success', 'apart.sh: unchanged', 'load.sh: unchanged']);
  await put(folder, { 'grab.sh': copies('data.csv', 'grabbed', 'echo 9,9 > data.csv') });
  expect((await run(folder)).states).toEqual(['grab.sh: success', 'apart.sh: unchanged', 'load.sh: success']);
});

test('the arguments are changed, or an output is gone or another one: the script runs (M18, M19)', async () => {
  const folder = await chain();
  await run(folder);
  const more = await run(folder, { hooks: { onTaskReady: (task) => void (task.script === 'apart.sh' && task.args.push('--again')) } });
  expect(more.states).toEqual(['grab.sh: unchanged', 'apart.sh: success', 'load.sh: unchanged']);
  await rm(path.join(folder, 'loaded'));
  await put(folder, { grabbed: 'somebody was here' });
  expect((await run(folder)).states).toEqual(['grab.sh: success', 'apart.sh: success', 'load.sh: success']);
});

test('a failed attempt is no last success: it is compared with the one before', async () => {
  const folder = await chain();
  await run(folder);
  await put(folder, { 'data.csv': 'x', 'grab.sh': 'exit 1' });
  expect((await run(folder)).states).toEqual(['grab.sh: failed', 'apart.sh: unchanged', 'load.sh: skipped']);
  await put(folder, { 'data.csv': '1,2', 'grab.sh': copies('data.csv', 'grabbed') });
  expect((await run(folder)).counts).toMatchObject({ unchanged: 3 });
});

test('scripts of a job that says "always" run every time; what follows from them does if their results are others', async () => {
  const folder = await jobFolder({
    'look.sh': ok(), 'use.sh': ok(),
    'jobs.json': [{ always: true, steps: ['look.sh'] }, { steps: ['look.sh', 'use.sh'] }],
  });
  await run(folder);
  expect((await run(folder)).states).toEqual(['look.sh: success', 'use.sh: unchanged']);
});

test('inputs and outputs that are not there are a warning, as nothing can be told from them', async () => {
  const folder = await jobFolder({ 'a.sh': ok('', { output_urls: ['gone.csv', 's3://bucket/there.csv'] }), 'jobs.json': [{ inputs: ['dta/*.csv', 'jobs.json', 'sales.csv'], steps: ['a.sh'] }] });
  const ended = await run(folder);
  expect(ended.of('a.sh').warning).toBe('it names outputs that are not there: gone.csv; its job names inputs that are not there: dta/*.csv, sales.csv');
  await put(folder, { 'sales.csv': '1' });
  expect((await run(folder)).of('a.sh')).toMatchObject({ state: 'success', warning: 'it names outputs that are not there: gone.csv; its job names inputs that are not there: dta/*.csv' });
});
