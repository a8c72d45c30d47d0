import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { toBoard } from '../../src/web/links.ts';
import { serveWeb, type WebServer } from '../../src/web/web.ts';
import { createWorld } from '../engine/create-world.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { findChromium, launch, lowestContrast, openPage, tooWide } from './browser.ts';
import { addDaemon, addSystemTask, givenWeb } from './given.ts';

const chromium = findChromium();
const WIDTHS = [1280, 390, 320];
const ODD = 'Größe / Ω? "x" 100% & #1';

// Without a browser these are skipped, and the name says why.
describe.skipIf(chromium === undefined)(chromium === undefined ? 'pages in a browser (no Chromium found; CHROMIUM_PATH names one)' : 'pages in a browser', () => {
  let database: Database;
  let browser: Browser;
  let world: World;
  let web: WebServer;
  let products: string;

  beforeAll(async () => {
    database = await createDatabase();
    browser = await launch(chromium!);
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    const pages = await givenWeb(database, { order: ['Match', 'Distance', 'Report', ODD] });
    products = pages.products;
    web = await serveWeb(pages.app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
  });

  /** Forty objects in three tasks and one with an odd name, all run; a daemon, a system runner. */
  async function given() {
    world = await createWorld<string>(database, { tasks: { Match: {}, Distance: {}, Report: { needs: { Match: 'processed', Distance: 'processed' } }, [ODD]: {} } });
    await world.add(...Array.from({ length: 40 }, (_, at) => ({ name: `2010a${String.fromCharCode(97 + (at % 26))}${at}`, at: '2010-01-02', data: { survey: 'PS1' } })));
    world.runner('Match').on('2010aa0', () => {
      throw new TypeError('the catalogue is not loaded');
    }).on('2010ab1', (_, { log }) => {
      log.info('looked at 12 galaxies');
      return { status: 'no host' };
    });
    await addDaemon(database);
    await addSystemTask(database, 'Draw products', [{ outcome: 'finished', result: { drawn: 2 } }]);
    await syncSchedules(database.em(), world.runners, systemClock);
    await world.engine().work();
  }

  describe('the first page', () => {
    it('shows the counts, and new ones without being loaded again', async () => {
      await given();
      const page = await openPage(browser, web.url);
      const summary = () => page.locator('.summary').textContent();
      expect(await summary()).toBe('All work is done. 38 transients are completed, 2 blocked.');
      await page.evaluate('document.body.dataset.loaded = "once"');
      await world.add('new');
      await expect.poll(async () => {
        await page.clock.runFor(16_000);
        return summary();
      }, { timeout: 10_000 }).toBe('160 of 164 entries are done. Nothing is running at the moment.');
      expect(await page.locator('.figure.waiting strong').textContent()).toBe('1');
      await world.engine().work();
      await expect.poll(summary, { timeout: 10_000 }).toBe('All work is done. 39 transients are completed, 2 blocked.');
      expect(await page.evaluate('document.body.dataset.loaded')).toBe('once');
      expect(page.troubles).toEqual([]);
    });

    it('shows the plots when they are drawn', async () => {
      const page = await openPage(browser, web.url);
      expect(await page.locator('#plots').textContent()).toContain('appears here when it has been drawn');
      for (const file of ['hubble-diagram.svg', 'sky-map.svg']) await writeFile(path.join(products, file), '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="400"><style>rect{fill:#0072b2}</style><rect width="720" height="400"/></svg>');
      await page.clock.runFor(11_000);
      await expect.poll(() => page.evaluate('[...document.querySelectorAll("#plots img")].map((image) => image.naturalWidth)'), { timeout: 10_000 }).toEqual([720, 720]);
      expect(page.troubles).toEqual([]);
    });

    it('keeps the focus and the place in a table when it is renewed', async () => {
      await given();
      await world.add('new');
      const page = await openPage(browser, web.url, { width: 320 });
      await page.getByRole('link', { name: 'Distance', exact: true }).focus();
      await page.evaluate('document.querySelector(".scroll").scrollLeft = 40');
      await world.put('new', 'Match', 'no host');
      await expect.poll(() => page.locator('#tasks').textContent(), { timeout: 10_000 }).toMatch(/no host 2/);
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Distance');
      expect(await page.evaluate('document.querySelector(".scroll").scrollLeft')).toBe(40);
    });

    it('says so while nobody answers', async () => {
      const page = await openPage(browser, web.url);
      const lost = page.locator('#lost');
      expect(await lost.isVisible()).toBe(false);
      await page.route('**/live*', (route) => route.abort('connectionrefused'));
      await page.clock.runFor(16_000);
      await lost.waitFor();
      await page.unroute('**/live*');
      await page.clock.runFor(16_000);
      await lost.waitFor({ state: 'hidden' });
    });

    it.each(WIDTHS)('fits into %d pixels, and can be read in the light and in the dark', async (width) => {
      const page = await openPage(browser, web.url, { width });
      expect(await tooWide(page)).toBe(0);
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await lowestContrast(page), colorScheme).toBeGreaterThanOrEqual(4.5);
      }
      expect(page.troubles).toEqual([]);
    });

    it('needs no script', async () => {
      await given();
      const page = await openPage(browser, web.url, { javaScriptEnabled: false });
      expect(await page.locator('.summary').textContent()).toContain('38 transients are completed');
    });
  });

  describe('the board', () => {
    it('lists every task', async () => {
      await given();
      const page = await openPage(browser, `${web.url}board/`);
      await expect.poll(() => page.locator('nav a').allTextContents(), { timeout: 10_000 }).toEqual(['Match', 'Distance', 'Report', toBoard(ODD), 'Draw products']);
      await expect.poll(() => page.getByRole('main').textContent()).toMatch(/Match.*Report/);
      expect(page.troubles).toEqual([]);
    });

    it("shows a job's data, log, error and flow", async () => {
      const page = await openPage(browser, `${web.url}board/queue/Match/2010aa0`);
      await page.getByText('TypeError: the catalogue is not loaded').first().waitFor();
      await page.getByText('Data', { exact: true }).first().click();
      await page.getByText('"PS1"').first().waitFor();
      await page.getByText('Tasks of this object').waitFor();
      await expect.poll(() => page.locator('.react-flow__node').count(), { timeout: 10_000 }).toBe(3);
      await page.goto(`${web.url}board/queue/Match/2010ab1`);
      await page.getByText('Logs', { exact: true }).first().click();
      await page.getByText('looked at 12 galaxies').waitFor();
      expect(page.troubles).toEqual([]);
    });

    it('retries a failed entry, which is ready then, and offers no act that the register does not have', async () => {
      await given();
      const page = await openPage(browser, `${web.url}board/queue/Match?status=failed`);
      const jobs = page.locator('ul[class^=jobActions]');
      await expect.poll(() => jobs.count(), { timeout: 10_000 }).toBe(2);
      const offered = page.locator('ul[class^=jobActions] button:visible svg, ul[class^=queueActions] button:visible svg');
      expect(await offered.evaluateAll((icons) => icons.map((icon) => icon.classList[1]))).toEqual(['lucide-refresh-cw', 'lucide-refresh-cw', 'lucide-refresh-cw']);
      await page.locator('button[class*=trigger-]').last().click();
      await page.getByRole('menuitem', { name: 'Pause' }).waitFor();
      expect(await page.locator('[role=menuitem]:visible').allTextContents()).toEqual(['Retry all 2 failed entries', 'Pause']);
      await page.keyboard.press('Escape');

      await page.locator('[class*=card]', { hasText: '2010ab1' }).first().locator('ul[class^=jobActions] button:visible').click();
      await page.getByRole('button', { name: 'Confirm' }).click();
      await expect.poll(() => world.entry('2010ab1', 'Match')).toMatchObject({ status: 'not processed', unmet: 0, cause: 'retry', actor: 'board' });
      await expect.poll(() => jobs.count(), { timeout: 10_000 }).toBe(1);
      await page.goto(`${web.url}board/queue/Match?status=waiting`);
      await page.getByText('2010ab1').first().waitFor();
      expect(page.troubles).toEqual([]);
    });

    it('opens a task and an entry of it, whatever the task is called', async () => {
      await given();
      await world.put('2010aa0', ODD, 'failed');
      const page = await openPage(browser, web.url);
      await page.getByRole('link', { name: ODD }).click();
      await page.getByRole('heading', { name: ODD }).waitFor();
      await page.goto(`${web.url}board/queue/${encodeURIComponent(toBoard(ODD))}?status=failed`);
      await page.getByText('2010aa0').first().waitFor();
      await page.goto(`${web.url}board/queue/${encodeURIComponent(toBoard(ODD))}/2010aa0`);
      await page.getByText('2010aa0').first().waitFor();
      await page.getByRole('heading', { name: ODD }).waitFor();
      expect(page.troubles).toEqual([]);
    });

    it('lists the schedules and lets a person edit one', async () => {
      await given();
      const page = await openPage(browser, `${web.url}board/job-schedulers`);
      await expect.poll(() => page.locator('tbody tr').count(), { timeout: 10_000 }).toBe(4);
      const row = page.locator('tbody tr', { hasText: 'Distance' });
      expect(await row.locator('button:visible').count()).toBe(1);
      await row.getByRole('button', { name: 'Edit schedule' }).click();
      await page.getByLabel(/^Cron pattern/).fill('*/7 * * * *');
      await page.getByRole('button', { name: 'Save' }).click();
      await row.getByText('*/7 * * * *').waitFor();
      await row.getByText('edited by board').waitFor();
      expect(page.troubles).toEqual([]);
    });

    it('leads back to the first page', async () => {
      const page = await openPage(browser, `${web.url}board/`);
      await page.locator('button:has(.lucide-circle-user)').click();
      await page.getByText('Afterglow: first page').click();
      await page.waitForURL(web.url);
      expect(page.troubles).toEqual([]);
    });

    it.each(WIDTHS)('fits into %d pixels', async (width) => {
      const page = await openPage(browser, `${web.url}board/`, { width });
      await page.getByText('Distance').locator('visible=true').first().waitFor();
      expect(await tooWide(page)).toBe(0);
      for (const [where, shown] of [['queue/Match?status=failed', 'no host'], ['queue/Match/2010aa0', 'Tasks of this object'], ['job-schedulers', 'UTC']] as const) {
        await page.goto(`${web.url}board/${where}`);
        await page.getByText(shown).locator('visible=true').first().waitFor();
        expect(await tooWide(page), where).toBe(0);
      }
      expect(page.troubles).toEqual([]);
    });
  });
});
