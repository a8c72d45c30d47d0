import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadHooks } from '../../src/runs/load-hooks.ts';
import { jobFields } from '../../src/runs/job-fields.ts';
import { ROOT } from '../program.ts';
import { createRuns } from '../runs/world.ts';

const { run } = createRuns();
let project: string;
let jobs: string;
let page: string;

/** The first code block with just these words after its backticks. */
function block(words: string): string {
  const found = new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page);
  expect(found, `a block of ${words}`).not.toBeNull();
  return found![1]!;
}

beforeAll(async () => {
  page = await readFile(path.join(ROOT, 'docs/run-jobs.md'), 'utf8');
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-docs-'));
  jobs = path.join(project, 'my-jobs');
  await mkdir(jobs);
  for (const name of ['src', 'node_modules', 'package.json', 'tsconfig.json']) await symlink(path.join(ROOT, name), path.join(project, name));
  await writeFile(path.join(jobs, 'grab.py'), block('py grab'));
  await writeFile(path.join(jobs, 'load.sh'), block('sh load').replace('wc -l', 'cat > given.json\nwc -l'));
  await writeFile(path.join(jobs, 'jobs.json'), block('json jobs'));
  await writeFile(path.join(jobs, 'hooks.ts'), block('ts hooks'));
  await writeFile(path.join(jobs, 'rents.csv'), 'region,rent\nOtago,447\nx,1\n');
});
afterAll(() => rm(project, { recursive: true, force: true }));

test('the example of the page runs, and a script gets what the page says', async () => {
  const hooks = await loadHooks(path.join(jobs, 'hooks.ts'));
  const ended = await run(jobs, { name: 'my-jobs', hooks });
  expect(ended).toMatchObject({ state: 'finished', counts: { succeeded: 2 } });
  expect(ended.of('load.sh').result).toEqual({ status: 'success', row_count: 3 });
  const given = JSON.parse(await readFile(path.join(jobs, 'given.json'), 'utf8')) as Record<string, unknown>;
  const shown = JSON.parse(block('json input')) as Record<string, unknown>;
  expect(given).toEqual({
    ...shown, idempotencyKey: expect.any(String),
    results: { 'grab.py': { status: 'success', output_url: 'grabbed.csv', size: 26, output_hashes: { 'grabbed.csv': expect.stringMatching(/^[0-9a-f]{64}$/) } } },
  });
  expect((await run(jobs, { name: 'my-jobs', hooks })).counts).toMatchObject({ unchanged: 2 });
});

test('its hooks have the types that they should', async () => {
  const config = path.join(project, 'tsconfig.docs.json');
  await writeFile(config, JSON.stringify({ extends: './tsconfig.json', include: ['my-jobs', path.join(ROOT, 'runners/plots/*.d.ts')] }));
  await expect(promisify(execFile)(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config])).resolves.toMatchObject({ stdout: '' });
});

test('the fields of a job in the page are those of the code', () => {
  const table = page.slice(page.indexOf('| field of a job |'), page.indexOf('Whatever else stands there'));
  const onPage = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
  expect(onPage.toSorted()).toEqual([...Object.keys(jobFields.shape), 'steps'].toSorted());
});
