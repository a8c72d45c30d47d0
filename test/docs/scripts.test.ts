import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase, type DatabaseAddress } from '../../src/db/database.ts';
import { PASSED_ON, scriptEnvironment } from '../../src/scripts/environment.ts';
import { openJobs } from '../../src/index.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';

const run = promisify(execFile);
const hasR = spawnSync('Rscript', ['--version']).status === 0;
const page = await readFile(path.join(ROOT, 'docs/scripts.md'), 'utf8');
const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');

/** The examples of the page and of the README, in a project that looks like ours. */
let project: string;
let address: DatabaseAddress;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-scripts-docs-'));
  for (const name of ['src', 'node_modules', 'package.json', 'tsconfig.json', 'helpers']) await symlink(path.join(ROOT, name), path.join(project, name));
  await mkdir(path.join(project, 'runners'));
  await put('flux.ts', block(page, 'ts runner'));
  await put('flux.py', block(page, 'py script'));
  await put('colour.R', block(page, 'r script'));
  await put('count-rows.ts', block(page, 'ts job'));
  await put('count-rows.sh', block(page, 'sh script'));
  await put('flux.test.ts', block(page, 'ts test'));
  await put('apparent-flux.ts', block(readme, 'ts script'));
  await put('apparent-flux.py', block(readme, 'py script'));
  await put('colour.ts', block(page, 'ts runner').replaceAll('Flux', 'Colour').replace('flux.py', 'colour.R'));
  await put(
    'index.ts',
    `import * as shipped from '${ROOT}/runners/index.ts';
     import { TransientInformation } from '${ROOT}/runners/transient-information.ts';
     import { ApparentFlux } from './apparent-flux.ts';
     import { Colour } from './colour.ts';
     import { CountRows } from './count-rows.ts';
     import { Flux } from './flux.ts';
     export const { entities, migrations } = shipped;
     export const periodicRunners = [new TransientInformation(), new Flux(), new ApparentFlux(), new CountRows()${hasR ? ', new Colour()' : ''}];`,
  );
  const tasks = `- { name: Transient information, kind: transient }\n${block(page, 'yaml')}${block(readme, 'yaml script')}${hasR ? '- { name: Colour, kind: transient }\n' : ''}`;
  await writeFile(path.join(project, 'tasks.yaml'), tasks);
  const supernovae = (await readFile(path.join(ROOT, 'fixtures/example/transients.yaml'), 'utf8')).split('\n').filter((line) => line.startsWith('- ')).slice(0, 3);
  await writeFile(path.join(project, 'transients.yaml'), supernovae.join('\n'));
  address = await createDatabaseAddress();
  env = {
    DATABASE_URL: urlOf(address), AFTERGLOW_DATA: path.join(project, 'data'), AFTERGLOW_RUNNERS: path.join(project, 'runners/index.ts'),
    AFTERGLOW_FIXTURES: [path.join(ROOT, 'fixtures/statuses.yaml'), path.join(project, 'tasks.yaml'), path.join(project, 'transients.yaml')].join(':'),
  };
});
afterAll(() => rm(project, { recursive: true, force: true }));

const put = (name: string, code: string): Promise<void> => writeFile(path.join(project, 'runners', name), code);

/** The first code block with just these words after its backticks. */
function block(markdown: string, words: string): string {
  const found = new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(markdown);
  expect(found, `a block of ${words}`).not.toBeNull();
  return found![1]!;
}

