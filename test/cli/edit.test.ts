import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, type Ended } from '../program.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
const afterglow = (...args: string[]): Promise<Ended> => runProgram([...args, '--data', folder], env);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-edit-'));
  env = { USER: 'ada', DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_FIXTURES: `${ROOT}/fixtures:${folder}/two.yaml` };
  await writeFile(
    path.join(folder, 'two.yaml'),
    `# what: transients\n` +
      `- { name: 2002de, ra_deg: 244.126579, dec_deg: 35.708389, redshift: 0.02573, data: { light_curve_fit: { mb_mag: 16.429, mb_err_mag: 0.032, x1: 0.458, x1_err: 0.345, c: 0.115, c_err: 0.027 } } }\n` +
      `- { name: 2002d, ra_deg: 20, dec_deg: 80 }\n`,
  );
  expect(await afterglow('start', '--until-idle', '--no-web')).toMatchObject({ code: 0 });
}, 90_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test('an edit says in a dry run what it would do, does just that, keeps what a person said, and is not undone by the next start', async () => {
  const { stdout } = await afterglow('edit', '2002de', 'redshift=0.03', '--dry-run');
  expect(stdout).toContain('redshift of 2002de would be 0.03; it was 0.02573.\nDone again: Host information (was "processed"), Local aperture (was "processed"), Distance (was "processed"), Host report (was "processed").');
  const edited = JSON.parse((await afterglow('edit', '2002de', 'redshift=0.03', '--reason', 'a new spectrum', '--json')).stdout) as { again: { task: string }[] };
  expect(edited.again.map(({ task }) => task)).toEqual(['Host information', 'Local aperture', 'Distance', 'Host report']);
  expect(await afterglow('edit', '2002de', '--task', 'Host match', '--result', '{"name":"NGC 0"}')).toMatchObject({ code: 1, stderr: expect.stringContaining('the catalogue has no galaxy "NGC 0".') });
  expect((await afterglow('edit', '2002de', '--task', 'Host match', '--result', '{"name":"NGC 6109"}')).stdout).toMatch(/^"Host match" of 2002de is "processed" with the result .*NGC 6109.*; it was .*NGC 6104/);
  expect((await afterglow('reprocess', '2002de', '--task', 'Host match', 'Distance')).stdout).toBe(
    '0 entries sent back.\n1 entry has a result that a person gave, and stays; --overridden takes them too.\n');
  expect((await afterglow('start', '--until-idle', '--no-web')).stdout).toContain('4 attempts made.');
  const row = (JSON.parse((await afterglow('export', '--json')).stdout) as Record<string, unknown>[]).find(({ name }) => name === '2002de');
  expect(row).toMatchObject({ host_name: 'NGC 6109', host_match_status: 'processed', host_report_status: 'processed', local_radius_arcsec: expect.closeTo(3.33, 2) });
  expect((await afterglow('edit', '2002de')).stdout).toMatch(/person ada {2}redshift: 0\.02573 → 0\.03 {2}\(a new spectrum\)\n.*person ada {2}Host match: /);
  expect((await afterglow('retrigger', '--where-missing', 'redshift', '--dry-run')).stdout).toMatch(/Local aperture: 1 entry \(1 failed\): 2002d\n.* They belong to 1 object\.\n$/s);
  expect(await afterglow('edit', '2002', 'redshift=1')).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no object "2002"; did you mean') });
}, 60_000);
