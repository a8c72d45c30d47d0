import { utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { ServiceError } from '../../src/errors.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { createWorld } from '../engine/create-world.ts';
import { throws } from '../engine/scripted-runner.ts';
import { createDatabase } from '../harness.ts';
import { addDaemon, addSystemTask, givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** The text of a page or of an element of it, as people read it. */
const textOf = (html: string): string =>
  html.replaceAll(/<(script|style|title|svg)\b.*?<\/\1>/gs, '').replaceAll(/<[^>]*>/g, ' ').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&').replaceAll(/\s+/g, ' ');
const rowsOf = (html: string, table: string): string[] => {
  const body = new RegExp(`<table id="${table}".*?<tbody>(.*?)</tbody>`, 's').exec(html)?.[1] ?? '';
  return [...body.matchAll(/<tr>.*?<\/tr>/gs)].map(([row]) => textOf(row).trim());
};
const seenOf = (html: string): string => /live\?seen=([\w-]+)/.exec(html)![1]!;

/** Twelve objects: 3 completed, 2 at it, 5 untouched, 2 blocked. */
async function givenWork() {
  const world = await createWorld(database, { tasks: { Report: { needs: { Match: 'processed' } }, Match: {} } });
  await world.add(...Array.from({ length: 12 }, (_, at) => `2010${String.fromCharCode(97 + at)}`));
  for (const name of ['2010a', '2010b', '2010c']) {
    await world.put(name, 'Match', 'processed');
    await world.put(name, 'Report', 'processed');
  }
  await world.put('2010d', 'Match', 'processing');
  await world.put('2010e', 'Match', 'processed');
  await world.put('2010f', 'Match', 'no host');
  await world.put('2010g', 'Match', 'failed');
  return world;
}

describe('the first page', () => {
  it('counts the transients in each state', async () => {
    await givenWork();
    const { get } = await givenWeb(database);
    const reply = await get('/');
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const text = textOf(await reply.text());
    for (const figure of ['completed 3 25 %', 'processing 2 17 %', 'waiting 5 42 %', 'blocked 2 17 %']) expect(text).toContain(figure);
    expect(text).toContain('11 of 24 entries are done. 1 entry is running. No daemon is alive.');
  });

  it('lists the tasks in the order of the graph, with their counts by status', async () => {
    await givenWork();
    const { get } = await givenWeb(database, { order: ['Match', 'Report'] });
    expect(rowsOf(await (await get('/')).text(), 'tasks')).toEqual([
      'Match processed 4 processing 1 failed 1 no host 1 not processed 5 5 0',
      'Report processed 3 not processed 9 1 8',
    ]);
  });

  it('tells what the machinery failed from what the science did, what is tried again, and what is held', async () => {
    const world = await createWorld(database, { resources: [{ name: 'tns', failures: 10, concurrency: 40, perMinute: 60 }], tasks: { Fetch: { uses: { tns: 1 }, retry: { attempts: 2 } } } });
    await world.add('done', 'lost', 'waits', 'none', 'held');
    await database.em().execute(`insert into hold (subject_id, reason, placed_by) select id, 'wrong field', 'ada' from subject where name = 'held'`);
    const down = throws(new ServiceError('tns', 'TNS answers <503>'));
    world.runner('Fetch').on('lost', down).on('none', () => 'no host').on('waits', down);
    const { work } = world.engine({ concurrency: 1 });
    await work();
    await resetEntries(database.em(), { subjects: ['waits'] }, 'person ada');
    await world.engine({ concurrency: 1, random: () => 0.9 }).work();
    const { get } = await givenWeb(database);
    const html = await (await get('/')).text();
    expect(rowsOf(html, 'tasks')).toEqual([expect.stringMatching(/^Fetch processed 1 failed 1 no host 1 not processed 2 of these by the machinery 1 to be tried again 1 held 1 /)]);
    expect(rowsOf(html, 'shared')).toEqual([expect.stringMatching(/^tns failed \d in a row TNS answers <503> 0 of 40 \d of 60 1$/)]);
    await database.em().execute(`update resource set state = 'open', open_until = now() + interval '1 minute'`);
    const later = await (await (await givenWeb(database)).get('/')).text();
    expect(rowsOf(later, 'shared')).toEqual([expect.stringMatching(/^tns does not answer; left alone until .*\d\d:\d\d:\d\d TNS answers <503>/)]);
  });

  it('says so when all work is done', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('2010a', '2010b');
    await world.put('2010a', 'Match', 'processed');
    await world.put('2010b', 'Match', 'no host');
    const { get } = await givenWeb(database);
    const html = await (await get('/')).text();
    expect(textOf(html)).toContain('All work is done. 1 transient is completed, 1 blocked.');
    expect(html).toContain('hx-trigger="every 15s"');
  });

  it('is a page even where there is nothing', async () => {
    await createWorld(database, { tasks: {} });
    const { get } = await givenWeb(database);
    expect(textOf(await (await get('/')).text())).toContain('The fixtures name no tasks yet.');
    await createWorld(database, { tasks: { Match: {} } });
    expect(textOf(await (await (await givenWeb(database)).get('/')).text())).toContain('There are no transients yet');
  });

  it('shows names as they are and never as markup', async () => {
    const name = `<img src=x onerror="alert(1)"> & 'Ω' / 100%`;
    const world = await createWorld(database, { tasks: { [name]: {} }, statuses: [{ message: '<b>odd</b>', type: 'warning' }] });
    await world.add('2010a');
    await world.put('2010a', name, '<b>odd</b>');
    await addSystemTask(database, '"><script>alert(2)</script>', [{ outcome: 'failed', error: { message: '<i>why</i>' } }]);
    const { get } = await givenWeb(database);
    const html = await (await get('/')).text();
    expect(html).not.toMatch(/<img src=x|<b>odd|<script>alert|<i>why/);
    expect(html).toContain(`href="/board/queue/${encodeURIComponent(name.replace('%', '％')).replaceAll("'", '&#39;')}"`);
    expect(rowsOf(html, 'tasks')[0]).toContain(`${name} <b>odd</b> 1`);
    expect(rowsOf(html, 'system')[0]).toContain('<i>why</i>');
  });

  it('has nothing inline and nothing from elsewhere', async () => {
    await givenWork();
    const { get } = await givenWeb(database);
    const html = await (await get('/')).text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\sstyle=|<style|\son\w+=|(src|href)="(https?:)?\/\//);
  });

  it('says when each system runner ran last, how that ended, and when it runs next', async () => {
    await createWorld(database, { tasks: { Match: {} } });
    await addSystemTask(database, 'Prune', [{ outcome: 'finished' }, { outcome: 'failed', error: { message: 'The disk is full.' } }]);
    await addSystemTask(database, 'Draw');
    await database.em().execute(`insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled, next_at) values ('Prune', 'every 60 s', 'UTC', true, 'every 60 s', 'UTC', true, '2031-02-03T04:05:06Z')`);
    const { get } = await givenWeb(database);
    const html = await (await get('/')).text();
    expect(rowsOf(html, 'system')[0]).toMatch(/^Prune \d\d:\d\d:\d\d failed The disk is full\. 1\.5 s 2031-02-03 04:05:06$/);
    expect(rowsOf(html, 'system')[1]).toBe('Draw not yet not planned');
    expect(rowsOf(html, 'tasks')).toHaveLength(1);
  });

  it('marks tasks that are paused or inactive', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { active: false } } });
    await syncSchedules(database.em(), world.runners, systemClock);
    await editSchedule(database.em(), 'Match', { enabled: false }, 'somebody');
    const { get } = await givenWeb(database);
    expect(rowsOf(await (await get('/')).text(), 'tasks').map((row) => row.replace(/ \d.*| 0 0$/, ''))).toEqual(['Match paused', 'Report inactive']);
  });

  it('counts the daemons that are alive', async () => {
    await givenWork();
    await addDaemon(database, { id: 1 });
    await addDaemon(database, { id: 2, silentSeconds: 3600 });
    const { get } = await givenWeb(database);
    const text = textOf(await (await get('/')).text());
    expect(text).toContain('1 daemon, 8 attempts at once.');
    expect(text).not.toContain('No daemon is alive');
  });

  it('shows who is alive, how busy they are, and which tasks nobody can run', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Fit: {}, Big: {} } });
    await database.em().execute(`update task set requires = case name when 'Fit' then array['gpu'] when 'Big' then array['gpu', 'memory'] else '{}' end`);
    await world.add('a');
    await addDaemon(database, { id: 1 });
    await addDaemon(database, { id: 2, role: 'worker', labels: ['gpu', 'fast'] });
    await database.em().execute(`update daemon set running = 3, cpu_load = 1.51, rss_bytes = 1234567890, troubles = array['the database is slow'] where id = 2`);
    const { get } = await givenWeb(database);
    const html = await (await get('/')).text();
    const text = textOf(html);
    expect(text).toContain('1 daemon and 1 worker, 16 attempts at once. worker 2: the database is slow "Big" requires "gpu" and "memory", which no living daemon has.');
    expect(text).not.toContain('"Fit" requires');
    expect(rowsOf(html, 'alive')).toEqual([
      expect.stringMatching(/^observatory:4711 daemon none 1\.2\.3 \S+ 0 of 8$/), expect.stringMatching(/^observatory:4711 worker gpu fast 1\.2\.3 \S+ 3 of 8 150 % 1,180 MiB$/),
    ]);
  });

  it('lives below a base path where it is told to', async () => {
    await givenWork();
    const { get } = await givenWeb(database, { basePath: '/sky/afterglow' });
    const html = await (await get('/sky/afterglow/')).text();
    const links = [...html.matchAll(/(?:href|src|hx-get)="([^"#]+)"/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThan(8);
    for (const link of links) {
      expect(link).toMatch(/^\/sky\/afterglow\//);
      expect((await get(link.replaceAll('&amp;', '&'))).status, link).toBeLessThan(400);
    }
    expect((await get('/')).status).toBe(404);
  });
});

describe('the live part', () => {
  it('is empty as long as nothing has changed, and then has what changed', async () => {
    const world = await givenWork();
    const { get } = await givenWeb(database);
    const seen = seenOf(await (await get('/')).text());
    expect((await get(`/live?seen=${seen}`)).status).toBe(204);
    await world.put('2010h', 'Match', 'no host');
    await expect.poll(async () => (await get(`/live?seen=${seen}`)).status, { timeout: 10_000 }).toBe(200);
    const html = await (await get(`/live?seen=${seen}`)).text();
    expect(seenOf(html)).not.toBe(seen);
    expect(html).toContain('hx-trigger="every 2s"');
    expect(rowsOf(html, 'tasks')[1]).toContain('no host 2');
    expect(html.match(/hx-swap-oob="true"/g)).toHaveLength(5);
    expect(html).not.toContain('<html');
  });
});

describe('the plots', () => {
  it('are announced until they are drawn, shown then, and shown anew when they are drawn anew', async () => {
    await createWorld(database, { tasks: {} });
    const { get, products } = await givenWeb(database);
    const before = await (await get('/')).text();
    expect(textOf(before)).toContain('The Hubble diagram appears here when it has been drawn.');
    expect(before).not.toContain('<figure');
    const asked = () => /hx-get="(\/plots\?seen=[\d-]*)"/.exec(before)![1]!;
    expect((await get(asked())).status).toBe(204);

    for (const file of ['hubble-diagram.svg', 'sky-map.svg']) await writeFile(path.join(products, file), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    const drawn = await (await get(asked())).text();
    const images = [...drawn.matchAll(/<img src="([^"]+)"/g)].map(([, src]) => src!);
    expect(images.map((src) => src.replace(/\d+$/, ''))).toEqual(['/products/hubble-diagram.svg?drawn=', '/products/sky-map.svg?drawn=']);
    expect((await get(images[0]!)).status).toBe(200);

    await utimes(path.join(products, 'sky-map.svg'), 1, 1);
    expect(await (await get(/hx-get="([^"]+)"/.exec(drawn)![1]!)).text()).toContain('/products/sky-map.svg?drawn=1000"');
  });
});

describe('the export', () => {
  it('is offered where somebody writes it', async () => {
    await createWorld(database, { tasks: {} });
    const { get } = await givenWeb(database, { exportTable: async (format) => (format === 'csv' ? 'name\n2010a\n' : '[{"name":"2010a"}]') });
    expect(await (await get('/')).text()).toContain('href="/export.csv"');
    const csv = await get('/export.csv');
    expect([csv.headers.get('content-type'), csv.headers.get('content-disposition'), await csv.text()]).toEqual(['text/csv; charset=utf-8', 'attachment; filename="afterglow.csv"', 'name\n2010a\n']);
    expect(await (await get('/export.json')).json()).toEqual([{ name: '2010a' }]);
  });

  it('is not there where nobody does', async () => {
    await createWorld(database, { tasks: {} });
    const { get } = await givenWeb(database);
    expect(await (await get('/')).text()).not.toContain('export');
    expect((await get('/export.csv')).status).toBe(404);
  });
});

it('a page that cannot be made says so and nothing more', async () => {
  const broken = { em: () => { throw new Error('secret detail'); }, hot: {} } as unknown as Database;
  const { get } = await givenWeb(broken);
  const reply = await get('/');
  expect([reply.status, await reply.text()]).toEqual([500, 'This page could not be made; the log says why.\n']);
  expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
});
