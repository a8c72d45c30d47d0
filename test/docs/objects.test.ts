import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram } from '../program.ts';
import { sources } from '../sources.ts';

const run = promisify(execFile);
const page = sources('docs/objects.md').get('docs/objects.md')!;

/** The page's runner beside the shipped ones, in a project that looks like ours, with two objects that have been through it. */
let project: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-objects-'));
  for (const name of ['src', 'node_modules', 'package.json', 'tsconfig.json']) await symlink(path.join(ROOT, name), path.join(project, name));
  await mkdir(path.join(project, 'runners'));
  const [, runner = ''] = /^```ts runner\n([\s\S]*?)^```/m.exec(page)!;
  await writeFile(path.join(project, 'runners/extinction.ts'), runner);
  await writeFile(
    path.join(project, 'runners/index.ts'),
    `import * as shipped from '${ROOT}/runners/index.ts';
     import { Extinction } from './extinction.ts';
     export const { entities, migrations, exportQuery } = shipped;
     export const periodicRunners = [...shipped.periodicRunners, new Extinction()];`,
  );
  await writeFile(path.join(project, 'more-tasks.yaml'), '- { name: Extinction, kind: transient }\n');
  await writeFile(
    path.join(project, 'two-transients.yaml'),
    '- { name: 2010ag, ra_deg: 255.9, dec_deg: 31.50172, milkyway_dust_reddening: 0.03 }\n- { name: 2010ai, ra_deg: 194.85012, dec_deg: 27.99642 }\n',
  );
  await writeFile(path.join(project, 'new.csv'), 'name,ra,dec\n2010ag,255.97346,31.50172\n');
  env = {
    DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_DATA: path.join(project, 'data'), AFTERGLOW_RUNNERS: path.join(project, 'runners/index.ts'),
    AFTERGLOW_FIXTURES: [path.join(ROOT, 'fixtures/statuses.yaml'), path.join(ROOT, 'fixtures/tasks.yaml'), path.join(project, 'more-tasks.yaml'), path.join(project, 'two-transients.yaml')].join(':'),
  };
  expect(await runProgram(['start', '--until-idle', '--no-web'], env)).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => rm(project, { recursive: true, force: true }));

test('the page’s runner has the types that it should', async () => {
  const config = path.join(project, 'tsconfig.docs.json');
  await writeFile(config, JSON.stringify({ extends: './tsconfig.json', include: ['runners/extinction.ts'] }));
  await expect(run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config])).resolves.toMatchObject({ stdout: '' });
});

test('the page’s commands do what it says, one after the other', async () => {
  const lines = commands();
  // Nobody is at work here, so that there is nothing to wait for.
  const words = lines.map((line) => wordsOf(line).filter((word) => word !== '--wait').map((word) => (/\.(?:csv|tar\.gz)$/.test(word) ? path.join(project, word) : word)));
  const { stdout } = await run(process.execPath, [path.join(ROOT, 'test/many-commands.ts'), JSON.stringify(words)], { env: { ...process.env, AFTERGLOW_LOG: 'silent', ...env } });
  const ended = JSON.parse(stdout) as { error: string | null; exitCode: number; stdout: string }[];
  const said = new Map(lines.map((line, at) => [line, ended[at]!.stdout]));
  expect(lines.filter((_, at) => ended[at]!.error !== null || ended[at]!.exitCode !== 0)).toEqual([]);
  const of = (start: string) => [...said].find(([line]) => line.startsWith(start))?.[1];
  expect(said.size).toBeGreaterThan(20);
  // What reads it had failed, and the second command of the page has just sent it back.
  expect(of('edit 2010ag redshift=0.03369 --reason "spectrum of the host" --dry-run')).toBe('redshift of 2010ag would be 0.03369; it was unknown.\nNothing that was done depends on it.\n');
  expect(of('edit 2010ag position')).toMatch(/Done again: .*Extinction/);
  expect(of('edit 2010ag --task Extinction')).toContain('"Extinction" of 2010ag is "processed" with the result {"aVMag":0.12}; it was "not processed" with the result {"aVMag":0.093}.');
  expect(of('reset 2010ag --task Extinction --overridden')).toContain('Extinction: 1 entry (1 processed): 2010ag');
  expect(of('flag 2010ag --resolve')).toContain('resolved by person ');
  expect(of('archive')).toContain('2 objects written to');
  expect(of('restore two.tar.gz --skip')).toMatch(/2010ag is here already and was left as it is\.\n.*2010ai is here already/);
  expect(of('delete 2010ai --yes')).toContain('2010ai is deleted');
  expect(await readFile(path.join(project, 'results.csv'), 'utf8')).toMatch(/^name,.*,state,stuck_because\n2010ag,/);
  expect(await readFile(path.join(project, 'data/products/transient/2010ag/extinction.txt'), 'utf8')).toBe('0.093 mag\n');
  expect(existsSync(path.join(project, 'two.tar.gz'))).toBe(true);
}, 120_000);

/** The lines of the blocks for a shell, without `npx afterglow` and what is remarked behind them. */
function commands(): string[] {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) => block.trim().split('\n')).map((line) => line.replace(/ +# .*/, '').replace('npx afterglow ', ''));
}

/** As a shell would take them apart. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''));
}
