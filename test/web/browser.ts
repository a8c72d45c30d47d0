import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** Where Chromium is on this machine, undefined where it is not; CHROMIUM_PATH names it. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = ['/usr/bin', ...(env.PATH ?? '').split(path.delimiter)];
  const named = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [...(env.CHROMIUM_PATH === undefined ? [] : [env.CHROMIUM_PATH]), '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', ...named].find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A browser that talks to nobody by itself. */
export async function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page that keeps what went wrong in it, and which other machines it asked. */
export async function openPage(browser: Browser, url: string, options: { width?: number; colorScheme?: 'light' | 'dark'; javaScriptEnabled?: boolean } = {}): Promise<Page & { troubles: string[] }> {
  const { width = 1280, ...others } = options;
  const context = await browser.newContext({ viewport: { width, height: 900 }, ...others });
  onTestFinished(() => context.close());
  // Sooner than a test's own time is over, so that it is said what was waited for.
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  // The page's timers can be moved on; until then they go as ever.
  if (options.javaScriptEnabled !== false) await page.clock.install();
  const { origin } = new URL(url);
  const troubles: string[] = [];
  page.on('console', (message) => void (['error', 'warning'].includes(message.type()) && troubles.push(`console: ${message.text()}`)));
  page.on('pageerror', (error) => void troubles.push(`error: ${error.message}`));
  page.on('request', (request) => void (/^(data|blob):/.test(request.url()) || request.url().startsWith(`${origin}/`) || troubles.push(`asked ${request.url()}`)));
  page.on('response', (response) => void (response.status() >= 400 && troubles.push(`${response.status()} ${response.url()}`)));
  await page.goto(url);
  return Object.assign(page, { troubles });
}

/** By how many pixels the page is wider than its window. */
export const tooWide = (page: Page): Promise<number> => page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** The lowest contrast of a text of the page with what is behind it. */
export const lowestContrast = async (page: Page): Promise<number> => page.evaluate<number>(await readFile(new URL('./contrast.js', import.meta.url), 'utf8'));
