import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { serveWeb } from '../../src/web/web.ts';
import { jobFolder, put } from '../runs/job-folder.ts';
import { createRuns, ok } from '../runs/world.ts';
import { findChromium, launch, lowestContrast, openPage, tooWide } from './browser.ts';
import { givenWeb } from './given.ts';

const { run, database } = createRuns();
let areGiven = false;
const clear = async (): Promise<void> => {
  areGiven = false;
  await database().em().execute('truncate run_success; delete from subject');
};

/** Made once for all tests that only look: a run in which everything goes well; the next of the same name, in which a script fails; and one of another name. */
async function givenRuns() {
  if (areGiven) return;
  await clear();
  const folder = await jobFolder({
    'rents/grab.sh': ok(), 'rents/check.sh': ok(), 'rents/load.sh': ok(), 'rents/plot.sh': ok(), 'shared.sh': ok(),
    'jobs.json': [
      { name: 'Rents', steps: ['rents/grab.sh', ['rents/check.sh', 'rents/load.sh'], 'rents/plot.sh', 'shared.sh'] },
      { name: 'Report & <all>', steps: ['shared.sh'] },
    ],
  });
  await run(folder, { name: 'prices' });
  await put(folder, { 'rents/check.sh': 'echo no such column >&2\nexit 3\n' });
  await run(folder, { name: 'prices' });
  await run(await jobFolder({ 'a.sh': ok(), 'jobs.json': [{ name: 'Night', steps: ['a.sh'] }] }), { name: 'nightly' });
  areGiven = true;
}

/** A run whose script goes on until the test ends. */
async function givenRunning() {
  await clear();
  const folder = await jobFolder({ 'first.sh': 'while [ ! -e gate ]; do sleep 0.02; done\nexit 1\n', 'then.sh': ok(), 'jobs.json': [{ name: 'Slow', steps: ['first.sh', 'then.sh'] }] });
  const ended = run(folder, { name: 'slow' });
  const end = async () => {
    await put(folder, { gate: '' });
    await ended;
  };
  onTestFinished(end);
  await expect.poll(async () => (await database().em().execute<object[]>(`select from task_register r join run u using (subject_id) where u.name = 'slow' and r.status_id = 2`)).length).toBe(1);
  return end;
}

const textOf = (html: string): string => html.replaceAll(/<(svg|title)\b.*?<\/\1>/gs, '').replaceAll(/<[^>]*>/g, ' ').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&').replaceAll(/\s+/g, ' ').trim();
const rowsOf = (html: string, id: string): string[] =>
  [...(new RegExp(`<table id="${id}".*?</thead>(.*?)</table>`, 's').exec(html)?.[1] ?? '').matchAll(/<tr.*?<\/tr>/gs)].map(([row]) => textOf(row).replaceAll(/\d\d:\d\d:\d\d/g, '<time>').replaceAll(/(< )?[\d.]+ s\b/g, '<span>'));

describe('the page of runs', () => {
  it('lists the newest first, each with its state, what its scripts came to, when it was started and how long it took', async () => {
    await givenRuns();
    const { get } = await givenWeb(database());
    const html = await (await get('/runs')).text();
    expect(textOf(html)).toContain('No run is under way. The last one, nightly 1, is finished.');
    expect(rowsOf(html, 'runs')).toEqual([
      'nightly 1 finished succeeded 1 <time> <span>',
      'prices 2 failed unchanged 2 failed 1 skipped 2 <time> <span>',
      'prices 1 finished succeeded 5 <time> <span>',
    ]);
    expect(html).toContain('href="/runs/prices-2"');
    expect(html).not.toContain('hx-trigger');
  });

  it('lists those of one name, and those before an instant', async () => {
    await givenRuns();
    const { get } = await givenWeb(database());
    const some = async (query: string) => rowsOf(await (await get(`/runs?${query}`)).text(), 'runs').map((row) => row.split(' ').slice(0, 2).join(' '));
    expect(await some('name=prices')).toEqual(['prices 2', 'prices 1']);
    expect(await some('name=other')).toEqual([]);
    const [{ at }] = await database().em().execute<[{ at: string }]>(`select started_at as at from run where number = 2`);
    expect(await some(`before=${encodeURIComponent(new Date(at).toISOString())}`)).toEqual(['prices 1']);
    expect((await get(`/runs?before=${encodeURIComponent("' or 1=1")}&name=%00`)).status).toBe(200);
  });

  it('lists fifty, and leads to the older ones', async () => {
    await clear();
    await database().em().execute(`
      with many as (
        insert into subject (kind, name, public_timestamp, data) select 'run:many:0', 'many-' || n, now(), jsonb_build_object('number', n) from generate_series(1, 52) n
        returning id, (data->>'number')::integer as number)
      insert into run (subject_id, name, number, state, file, options, plan, jobs, tasks, succeeded, process, started_at, ended_at)
      select id, 'many', number, 'finished', 'jobs.json', '{"only": [], "forced": false}', '[]', 1, 1, 1, '{}', now() - interval '1 year' + number * interval '1 day', now() from many`);
    const { get } = await givenWeb(database());
    const html = await (await get('/runs')).text();
    expect(rowsOf(html, 'runs')).toHaveLength(50);
    const older = /<a href="([^"]*)">Older ones<\/a>/.exec(html)?.[1]?.replaceAll('&amp;', '&');
    expect(rowsOf(await (await get(older!)).text(), 'runs').map((row) => row.split(' ')[1])).toEqual(['2', '1']);
  });

  it('says how runs are begun where there are none, and is found from the first page', async () => {
    await clear();
    const { get } = await givenWeb(database());
    expect(textOf(await (await get('/runs')).text())).toContain('There have been no runs of scripts. “afterglow run-jobs jobs.json” begins one.');
    expect(await (await get('/')).text()).toContain('<a href="/runs">Runs</a>');
  });

  it('is led to by the scripts of runs on the first page', async () => {
    await givenRuns();
    const { get } = await givenWeb(database());
    expect(await (await get('/')).text()).toContain('<a href="/runs">Scripts of runs</a>');
  });

  it('is closed to whoever does not know the token, where there are requests', async () => {
    const { get } = await givenWeb(database(), { host: '0.0.0.0', apiToken: 'secret', requests: true });
    for (const path of ['/runs', '/runs/prices-1']) expect((await get(path)).status).toBe(401);
    expect((await get('/runs', { authorization: 'Bearer secret' })).status).toBe(200);
  });
});

