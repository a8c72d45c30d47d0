import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRequestsCsv } from '../../src/requests/read-csv.ts';
import type { WholeRequest } from '../../src/requests/report.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, startProgram } from '../program.ts';
import { sources } from '../sources.ts';

/** The examples of the README and of the page, in a project that looks like ours, with a daemon that has them. */
let project: string;
let started: ReturnType<typeof startProgram> | undefined;
let url = '';

const guide = sources('docs/requests.md').get('docs/requests.md')!;
const readme = sources('README.md').get('README.md')!;

beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'afterglow-requests-'));
  for (const name of ['src', 'node_modules', 'package.json']) await symlink(path.join(ROOT, name), path.join(project, name));
  await mkdir(path.join(project, 'runners'));
  const put = (name: string, text: string) => writeFile(path.join(project, name), text);
  await put('runners/delete-account.ts', block(readme, 'ts request'));
  await put('runners/forget-reader.ts', block(guide, 'ts runner'));
  await put('tasks.yaml', `${block(readme, 'yaml request')}${block(guide, 'yaml tasks')}`);
  await put('statuses.yaml', await readFile(path.join(ROOT, 'examples/privacy/statuses.yaml'), 'utf8'));
  await put(
    'runners/index.ts',
    `import { Migration } from '@mikro-orm/migrations';
     import { WarnOfDeadlines } from '${ROOT}/src/index.ts';
     import { DeleteAccount } from './delete-account.ts';
     import { ForgetReader } from './forget-reader.ts';
     class Stores extends Migration {
       override up() {
         this.addSql("create table account as select 4711 as user_id; create table reading as select 'r-007'::text as reader from generate_series(1, 3)");
       }
     }
     export const migrations = [{ name: 'stores', class: Stores }];
     export const periodicRunners = [new DeleteAccount(), new ForgetReader(), new WarnOfDeadlines()];`,
  );
  started = startProgram(['start', '--port', '0'], {
    DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_DATA: path.join(project, 'data'), AFTERGLOW_RUNNERS: path.join(project, 'runners/index.ts'),
    AFTERGLOW_FIXTURES: [path.join(project, 'tasks.yaml'), path.join(project, 'statuses.yaml')].join(':'), AFTERGLOW_API_TOKEN: '', AFTERGLOW_HOST: '127.0.0.1',
  });
  let said = '';
  started.child.stderr!.on('data', (text: string) => void (said += text));
  await started.saw('pages: http');
  [, url = ''] = /pages: (http:\S+)\//.exec(said) ?? [];
});
afterAll(async () => {
  started?.child.kill('SIGTERM');
  await started?.ended;
  await rm(project, { recursive: true, force: true });
});

/** The first code block with just these words after its backticks. */
function block(markdown: string, words: string): string {
  const found = new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(markdown);
  expect(found, `a block of ${words}`).not.toBeNull();
  return found![1]!;
}

async function post<T>(at: string, body: string): Promise<T> {
  const answer = await fetch(`${url}${at}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return (await answer.json()) as T;
}
const look = async (at: string) => (await (await fetch(`${url}${at}`)).json()) as WholeRequest;

test('the request of the page is answered as the page says, and its tasks run as the page says', async () => {
  const answer = await post<{ look: string }>('/api/v1/requests', block(guide, 'json request'));
  expect(answer).toEqual(JSON.parse(block(guide, 'json answer')));
  await post(`${answer.look}/approve`, '{"by": "ada"}');
  const stateOf = async (task: string) => (await look(answer.look)).tasks.find((one) => one.task === task)!;
  await expect.poll(() => stateOf('Delete account'), { timeout: 15_000 }).toMatchObject({ state: 'success', message: '1 rows deleted', cost: 0.02 });
  expect(await stateOf('Forget reader')).toMatchObject({ state: 'active', batch: 'weekly', reason: 'for the next weekly batch' });
  await post(`${answer.look}/tasks/Forget%20reader/run`, '{}');
  await expect.poll(() => stateOf('Forget reader'), { timeout: 15_000 }).toMatchObject({ state: 'success', message: '3 articles forgotten', cost: 0.03 });
  expect((await look(answer.look)).state).toBe('success');
});

test('the CSV of the page can be read', () => {
  expect(readRequestsCsv(block(guide, 'csv file'), 'requests.csv')).toMatchObject({
    problems: [], lines: [2, 3], values: [{ email: 'reader-8@example.org', identifiers: { user_id: '4712', reader: 'r-008' }, details: { country: 'Norway' } }, { identifiers: { user_id: '4713' } }],
  });
});

test('the page names every address and every command that there is', () => {
  const routes = [...sources('src/web/api/requests.ts').get('src/web/api/requests.ts')!.matchAll(/(?:get|post)\('(\/[^']*)'/g)].map(([, at = '']) => at);
  const known = routes.map((at) => at.replace('/:id', '/R-1').replace(':task', '<task>'));
  expect(known.length).toBeGreaterThan(8);
  expect(known.filter((at) => !guide.includes(at) && !guide.includes(`…/${at.split('/').at(-1)}`))).toEqual([]);
  const commands = [...sources('src/cli/requests.ts').get('src/cli/requests.ts')!.matchAll(/(?:act|change)\(\s*'(\w+)'/g)].map(([, name = '']) => name);
  expect(commands.length).toBeGreaterThan(8);
  expect(commands.filter((name) => !guide.includes(`\`${name}\``))).toEqual([]);
});
