import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { statusReport } from '../../src/db/report.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, type Ended } from '../program.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
let database: Database;
const afterglow = (...args: string[]): Promise<Ended> => runProgram([...args, '--data', folder], env);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-cli-'));
  const address = await createDatabaseAddress();
  database = await openDatabase(address);
  env = { DATABASE_URL: urlOf(address), AFTERGLOW_FIXTURES: `${ROOT}/fixtures:${folder}/three.yaml` };
  await writeFile(
    path.join(folder, 'three.yaml'),
    `# what: transients\n` +
      `- { name: 2002de, ra_deg: 244.126579, dec_deg: 35.708389, redshift: 0.02573, data: { light_curve_fit: { mb_mag: 16.429, mb_err_mag: 0.032, x1: 0.458, x1_err: 0.345, c: 0.115, c_err: 0.027 } } }\n` +
      `- { name: faraway, ra_deg: 10, dec_deg: 85, redshift: 0.05 }\n` +
      `- { name: unplaced, ra_deg: 20, dec_deg: 80 }\n`,
  );
  expect(await afterglow('start', '--until-idle', '--no-web')).toMatchObject({ code: 0 });
}, 90_000);
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

type Counts = Record<string, Record<string, number>>;
const countsOf = ({ tasks }: { tasks: readonly { name: string; counts: Record<string, number> }[] }): Counts => Object.fromEntries(tasks.map(({ name, counts: of }) => [name, of]));
/** Without the command, which takes half a second to start. */
const counts = async (): Promise<Counts> => countsOf(await statusReport(database.em()));

describe('status', () => {
  test('counts entries by status', async () => {
    const told = countsOf(JSON.parse((await afterglow('status', '--json')).stdout));
    expect(told).toEqual(await counts());
    expect(told).toMatchObject({
      'Transient information': { processed: 3 },
      'Local aperture': { processed: 2, failed: 1 },
      Distance: { processed: 1, 'not enough data': 2 },
    });
    expect((await afterglow('status')).stdout).toMatch(/^3 transients: .*\n\nTASK/);
  });
});

describe('retry and reset', () => {
  test('retry says with --dry-run which failed entries it would send back, and changes nothing', async () => {
    const before = await counts();
    const { stdout, code } = await afterglow('retry', '--task', 'Distance', '--dry-run', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      { subject: 'faraway', task: 'Distance', status: 'not enough data' },
      { subject: 'unplaced', task: 'Distance', status: 'not enough data' },
    ]);
    expect(await counts()).toEqual(before);
  });

  test('retry sends failed entries back and the next start runs them', async () => {
    expect((await afterglow('retry', '--status', 'failed')).stdout).toContain('1 entry sent back.');
    expect((await counts())['Local aperture']).toEqual({ processed: 2, 'not processed': 1 });
    expect((await afterglow('start', '--until-idle', '--no-web')).stdout).toContain('1 attempt made.');
  });

  test('reset takes the dependents along when told to', async () => {
    const { stdout } = await afterglow('reset', '--transient', '2002de', '--task', 'Host match', '--with-dependents', '--json');
    expect((JSON.parse(stdout) as { task: string }[]).map(({ task }) => task).sort()).toEqual(['Host information', 'Host match', 'Host report']);
    expect((await afterglow('start', '--until-idle', '--no-web')).stdout).toContain('3 attempts made.');
  });

  test('reset without a filter is refused', async () => {
    expect(await afterglow('reset')).toMatchObject({ code: 1, stderr: expect.stringContaining('Name objects, --task, --status or another filter, or say --all.') });
  });

  test('an unknown name is an error with the nearest known one, and nothing is changed', async () => {
    const before = await counts();
    expect(await afterglow('retry', '--task', 'Host mach')).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "Host match"?') });
    expect(await counts()).toEqual(before);
  });
});

describe('run', () => {
  test('runs one task on one transient and shows how it ended', async () => {
    const { stdout, code } = await afterglow('run', 'Host match', '2002de', '--again', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'processed', outcome: 'finished', result: { name: 'NGC 6104' } });
  });

  test('says why an entry cannot be run', async () => {
    expect(await afterglow('run', 'Host report', 'unplaced')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"Host report" of unplaced cannot run yet: "Host information" must be "processed", it is'),
    });
    expect(await afterglow('run', 'Host match', '2002de')).toMatchObject({ code: 1, stderr: expect.stringContaining('Use "afterglow reset" first.') });
    expect(await afterglow('run', 'Host match', '2002df')).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "2002de"?') });
  });
});

