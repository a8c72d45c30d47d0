import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { FileProblemsError } from '../../src/errors.ts';
import { readJobs } from '../../src/runs/read-jobs.ts';
import { jobFolder } from './job-folder.ts';

const SCRIPTS = { 'a.py': '', 'b.py': '', 'c.py': '', 'd.py': '' };

async function problemsOf(jobs: unknown, files: Record<string, string> = SCRIPTS): Promise<string[]> {
  const folder = await jobFolder({ ...files, 'jobs.json': jobs });
  const error = await readJobs(path.join(folder, 'jobs.json')).then(() => undefined, (thrown: unknown) => thrown);
  if (error === undefined) return [];
  expect(error).toBeInstanceOf(FileProblemsError);
  return (error as FileProblemsError).problems.map(({ line, expected, found, nearest }) => `${line}: expected ${expected}, found ${found}${nearest === undefined ? '' : ` (${nearest}?)`}`);
}

test('a job has a name, steps, and steps that are lists of scripts side by side; whatever else stands there is kept (M1, M2, M3)', async () => {
  const folder = await jobFolder({ 'sub/a.py': '', 'sub/b.py': '', 'sub/c.py': '', 'jobs.json': [{ name: 'Rents', subfolder: 'sub', priority: 1, frequency: 4, steps: ['a.py', ['b.py', './c.py']], region: 'Otago' }] });
  const { jobs: [job] } = await readJobs(path.join(folder, 'jobs.json'));
  expect(job).toMatchObject({ name: 'Rents', subfolder: 'sub', priority: 1, frequency: 4, always: false, inputs: [], arguments: [] });
  expect(job!.parameters).toEqual({ name: 'Rents', subfolder: 'sub', priority: 1, frequency: 4, region: 'Otago' });
  expect(job!.steps.map((step) => step.map(({ script }) => script))).toEqual([['sub/a.py'], ['sub/b.py', 'sub/c.py']]);
  expect(job!.steps[0]![0]!.file).toBe(path.join(folder, 'sub/a.py'));
});

test('a job without a name is "Unnamed" (M4)', async () => {
  const folder = await jobFolder({ ...SCRIPTS, 'jobs.json': [{ steps: ['a.py'] }] });
  expect((await readJobs(path.join(folder, 'jobs.json'))).jobs[0]!.name).toBe('Unnamed');
});

test('a script that is not there is said before anything runs, with its job, its line and the nearest name (M5)', async () => {
  expect(await problemsOf([{ name: 'One', steps: ['a.py', 'bb.py'] }])).toEqual(['6: expected a script of job "One" that is there, found "bb.py": nothing of that name (b.py?)']);
  expect(await problemsOf([{ name: 'One', subfolder: 'gone', steps: ['a.py'] }])).toEqual(['6: expected a script of job "One" that is there, found "gone/a.py": nothing of that name, as there is no folder "gone" beside the file']);
});

test('Md5: a script that stands twice in a job is refused', async () => {
  expect(await problemsOf([{ name: 'One', steps: ['a.py', 'b.py', ['c.py', 'a.py']] }])).toEqual(['9: expected every script once in job "One", found "a.py" again (first in line 5)']);
  expect(await problemsOf([{ name: 'One', steps: ['a.py', './a.py'] }])).toEqual(['6: expected every script once in job "One", found "a.py" again (first in line 5)']);
});

test('Md5: jobs that wait for each other are refused, with the scripts of the circle and the jobs that make it', async () => {
  expect(await problemsOf([{ name: 'One', steps: ['a.py', 'b.py', 'c.py'] }, { name: 'Two', steps: ['c.py', 'd.py', 'a.py'] }])).toEqual([
    '5: expected jobs that do not wait for each other, found a circle: "a.py" waits for "d.py" (job "Two"), "d.py" waits for "c.py" (job "Two"), "c.py" waits for "b.py" (job "One"), and "b.py" waits for "a.py" (job "One")',
  ]);
});

test('Md6: file names with two dots work, and what nothing can run is refused when the file is read', async () => {
  const files = { 'load.sales.py': '', 'clean.v2.sh': '', 'notes.docx': '', 'plain': 'echo' };
  expect(await problemsOf([{ steps: ['load.sales.py', 'clean.v2.sh'] }], files)).toEqual([]);
  expect(await problemsOf([{ name: 'One', steps: ['notes.docx', 'plain'] }], files)).toEqual([
    expect.stringMatching(/^5: expected .*, found .*docx/),
    expect.stringMatching(/^6: expected .*, found .*plain/),
  ]);
});

test('all that is wrong is said at once, each with its line and field', async () => {
  expect(await problemsOf([{ name: '', steps: [], priority: 'high' }, { steps: [['a.py'], [], 7], frequency: 0, inputs: ['x', 3] }, 'a.py', { step: ['a.py'] }])).toEqual([
    '3: expected "name" to be text of 1 to 200 characters, found the text ""',
    '4: expected "steps" to be a list of scripts, or of lists of scripts that run side by side, found an empty list',
    '5: expected "priority" to be a whole number, found the text "high"',
    '12: expected a step with at least one script, found an empty list',
    '13: expected the path of a script, found the number 7',
    '15: expected "frequency" to be a whole number from 1: the job takes part in every so-manieth run, found the number 0',
    '18: expected "inputs" to be a list of paths and patterns of files, found the number 3',
    '21: expected a job as { "name": …, "steps": [ … ] }, found the text "a.py"',
    '22: expected the field "steps" (a list of scripts), found "step" (steps?)',
  ]);
});

test('M2: a missing bracket is said with its line, and nothing was run', async () => {
  const folder = await jobFolder(SCRIPTS);
  const file = path.join(folder, 'jobs.json');
  await writeFile(file, '[\n  { "name": "One", "steps": ["a.py", ["b.py", "c.py"] },\n  { "steps": ["d.py"] }\n]\n');
  await expect(readJobs(file)).rejects.toThrow(/1 problem found, nothing was run:\n.*jobs\.json:2: expected valid JSON, found /);
  await writeFile(file, '{ "name": "One", "steps": ["a.py"] }');
  await expect(readJobs(file)).rejects.toThrow('expected a list of jobs, [ { "name": …, "steps": [ … ] } ], found a mapping');
  await expect(readJobs(path.join(folder, 'gone.json'))).rejects.toThrow('gone.json: expected a file that can be read, found nothing of that name');
});

test('the same may be written in YAML', async () => {
  const folder = await jobFolder({ ...SCRIPTS, 'jobs.yaml': '- name: One\n  steps:\n    - a.py\n    - [b.py, c.py]\n' });
  expect((await readJobs(path.join(folder, 'jobs.yaml'))).jobs[0]!.steps).toHaveLength(2);
});
