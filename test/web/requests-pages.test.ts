import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { approve } from '../../src/requests/approve.ts';
import { readRequest } from '../../src/requests/report.ts';
import { takeIn } from '../../src/requests/take-in.ts';
import { serveWeb } from '../../src/web/web.ts';
import { createDatabase } from '../harness.ts';
import { anInput, clockAt, forgetAfterwards, givenRequests } from '../requests/given.ts';
import { findChromium, launch, lowestContrast, openPage, tooWide } from './browser.ts';
import { givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const CLOCK = clockAt(new Date().toISOString());
const TODAY = new Date().toISOString().slice(0, 10);

async function given() {
  forgetAfterwards(database);
  const requests = await givenRequests(database, {
    Accounts: { needs: ['uuid'], does: () => ({ status: 'processed', result: { message: '3 rows deleted.' }, cost: 1.5 }) }, Newsletter: {}, Export: { types: ['export'] },
    Backups: { batch: 'weekly', last: true },
  }, CLOCK);
  const web = await givenWeb(database, { requests: true, clock: CLOCK });
  const post = async (path: string, form: Record<string, string>, cookie = 'afterglow_name=Ada') =>
    web.app.request(path, { method: 'POST', body: new URLSearchParams(form), headers: { cookie } });
  return { ...requests, ...web, post };
}

describe('pages of requests', () => {
  it('T21: change nothing when they are looked at, only when a form is posted by a person who says who they are', async () => {
    const { desk, get, post } = await given();
    const [{ name } = { name: '' }] = await takeIn(desk, [anInput()], 'api');
    for (const path of ['', '/approve', '/tasks/Accounts/run', '/tasks/Accounts/omit', '/close']) await get(`/requests/${name}${path}`);
    expect((await post(`/requests/${name}/approve`, {}, '')).status).toBe(409);
    expect(await (await get(`/requests/${name}`)).text()).toContain('Your name');
    expect((await readRequest(database.hot.run, name)).events).toHaveLength(1);
    expect((await post(`/requests/${name}/approve`, {})).status).toBe(303);
    expect(await readRequest(database.hot.run, name)).toMatchObject({ state: 'active', approvedBy: 'person Ada' });
    const stale = await post(`/requests/${name}/approve`, {});
    expect([stale.status, await stale.text()]).toEqual([409, expect.stringContaining('was approved by person Ada')]);
  });

  it('list the open ones by deadline, those with a deadline near marked, and those that are done', async () => {
    const { desk, get, work } = await given();
    const soon = new Date(Date.now() + 2.5 * 86_400_000).toISOString();
    const [late, near, done] = await takeIn(desk, [
      anInput({ request_date: '2026-01-01', request_due_date: '2026-01-31' }), anInput({ email: 'b@example.org', request_date: TODAY, request_due_date: soon }),
      anInput({ email: '<script>@example.org'.replace('<script>', 'c'), request_type: 'export' }),
    ], 'api');
    await approve(desk, { request: done!.name, by: 'person ada' });
    await work();
    const open = await (await get('/requests')).text();
    expect(open).toContain('2 requests are open: 2 wait for approval, 1 is overdue, 1 is due within a week.');
    expect(open.indexOf(late!.name)).toBeLessThan(open.indexOf(`>${near!.name}<`));
    expect(open).toMatch(/class="near">2 days left/);
    expect(open).not.toContain(`>${done!.name}<`);
    expect(await (await get('/requests/done')).text()).toContain(`>${done!.name}<`);
    expect((await get('/requests/R-0')).status).toBe(404);
  });

  it('show what people wrote as text, whatever it is', async () => {
    const { desk, get, post } = await given();
    const evil = '<script>alert(1)</script>"\'';
    const [{ name } = { name: '' }] = await takeIn(desk, [anInput({ notes: evil, details: { [evil]: evil }, identifiers: { uuid: evil } })], evil);
    await post(`/requests/${name}/comments`, { text: evil }, `afterglow_name=${encodeURIComponent(evil)}`);
    await post(`/requests/${name}/tasks/Accounts/omit`, { reason: evil });
    const page = await (await get(`/requests/${name}`, { cookie: `afterglow_name=${encodeURIComponent(evil)}` })).text();
    expect(page).not.toContain('<script>alert');
    expect(page.split('&lt;script&gt;alert').length).toBeGreaterThan(6);
  });

  it('send a person who has said who they are back to a page of ours, and to no other', async () => {
    const { post } = await given();
    for (const back of ['https://evil.example/', '//evil.example', '/board/', '/requests/../../evil']) {
      expect((await post('/requests/name', { name: 'Ada', back })).headers.get('location'), back).toMatch(/^\/requests/);
    }
    expect((await post('/requests/name', { name: 'Ada', back: '/requests/R-1' })).headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict$/);
  });
});

const chromium = findChromium();
describe.skipIf(chromium === undefined)(chromium === undefined ? 'requests in a browser (no Chromium found; CHROMIUM_PATH names one)' : 'requests in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(chromium!);
  });
  afterAll(() => browser?.close());

  it('are taken in, edited, approved, run again and remarked upon by a person, without a script', async () => {
    const { app, work } = await given();
    const web = await serveWeb(app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
    const page = await openPage(browser, `${web.url}requests/new`, { javaScriptEnabled: false });
    const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
    await page.getByLabel('Your name').fill('Grace Hopper');
    await press('Go on');
    await page.getByLabel('E-mail address').fill('reader@example.org');
    await page.getByLabel('Identifier uuid').fill('u-7');
    await press('Take it in');
    const name = new URL(page.url()).pathname.split('/').at(-1)!;
    expect(await page.locator('.summary').textContent()).toBe(`${name} waits for approval; then 3 tasks run.`);
    const task = (of: string) => page.locator('li.task', { has: page.getByRole('heading', { name: of, exact: true }) });
    await task('Newsletter').getByText('Omit', { exact: true }).click();
    await task('Newsletter').getByLabel('Why it does not apply').fill('They never had one.');
    await task('Newsletter').getByRole('button', { name: 'Omit it' }).click();
    expect(await page.getByText('2 tasks are omitted').count()).toBe(1);
    await press('Approve and start');
    await work();
    await page.reload();
    expect(await page.locator('.summary').textContent()).toBe(`${name} was approved by Grace Hopper; 1 of 2 tasks are done.`);
    expect(await task('Accounts').textContent()).toMatch(/3 rows deleted\.[\s\S]*1\.5 cost/);
    expect(await task('Backups').textContent()).toContain('for the next weekly batch');
    await task('Backups').getByRole('button', { name: 'Run now' }).click();
    await task('Accounts').getByText('Run again', { exact: true }).click();
    await task('Accounts').getByRole('button', { name: 'Yes, although it is done' }).click();
    await work();
    await page.getByLabel('Comment').fill('Called them.');
    await press('Keep it');
    expect(await page.locator('.story').textContent()).toMatch(/took it in[\s\S]*omitted “Newsletter”: They never had one[\s\S]*approved it[\s\S]*had run “Backups”[\s\S]*had run “Accounts”: again, although it was done[\s\S]*Called them/);
    expect(await page.locator('.summary').textContent()).toBe(`${name} was completed on ${TODAY}.`);
    await page.goto(`${web.url}requests/costs`);
    expect(await page.locator('.summary').textContent()).toBe('3 spent in 1 month.');
    expect(page.troubles).toEqual([]);
  });

  it('say that they have changed, and fit into any width, readable in the light and in the dark', async () => {
    const { app, desk, work } = await given();
    const web = await serveWeb(app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
    const [first, second] = await takeIn(desk, [anInput({ email: `${'long.'.repeat(12)}x@${'sub.'.repeat(20)}example.org` }), anInput({ email: 'b@example.org', request_due_date: '2026-11-20' })], 'api');
    await approve(desk, { request: first!.name, by: 'person ada' });
    await work();
    for (const width of [1280, 390, 320]) {
      const page = await openPage(browser, `${web.url}requests`, { width });
      await page.context().addCookies([{ name: 'afterglow_name', value: 'Ada', url: `${web.url}requests` }]);
      for (const path of width === 390 ? ['', '/done', '/costs', '/new', `/${first!.name}`, `/${second!.name}`] : ['', `/${first!.name}`, `/${second!.name}`]) {
        await page.goto(`${web.url}requests${path}`);
        await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
        expect(await tooWide(page), `${path} at ${width}`).toBe(0);
        for (const colorScheme of width === 390 ? (['dark', 'light'] as const) : []) {
          await page.emulateMedia({ colorScheme });
          expect(await lowestContrast(page), `${path} ${colorScheme}`).toBeGreaterThanOrEqual(4.5);
        }
      }
      if (width === 1280) {
        expect(await page.locator('#pulse').textContent()).toBe('');
        await approve(desk, { request: second!.name, by: 'person eve' });
        await expect.poll(async () => {
          await page.clock.runFor(4000);
          return page.locator('#pulse').textContent();
        }, { timeout: 10_000 }).toContain('This request has changed');
      }
      expect(page.troubles).toEqual([]);
    }
  });
});