describe('ingest', () => {
  test('takes transients from a CSV file, and takes it again without a change', async () => {
    const file = path.join(folder, 'new.csv');
    await writeFile(file, 'name,ra,dec,redshift,class\n2010ag,255.97346,31.50172,0.03369,SN Ia\n2010ai,12:59:24.03,+27:59:47.1,None,\n');
    expect(JSON.parse((await afterglow('ingest', file, '--json')).stdout)).toMatchObject({ added: ['2010ag', '2010ai'] });
    expect((await counts())['Host match']).toMatchObject({ 'not processed': 2 });
    expect(JSON.parse((await afterglow('ingest', file, '--json')).stdout)).toMatchObject({ added: [], changed: [] });
  });

  test('lists every bad line and takes none', async () => {
    const file = path.join(folder, 'bad.csv');
    await writeFile(file, 'name,ra,dec,redshift,class\ngood,1,2,0.1,\nbad_,400,2,0.1,\nworse,1,100,x,\n');
    const { code, stderr } = await afterglow('ingest', file);
    expect(code).toBe(1);
    expect(stderr).toContain('bad.csv:3');
    expect(stderr).toContain('bad.csv:4');
    expect(JSON.parse((await afterglow('export', '--format', 'json')).stdout)).not.toContainEqual(expect.objectContaining({ name: 'good' }));
  });
});

describe('graph and check', () => {
  test('graph draws the tasks as Mermaid', async () => {
    const { stdout } = await afterglow('graph', '--format', 'mermaid');
    expect(stdout).toMatch(/^flowchart /);
    expect(stdout).toContain('Host match');
  });

  test('check needs no database, and exits with 1 when a runner names an unknown status', async () => {
    const nowhere = { ...env, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' };
    expect(await runProgram(['check'], nowhere)).toMatchObject({ code: 0 });
    const file = path.join(folder, 'runners.ts');
    await writeFile(
      file,
      `import { TransientTaskRunner } from '${ROOT}/src/index.ts';\n` +
        `class Typo extends TransientTaskRunner { taskName = 'Host match'; schedule = '* * * * *'; prerequisites = { Distance: 'procesed' }; failedStatusMessage = 'failed'; runProcess() { return 'processed'; } }\n` +
        `export const periodicRunners = [new Typo()];\n`,
    );
    expect(await runProgram(['check', '--runners', file], nowhere)).toMatchObject({ code: 1, stderr: expect.stringMatching(/procesed.*processed/s) });
    expect(await runProgram(['start', '--until-idle', '--runners', file], env)).toMatchObject({ code: 1, stderr: expect.stringContaining('GraphError') });
  });
});

describe('the program', () => {
  test.each(['start', 'explain'])('%s has a --help that says what it does', async (name) => {
    const { stdout, code } = await runProgram([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: afterglow ${name}`);
    expect(stdout.length).toBeGreaterThan(300);
  });

  test('every command has help that says what it does', async () => {
    // As main.ts loads them, in this one process.
    const loads = [...(await readFile(path.join(ROOT, 'src/main.ts'), 'utf8')).matchAll(/^ {2}'?([\w-]+)'?: async \(\) => \(await import\('\.\/(cli\/[\w-]+\.ts)'\)\)\.(\w+)\(\),$/gm)];
    expect(loads.length).toBeGreaterThan(25);
    for (const [, name = '', file = '', factory = ''] of loads) {
      const command = ((await import(path.join(ROOT, 'src', file))) as Record<string, () => Command>)[factory]!();
      let text = '';
      command.exitOverride().configureOutput({ writeOut: (written) => (text += written) });
      await expect(command.parseAsync(['--help'], { from: 'user' }), name).rejects.toMatchObject({ exitCode: 0 });
      expect(text).toContain(`Usage: ${name}`);
      expect(text.length, name).toBeGreaterThan(300);
    }
  });

  test('an unknown command is an error with the nearest known one', async () => {
    expect(await runProgram(['stats'])).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean "status"?') });
  });

  test('a database that does not answer is one clear sentence without its password', async () => {
    const { code, stderr } = await runProgram(['status', '--data', folder], { DATABASE_URL: 'postgresql://me:secret@127.0.0.1:1/none' });
    expect(code).toBe(3);
    expect(stderr).toContain('postgresql://me:***@127.0.0.1:1/none');
    expect(stderr).not.toContain('secret');
    expect(stderr).not.toContain('    at ');
  });

  test('a wrong setting is an error that names it', async () => {
    expect(await runProgram(['status'], { AFTERGLOW_PORT: 'many' })).toMatchObject({ code: 2, stderr: expect.stringContaining('AFTERGLOW_PORT') });
  });
});
