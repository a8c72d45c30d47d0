import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RequestReport, WholeRequest } from '../../src/requests/report.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';
import pg from 'pg';

/** The example of the newspaper: a real daemon with its pages, real commands, a database of its own. */
let folder: string;
let env: NodeJS.ProcessEnv;
let daemon: ChildProcess;
let ended: Promise<unknown>;
let url: string;
let stores: pg.Client;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-privacy-'));
  const database = urlOf(await createDatabaseAddress());
  env = {
    DATABASE_URL: database, AFTERGLOW_DATA: folder, AFTERGLOW_RUNNERS: path.join(ROOT, 'examples/privacy/runners.ts'), AFTERGLOW_FIXTURES: path.join(ROOT, 'examples/privacy'),
    AFTERGLOW_API_TOKEN: '', AFTERGLOW_HOST: '127.0.0.1', USER: 'ada',
  };
  const started = startProgram(['start', '--port', '0'], env);
  ({ child: daemon, ended } = started);
  let said = '';
  daemon.stderr!.on('data', (text: string) => void (said += text));
  await started.saw('pages: http');
  [, url = ''] = /pages: (http:\S+\/)/.exec(said) ?? [];
  stores = new pg.Client({ connectionString: database });
  await stores.connect();
});
afterAll(async () => {
  await stores?.end();
  daemon?.kill('SIGTERM');
  await ended;
  await rm(folder, { recursive: true, force: true });
});