describe('the page of a run', () => {
  it('shows the scripts by job and by what waits for what, with attempts, and why they failed or were skipped', async () => {
    await givenRuns();
    const { get } = await givenWeb(database());
    const html = await (await get('/runs/prices-2')).text();
    const text = textOf(html);
    for (const part of ['Run 2 of prices failed', 'unchanged 2 failed 1 skipped 2', '5, of 2 jobs', 'jobs.json']) expect(text).toContain(part);
    expect(rowsOf(html, 'scripts')).toEqual([
      'Rents',
      expect.stringMatching(/^rents\/grab\.sh unchanged nothing .* since run 1 1 <span>$/),
      expect.stringMatching(/^rents\/check\.sh failed .*exit code 3\. It said at last: no such column 1 <span>$/),
      expect.stringMatching(/^rents\/load\.sh unchanged nothing .* since run 1 1 <span>$/),
      'rents/plot.sh skipped "rents/check.sh", which it waits for, failed 0',
      'shared.sh also of Report & <all> skipped "rents/plot.sh", which it waits for, was skipped 0',
    ]);
    const twigs = [...html.matchAll(/class="script">(.*?)<a /gs)].map(([, twig = '']) => twig.split('<span').length - 1);
    expect(twigs).toEqual([0, 1, 1, 2, 3]);
  });

  it('is found by the id of its subject too, and leads to the entries of its scripts', async () => {
    await givenRuns();
    const { get } = await givenWeb(database());
    const [{ id }] = await database().em().execute<[{ id: string }]>(`select subject_id as id from run where name = 'prices' and number = 2`);
    const html = await (await get(`/runs/${id}`)).text();
    expect(textOf(html)).toContain('Run 2 of prices');
    const [, queue = '', subject = ''] = /href="\/board\/queue\/([^"/]+)\/([^"/]+)">rents\/check\.sh</.exec(html) ?? [];
    const entry = await get(`/board/api/queues/${queue}/${subject}`);
    expect(await entry.json()).toMatchObject({ job: { id: 'prices-2', name: 'failed' } });
  });

  it('tells of a run that is under way: what runs, and what waits for what; and asks for itself until it has ended', async () => {
    const end = await givenRunning();
    const { get } = await givenWeb(database());
    const html = await (await get('/runs/slow-1')).text();
    expect(rowsOf(html, 'scripts')).toEqual(['Slow', 'first.sh running 1 <span>', 'then.sh waiting waits for first.sh 0']);
    expect(html).toContain('hx-get="/runs/slow-1" hx-trigger="every 2s"');
    expect(textOf(await (await get('/runs')).text())).toContain('1 run is under way.');
    await end();
    expect(await (await get('/runs/slow-1')).text()).not.toContain('hx-trigger');
  });

  it('is not there for what is no run', async () => {
    await givenRuns();
    const { get } = await givenWeb(database());
    for (const name of ['prices', 'prices-3', '999999999', '%00', "'", '99999999999999999999999']) expect((await get(`/runs/${name}`)).status).toBe(404);
  });
});

const chromium = findChromium();
describe.skipIf(chromium === undefined)('pages of runs in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(chromium!);
  });
  afterAll(() => browser?.close());

  it.each([[1280, 'light'], [390, 'dark']] as const)('fit a window of %i pixels, and can be read', async (width, colorScheme) => {
    await givenRuns();
    const web = await serveWeb((await givenWeb(database())).app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
    for (const path of ['runs', 'runs/prices-2']) {
      const page = await openPage(browser, `${web.url}${path}`, { width, colorScheme });
      if (process.env.SHOTS !== undefined) await page.screenshot({ path: `${process.env.SHOTS}/${path.replace('/', '-')}-${width}.png`, fullPage: true });
      expect(await tooWide(page)).toBe(0);
      expect(await lowestContrast(page)).toBeGreaterThanOrEqual(4.5);
      expect(page.troubles).toEqual([]);
      await page.close();
    }
  });

  it('become up to date by themselves, and rest when the run has ended', async () => {
    const end = await givenRunning();
    const web = await serveWeb((await givenWeb(database())).app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
    const page = await openPage(browser, `${web.url}runs/slow-1`);
    expect(await page.locator('.pill').textContent()).toContain('running');
    await end();
    await expect.poll(async () => {
      await page.clock.runFor(2100);
      return page.locator('.pill').textContent();
    }, { timeout: 10_000 }).toContain('failed');
    expect(await page.locator('#run').getAttribute('hx-trigger')).toBeNull();
    expect(page.troubles).toEqual([]);
  });
});
