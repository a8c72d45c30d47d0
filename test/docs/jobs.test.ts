import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';

const run = promisify(execFile);

/** The examples of docs/jobs.md and of the README, in a project that looks like ours. */
let project: string;
let env: NodeJS.ProcessEnv;
let daemon: ReturnType<typeof startProgram>;

beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-jobs-'));
  for (const name of ['src', 'node_modules', 'package.json', 'tsconfig.json']) await symlink(path.join(ROOT, name), path.join(project, name));
  await mkdir(path.join(project, 'runners'));
  const [guide, readme] = await Promise.all(['docs/jobs.md', 'README.md'].map((page) => readFile(path.join(ROOT, page), 'utf8')));
  for (const code of blocks(guide!, 'ts jobs')) await writeFile(path.join(project, /^\/\/ (\S+)\n/.exec(code)![1]!), code);
  const [type, app] = blocks(readme!, 'ts job');
  await writeFile(path.join(project, 'runners/greet.ts'), type!);
  await writeFile(path.join(project, 'enqueue.ts'), app!);
  await writeFile(path.join(project, 'runners/index.ts'), `
    import { CountAll } from './count-all.ts';
    import { sum, wordCount } from './sum.ts';
    import { greet } from './greet.ts';
    export const periodicRunners = [wordCount, sum, new CountAll(), greet];`);
  env = {
    DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_DATA: path.join(project, 'data'), AFTERGLOW_RUNNERS: path.join(project, 'runners/index.ts'),
    AFTERGLOW_FIXTURES: path.join(ROOT, 'test/jobs/fixtures'),
  };
  daemon = startProgram(['start', '--no-web'], env);
  await daemon.saw('jobs that can be enqueued: \\"Word count\\", \\"Sum\\", \\"Count all\\"');
}, 60_000);
afterAll(async () => {
  daemon.child.kill('SIGTERM');
  await daemon.ended;
  await rm(project, { recursive: true, force: true });
});

/** The code blocks with just these words after their backticks. */
const blocks = (markdown: string, words: string): string[] => [...markdown.matchAll(new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, code]) => code!);

test('the examples have the types that they should', async () => {
  const config = path.join(project, 'tsconfig.docs.json');
  await writeFile(config, JSON.stringify({ extends: './tsconfig.json', include: ['runners', 'app.ts', 'enqueue.ts'] }));
  await expect(run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config])).resolves.toMatchObject({ stdout: '' });
}, 60_000);

test('the application of the page waits for a job, and for the last step of a chord', async () => {
  const { stdout } = await run(process.execPath, [path.join(project, 'app.ts')], { env: { ...process.env, ...env } });
  expect(stdout).toBe('6 words\n6 words in all\n');
}, 60_000);

test('the runner of the page fans out, and the ten lines of the README do what they say', async () => {
  const [{ stdout: id }, { stdout }] = await Promise.all([
    runProgram(['jobs', 'enqueue', 'Count all', '{"texts": ["a b", "", "c"]}', '--wait', '30'], env), run(process.execPath, [path.join(project, 'enqueue.ts')], { env: { ...process.env, ...env } }),
  ]);
  expect(stdout).toBe('Hello, Ada!\n');
  expect(await runProgram(['jobs', 'wait', JSON.parse(id) as string], env)).toMatchObject({ code: 0, stdout: '3\n' });
}, 60_000);