describe('the examples', () => {
  test('have the types that they should', async () => {
    const config = path.join(project, 'tsconfig.docs.json');
    await writeFile(config, JSON.stringify({ extends: './tsconfig.json', include: ['runners', path.join(ROOT, 'runners/plots/*.d.ts')] }));
    await expect(run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config])).resolves.toMatchObject({ stdout: '' });
  });

  test('run on supernovae, and as a job', { timeout: 60_000 }, async () => {
    const { code, stderr } = await runProgram(['start', '--until-idle', '--no-web'], env);
    expect(stderr).not.toMatch(/"level":[56]0/);
    expect(code).toBe(0);
    const database = await openDatabase(address);
    const rows = await database.em().execute<{ task: string; name: string; status: string; result: { flux_jy?: number; red?: boolean }; warning: string | null; cost: number | null; log: { message: string }[] }[]>(
      `select t.name as task, s.name, x.message as status, a.result, a.warning, a.cost::float, a.log
         from attempt a join task t on t.id = a.task_id join subject s on s.id = a.subject_id join status x on x.id = a.status_id where t.name <> 'Transient information' order by 1, 2`);
    const of = (task: string) => rows.filter((row) => row.task === task);
    expect(of('Flux').filter(({ status }) => status === 'failed')).toEqual([]);
    expect(of('Flux').map(({ name, status, warning, cost }) => [name, status, warning, cost])).toEqual([['2000B', 'processed', null, 0.01], ['2006lu', 'processed', 'faint', 0.01], ['2007aj', 'processed', null, 0.01]]);
    // 2000B has a peak magnitude of 15.483: 4063 Jy × 10^(−0.4 × 15.483).
    expect(of('Flux')[0]!.result.flux_jy).toBeCloseTo(0.002604, 6);
    expect(of('Flux')[0]!.log[0]!.message).toMatch(/^galactic latitude -?\d/);
    expect(of('Apparent flux')[0]!.result).toEqual(of('Flux')[0]!.result);
    if (hasR) expect(of('Colour').map(({ result }) => result)).toEqual([{ red: false }, { red: false }, { red: false }]);
    await database.close();

    const daemon = startProgram(['start', '--no-web'], env);
    const jobs = openJobs({ databaseUrl: urlOf(address) });
    const job = await jobs.enqueue('Count rows', { text: 'one\ntwo' });
    expect(await jobs.wait(job, { timeoutSeconds: 30 })).toEqual({ rows: 2 });
    await jobs.close();
    daemon.child.kill('SIGTERM');
    expect((await daemon.ended).code).toBe(0);
  });

  test('are called from a test, and by hand', async () => {
    const { stdout } = await run(process.execPath, ['--preserve-symlinks', path.join(project, 'runners/flux.test.ts')], { cwd: project });
    expect(stdout).toMatch(/status: 'processed',[\s\S]*flux_jy: 0\.00123/);
    const [, text] = /^```sh\n(echo '[\s\S]*?)^```/m.exec(page)!;
    const { stdout: byHand } = await run('sh', ['-c', text!.replace('my-flux.py', 'flux.py')], { cwd: project });
    expect(byHand).toMatch(/== PROGRESS 0\.5000 ==\ngalactic latitude 62\n== RESULT START ==\n\{"flux_jy": 0\.00122.*"status": "success", "cost": 0.01\}\n== RESULT END ==/);
  });

  test('M5: where a script is not there, the check says so and names runner and path', async () => {
    const script = path.join(project, 'runners/flux.py');
    await rm(script);
    const { code, stdout, stderr } = await runProgram(['check'], env);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(`Flux cannot work. The script ${script} does not exist.`);
  });
});

test('the page names every variable that a script gets, and no others', () => {
  const rows = page.slice(page.indexOf('**In its environment**')).split('\n').filter((line) => line.startsWith('| `'));
  const end = rows.findIndex((line) => !/^\| `[A-Z]/.test(line));
  const named = rows.slice(0, end < 0 ? undefined : end).flatMap((line) => [...line.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name = '']) => name));
  const ours = Object.keys(scriptEnvironment({ set: Object.fromEntries(PASSED_ON.map((name) => [name, 'x'])) }));
  const byAttempt = ['AFTERGLOW_IDEMPOTENCY_KEY', 'AFTERGLOW_ATTEMPT', 'AFTERGLOW_TASK', 'AFTERGLOW_SUBJECT', 'AFTERGLOW_FOLDER', 'TMPDIR', 'AFTERGLOW_PRODUCTS', 'AFTERGLOW_PROCESS'];
  expect(new Set(named)).toEqual(new Set([...ours, ...byAttempt]));
});
