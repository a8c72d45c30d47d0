import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Database } from '../../src/db/database.ts';
import { PermanentError } from '../../src/errors.ts';
import { JobRunner, skip, type JobContext, type Skipped } from '../../src/runner/job.ts';
import { serveWeb } from '../../src/web/web.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { findChromium, launch, lowestContrast, openPage, tooWide } from './browser.ts';
import { givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

class Sync extends JobRunner<{ owner: string }, { repositories: number }> {
  readonly taskName = 'Sync repositories';
  readonly args = z.object({ owner: z.string() });
  override readonly description = 'Reads the list of repositories anew.';
  run({ owner }: { owner: string }, { log }: JobContext): { repositories: number } | Skipped {
    log.info(`asked for ${owner}`);
    if (owner === 'nobody') throw new PermanentError('There is no owner <nobody>.');
    return owner === 'empty' ? skip('no repositories') : { repositories: 12 };
  }
}
class Report extends JobRunner<object> {
  readonly taskName = 'Report';
  readonly args = z.object({});
  run(): void {}
}
const [sync, report] = [new Sync(), new Report()];

/** A completed job, a failed one with a child, one that was skipped, and one that waits for its time. */
async function givenJobs() {
  const { jobs, work } = await createJobWorld(database, [sync, report] as never);
  await work();
  const done = await jobs.enqueue(sync, { owner: 'ada' }, { by: 'ada & co' });
  await jobs.wait(done, { timeoutSeconds: 10 });
  const failed = await jobs.enqueue(sync, { owner: 'nobody' });
  const child = await jobs.enqueue(report, {}, { parent: failed });
  const skipped = await jobs.enqueue(sync, { owner: 'empty' });
  await expect(jobs.wait(child, { timeoutSeconds: 10 })).rejects.toThrow('parent');
  await expect(jobs.wait(skipped, { timeoutSeconds: 10 })).rejects.toThrow('no repositories');
  const later = await jobs.enqueue(sync, { owner: 'bob' }, { delaySeconds: 3600, priority: 5 });
  return { done, failed, child, skipped, later };
}

const textOf = (html: string): string => html.replaceAll(/<(svg|title)\b.*?<\/\1>/gs, '').replaceAll(/<[^>]*>/g, ' ').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&').replaceAll(/\s+/g, ' ').trim();
const rowsOf = (html: string, id: string): string[] =>
  [...(new RegExp(`<table id="${id}".*?<tbody>(.*?)</tbody>`, 's').exec(html)?.[1] ?? '').matchAll(/<tr>.*?<\/tr>/gs)].map(([row]) => textOf(row).replaceAll(/\d\d:\d\d:\d\d/g, '<time>'));

describe('the page of jobs', () => {
  it('F33: counts the jobs of each type by state, says since when the oldest waits and which one was completed last', async () => {
    await givenJobs();
    const { get } = await givenWeb(database);
    const html = await (await get('/jobs')).text();
    expect(textOf(html)).toContain('1 pending, 0 running. 1 failed.');
    expect(rowsOf(html, 'types')).toEqual(['Report 0 0 0 0 0 1', 'Sync repositories 1 0 1 1 1 0 <time> <time>']);
  });

  it('F34: lists the newest jobs, and those of one name or in one state', async () => {
    const { done, failed, child, skipped, later } = await givenJobs();
    const { get } = await givenWeb(database);
    const all = rowsOf(await (await get('/jobs')).text(), 'jobs');
    expect(all.map((row) => row.split(' ')[0])).toEqual([later, skipped, child, failed, done].map(({ id }) => id));
    expect(all.at(-1)).toMatch(/completed <time> ada & co < 0\.01 s \{"owner":"ada"\}$|completed <time> ada & co [\d.]+ s \{"owner":"ada"\}$/);
    expect(all[3]).toContain('There is no owner <nobody>.');
    expect(rowsOf(await (await get('/jobs?state=skipped')).text(), 'jobs')).toEqual([expect.stringContaining(skipped.id)]);
    expect(rowsOf(await (await get('/jobs?name=Report')).text(), 'jobs')).toEqual([expect.stringContaining(child.id)]);
    expect(rowsOf(await (await get('/jobs?name=nobody%27s')).text(), 'jobs')).toEqual(['There are none.']);
    expect((await get(`/jobs?before=${encodeURIComponent("' or 1=1")}&state=%00`)).status).toBe(200);
  });

  it('says so where there are no types of jobs', async () => {
    await createJobWorld(database, []);
    const { get } = await givenWeb(database);
    expect(textOf(await (await get('/jobs')).text())).toContain('There are no jobs: the runners name none.');
  });
});

describe('the page of a job', () => {
  it('shows what it was given, what it gave, and every attempt with its log', async () => {
    const { done } = await givenJobs();
    const { get } = await givenWeb(database);
    const text = textOf(await (await get(`/jobs/${done.id}`)).text());
    for (const part of [`Job ${done.id}: Sync repositories`, 'completed', 'by ada & co', '"owner": "ada"', '"repositories": 12', 'Attempt 1', 'asked for ada']) expect(text).toContain(part);
  });

  it('says why a job failed, why its child never ran, and leads from one to the other', async () => {
    const { failed, child } = await givenJobs();
    const { get } = await givenWeb(database);
    const html = await (await get(`/jobs/${failed.id}`)).text();
    expect(textOf(html)).toContain('PermanentError: There is no owner <nobody>.');
    expect(html).toContain(`href="/jobs/${child.id}"`);
    const other = await (await get(`/jobs/${child.id}`)).text();
    expect(textOf(other)).toContain(`parent ${failed.id} "Sync repositories" failed`);
    expect(textOf(other)).toContain('It has not been begun.');
    expect(other).toContain(`href="/jobs/${failed.id}"`);
  });

  it('cancels what has not ended, with a reason, and requeues what has', async () => {
    const { failed, later } = await givenJobs();
    const { app, get } = await givenWeb(database);
    const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) => app.request(path, { method: 'POST', body: new URLSearchParams(form), headers });
    expect(await (await get(`/jobs/${later.id}`)).text()).toContain('Cancel the job');
    expect((await post(`/jobs/${later.id}/cancel`, { reason: ' ' })).status).toBe(409);
    expect((await post(`/jobs/${later.id}/cancel`, { reason: 'not needed' }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await post(`/jobs/${later.id}/requeue`, {})).status).toBe(409);
    const done = await post(`/jobs/${later.id}/cancel`, { reason: 'not needed' });
    expect([done.status, done.headers.get('location')]).toEqual([303, `/jobs/${later.id}`]);
    expect(textOf(await (await get(`/jobs/${later.id}`)).text())).toContain('not needed');
    expect((await post(`/jobs/${failed.id}/requeue`, {})).status).toBe(303);
    await expect.poll(async () => textOf(await (await get(`/jobs/${failed.id}`)).text())).toContain('Attempt 2');
    expect((await post('/jobs/999999999/cancel', { reason: 'x' })).status).toBe(404);
  });

  it('lets other machines change nothing without the token of the server', async () => {
    const { later } = await givenJobs();
    const { app } = await givenWeb(database, { host: '0.0.0.0' });
    const closed = await app.request(`/jobs/${later.id}/cancel`, { method: 'POST', body: new URLSearchParams({ reason: 'x' }) });
    expect(closed.status).toBe(403);
    const { app: open } = await givenWeb(database, { host: '0.0.0.0', apiToken: 'secret' });
    const cancel = (authorization: string) => open.request(`/jobs/${later.id}/cancel`, { method: 'POST', body: new URLSearchParams({ reason: 'x' }), headers: { authorization } });
    expect((await cancel('Bearer other')).status).toBe(401);
    expect((await cancel('Bearer secret')).status).toBe(303);
  });

  it('is not there for what is no job', async () => {
    await givenJobs();
    const { get } = await givenWeb(database);
    for (const id of ['999999999', '0', 'x', '%00', '99999999999999999999999']) expect((await get(`/jobs/${id}`)).status).toBe(404);
  });
});

const chromium = findChromium();
describe.skipIf(chromium === undefined)('pages of jobs in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(chromium!);
  });
  afterAll(() => browser?.close());

  it.each([1280, 390])('fit a window of %i pixels, and can be read', async (width) => {
    const { failed } = await givenJobs();
    const web = await serveWeb((await givenWeb(database)).app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
    for (const path of ['jobs', `jobs/${failed.id}`]) {
      const page = await openPage(browser, `${web.url}${path}`, { width });
      if (process.env.SHOTS !== undefined) await page.screenshot({ path: `${process.env.SHOTS}/${path.replace('/', '-')}-${width}.png`, fullPage: true });
      expect(await tooWide(page)).toBe(0);
      expect(await lowestContrast(page)).toBeGreaterThanOrEqual(4.5);
      await page.close();
    }
  });
});
