import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'csv-parse/sync';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram, type Ended } from '../program.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
const afterglow = (...args: string[]): Promise<Ended> => runProgram([...args, '--data', folder], env);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-batch-'));
  env = { DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_FIXTURES: `${ROOT}/fixtures` };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('B27: a CSV file in, a CSV file of results out when all are done or stuck; the same again finds them; history, archive, delete and restore work on them', async () => {
  const [input, output, archive] = ['in.csv', 'out.csv', 'a.tar.gz'].map((name) => path.join(folder, name)) as [string, string, string];
  await writeFile(input, 'name,ra,dec,redshift\n2002de,244.126579,35.708389,0.02573\nfaraway,20,80,\n');
  const daemon = startProgram(['start', '--no-web', '--data', folder], env);
  try {
    await daemon.saw('database: ');
    const { code, stdout } = await afterglow('batch', input, '-o', output, '--wait', '60s');
    expect(stdout).toMatch(/\nfaraway is stuck\. .*"Local aperture" is "failed"\..*\n2 transients, 2 of them new: 0 completed, 2 stuck, 0 open\./s);
    expect(code).toBe(1);
  } finally {
    daemon.child.kill('SIGTERM');
    await daemon.ended;
  }
  const rows = parse(await readFile(output, 'utf8'), { columns: true }) as Record<string, string>[];
  expect(rows).toMatchObject([
    { name: '2002de', host_name: 'NGC 6104', host_match_status: 'processed', state: 'stuck', stuck_because: expect.stringContaining('"Distance" is "not enough data"') },
    { name: 'faraway', host_name: '', local_aperture_status: 'failed', state: 'stuck' },
  ]);
  expect(JSON.parse((await afterglow('batch', input, '-o', output, '--json')).stdout)).toMatchObject({ added: 0, stuck: 2, open: 0 });
  const counts = JSON.parse((await afterglow('history', '--json')).stdout) as object[];
  expect(counts.at(-1)).toMatchObject({ kind: 'transient', total: 2, blocked: 2 });

  expect((await afterglow('archive', '2002de', '-o', archive)).stdout).toContain('1 object written to');
  expect((await afterglow('delete', '2002de')).stdout).toMatch(/would be deleted, with its rows: 6 of task_register.* of host,.*\nNothing was deleted: say --yes to do it\.\n$/s);
  expect(await afterglow('restore', archive)).toMatchObject({ code: 1, stderr: expect.stringContaining('ArchiveError: There is a transient 2002de here already.') });
  expect(await afterglow('delete', '2002de', '--yes')).toMatchObject({ code: 0, stdout: expect.stringContaining('2002de is deleted') });
  expect((await afterglow('restore', archive)).stdout).toContain('transient 2002de was restored: ');
  expect(JSON.parse((await afterglow('export', '--json')).stdout)).toContainEqual(expect.objectContaining({ name: '2002de', host_name: 'NGC 6104', host_match_status: 'processed' }));
}, 60_000);