const api = async <T = WholeRequest>(at: string, body?: object): Promise<T> => {
  const answer = await fetch(`${url}api/v1/requests${at}`, body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return (await answer.json()) as T;
};
const rows = async (table: 'privacy_account' | 'privacy_reading', column: string, value: string): Promise<number> =>
  (await stores.query<{ n: number }>(`select count(*)::integer as n from ${table} where ${column} = $1`, [value])).rows[0]!.n;
const until = (name: string, task: string, state: string) => expect.poll(async () => (await api(`/${name}`)).tasks.find((one) => one.task === task)!.state, { timeout: 15_000 }).toBe(state);

describe('the example with two stores', () => {
  it('deletes the rows of one person, with a count before and after, and tells them', { timeout: 60_000 }, async () => {
    // The pages are there before the stores have been filled.
    await expect.poll(async () => [await rows('privacy_account', 'email', 'reader-7@example.org'), await rows('privacy_reading', 'reader', 'r-007')], { timeout: 15_000 }).toEqual([1, 25]);
    const taken = await api<{ request: string; tasks: string[]; omitted: { task: string }[] }>('', {
      email: 'Reader-7@example.org', request_type: 'delete', request_date: '2026-11-20', identifiers: { reader: 'r-007' },
    });
    expect(taken.tasks).toEqual(['Delete from accounts', 'Delete from reading log', 'Write letter']);
    expect(taken.omitted.map(({ task }) => task)).toEqual(['Export from accounts', 'Export from reading log']);
    const name = taken.request;

    // A person approves it in a browser: they say who they are, then they press the button.
    const who = await fetch(`${url}requests/name`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ name: 'Grace Hopper', back: `/requests/${name}` }) });
    expect([who.status, who.headers.get('location')]).toEqual([303, `/requests/${name}`]);
    const cookie = who.headers.get('set-cookie')!.split(';')[0]!;
    const page = await (await fetch(`${url}requests/${name}`, { headers: { cookie } })).text();
    const [, seen = ''] = /name="seen" value="(\d+)"/.exec(page) ?? [];
    const approved = await fetch(`${url}requests/${name}/approve`, { method: 'POST', redirect: 'manual', headers: { cookie }, body: new URLSearchParams({ seen }) });
    expect(approved.status).toBe(303);

    await until(name, 'Delete from accounts', 'success');
    // The costly one runs last, and waits for its batch, until a person lets it go.
    const waiting = await api(`/${name}`);
    expect(waiting).toMatchObject({ state: 'active', approvedBy: 'person Grace Hopper' });
    expect(waiting.waits['Delete from reading log']!.join()).toContain('for the next weekly batch');
    expect(await rows('privacy_reading', 'reader', 'r-007')).toBe(25);
    expect((await runProgram(['requests', 'run', name, 'Delete from reading log'], env)).stdout).toContain('is run as soon as a daemon has room for it');
    await expect.poll(async () => (await api(`/${name}`)).state, { timeout: 15_000 }).toBe('success');

    const done = await api(`/${name}`);
    expect(done.tasks.filter(({ state }) => state === 'success').map(({ task, message, cost }) => [task, message, cost])).toEqual([
      ['Delete from accounts', '1 rows found in the accounts and deleted, 0 left.', 0.5], ['Delete from reading log', '25 rows found in the reading log and deleted, 0 left.', 0.25],
      ['Write letter', 'The letter to Reader-7@example.org is in letter.txt.', 0],
    ]);
    expect([await rows('privacy_account', 'email', 'reader-7@example.org'), await rows('privacy_reading', 'reader', 'r-007')]).toEqual([0, 0]);
    expect([await rows('privacy_account', 'email', 'reader-8@example.org'), await rows('privacy_reading', 'reader', 'r-008')]).toEqual([1, 25]);
    const letter = await readFile(path.join(folder, 'products/requests', name, 'letter.txt'), 'utf8');
    expect(letter).toContain('On 2026-11-20 you asked us to delete what we keep about you. That is done:');
    expect(await (await fetch(`${url}requests/${name}/files/letter.txt`)).text()).toBe(letter);
    // What lies in a folder of the products is served to nobody by its address alone.
    expect((await fetch(`${url}products/${name}%2Fletter.txt`)).status).toBe(404);
  });

  it('Td6: takes it for a success that nothing is found', { timeout: 60_000 }, async () => {
    const { request } = await api<{ request: string }>('', { email: 'nobody@example.org', request_type: 'delete', request_date: '2026-11-20' });
    await api(`/${request}/approve`, { by: 'ada' });
    await expect.poll(async () => (await api(`/${request}`)).state, { timeout: 15_000 }).toBe('success');
    expect((await api(`/${request}`)).tasks.map(({ status, message, reason }) => [status, message ?? reason])).toEqual([
      ['nothing found', 'Nothing in the accounts.'],
      ['omitted', 'This task is for requests of type "export", and this one is of type "delete".'],
      ['omitted', 'This task is for requests of type "export", and this one is of type "delete".'],
      ['omitted', 'This task needs the identifier "reader", which the request does not have.'],
      ['processed', 'The letter to nobody@example.org is in letter.txt.'],
    ]);
  });

  it('exports the rows of a person whose request came in a CSV file, and counts what it cost', { timeout: 60_000 }, async () => {
    const file = path.join(folder, 'requests.csv');
    await writeFile(file, 'email,request_type,request_date,identifiers.reader,notes\nreader-9@example.org,export,2026-11-19,r-009,\nreader-10@example.org,delet,2026-11-19,n/a,"two\nlines"\nnobody,export,yesterday,r-1,\n');
    const refused = await runProgram(['requests', 'ingest', file], env);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('requests.csv:3: expected request_type to be one of the types "delete", "export", found "delet" (nearest known: "delete")');
    expect(refused.stderr).toContain('requests.csv:5: expected email to be an e-mail address of at most 254 characters, found "nobody"');
    expect(refused.stderr).toContain('requests.csv:5: expected request_date to be a date such as');
    await writeFile(file, 'email,request_type,request_date,identifiers.reader\nreader-9@example.org,export,2026-11-19,r-009\n');
    const [taken] = JSON.parse((await runProgram(['requests', 'ingest', file, '--json'], env)).stdout) as [{ request: string; tasks: string[] }];
    expect(taken.tasks).toEqual(['Export from accounts', 'Export from reading log', 'Write letter']);
    await api(`/${taken.request}/approve`, { by: 'ada' });
    await expect.poll(async () => (await api(`/${taken.request}`)).state, { timeout: 15_000 }).toBe('success');
    const log = JSON.parse(await readFile(path.join(folder, 'products/requests', taken.request, 'reading-log.json'), 'utf8')) as object[];
    expect(log).toHaveLength(25);
    const { requests } = await api<{ requests: RequestReport[] }>('?state=done');
    const { months } = await api<{ months: { cost: number }[] }>('/costs');
    const sum = requests.reduce((total, { cost }) => total + cost, 0);
    expect(months.reduce((total, { cost }) => total + cost, 0)).toBeCloseTo(sum);
    expect(sum).toBeGreaterThan(1.4);
    expect((await runProgram(['requests', 'show', taken.request], env)).stdout).toMatch(/"Write letter": success \(1 run/);
  });
});
