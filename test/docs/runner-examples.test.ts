import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram } from '../program.ts';

const run = promisify(execFile);

/** The examples of the docs, in a project that looks like ours: the same src/, the shipped runners and theirs. */
let project: string;
let env: NodeJS.ProcessEnv;
let dustService: Server;
let asked = 0;

beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-docs-'));
  for (const name of ['src', 'node_modules', 'package.json', 'tsconfig.json']) await symlink(path.join(ROOT, name), path.join(project, name));
  await mkdir(path.join(project, 'runners'));
  const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');
  const guide = await readFile(path.join(ROOT, 'docs/writing-a-runner.md'), 'utf8');
  await put('absolute-magnitude.ts', block(readme, 'ts'));
  await put('peculiar-velocity.ts', block(guide, 'ts runner'));
  await put('detached.ts', block(guide, 'ts test'));
  await put('dust-map.ts', block(guide, 'ts service'));
  await put('count-transients.ts', block(guide, 'ts system'));
  await put(
    'index.ts',
    `import * as shipped from '${ROOT}/runners/index.ts';
     import { AbsoluteMagnitude } from './absolute-magnitude.ts';
     import { CountTransients } from './count-transients.ts';
     import { DustMap } from './dust-map.ts';
     import { PeculiarVelocity } from './peculiar-velocity.ts';
     export const { entities, migrations, exportQuery } = shipped;
     export const periodicRunners = [...shipped.periodicRunners, new AbsoluteMagnitude(), new PeculiarVelocity(), new CountTransients(), new DustMap()];`,
  );
  await writeFile(
    path.join(project, 'more-tasks.yaml'),
    `${block(readme, 'yaml')}- { name: Peculiar velocity, kind: transient, description: A test., owner: me }\n- { name: Count transients, kind: system, description: A test., owner: me }\n- { name: Dust map, kind: transient }\n`,
  );
  await writeFile(path.join(project, 'resources.yaml'), block(guide, 'yaml resources'));
  dustService = createServer((_request, response) => {
    asked += 1;
    // The service that the example asks is busy at first.
    if (asked <= 2) response.writeHead(429, { 'retry-after': '1' }).end();
    else response.end(JSON.stringify({ reddening: 0.03 }));
  }).listen(0, '127.0.0.1');
  await once(dustService, 'listening');
  env = {
    DUST_URL: `http://127.0.0.1:${(dustService.address() as AddressInfo).port}/`,
    DATABASE_URL: urlOf(await createDatabaseAddress()),
    AFTERGLOW_DATA: path.join(project, 'data'),
    AFTERGLOW_RUNNERS: path.join(project, 'runners/index.ts'),
    AFTERGLOW_FIXTURES: [path.join(ROOT, 'fixtures'), path.join(project, 'more-tasks.yaml'), path.join(project, 'resources.yaml'), path.join(ROOT, 'fixtures/example')].join(':'),
  };
});
afterAll(async () => {
  dustService.close();
  await rm(project, { recursive: true, force: true });
});

const put = (name: string, code: string): Promise<void> => writeFile(path.join(project, 'runners', name), code);

/** The first code block with just these words after its backticks. */
function block(markdown: string, words: string): string {
  const found = new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(markdown);
  expect(found, `a block of ${words}`).not.toBeNull();
  return found![1]!;
}

test('the examples have the types that they should', async () => {
  const config = path.join(project, 'tsconfig.docs.json');
  await writeFile(config, JSON.stringify({ extends: './tsconfig.json', include: ['runners', path.join(ROOT, 'runners/plots/*.d.ts')] }));
  await expect(run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config])).resolves.toMatchObject({ stdout: '' });
});

test('a runner is called with plain objects', async () => {
  const { stdout } = await run(process.execPath, ['--preserve-symlinks', path.join(project, 'runners/detached.ts')]);
  expect(stdout).toMatch(/status: 'processed'[\s\S]*kmPerS: -3[\d.]+[\s\S]* 1$/m);
});

test('the examples run beside the shipped pipeline, on every supernova', { timeout: 60_000 }, async () => {
  const { code, stdout, stderr } = await runProgram(['start', '--until-idle', '--no-web'], env);
  expect(stderr).not.toMatch(/"level":[56]0/);
  expect(code).toBe(0);
  expect(stdout).toMatch(/Absolute magnitude +273 processed/);
  expect(stdout).toMatch(/Peculiar velocity +273 processed/);
  expect(stdout).toMatch(/Dust map +273 processed/);
  expect(asked).toBe(275);
});
