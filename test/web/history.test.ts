import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';
import { givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given(rows: string) {
  await createWorld(database, { tasks: { Match: {} } });
  await database.em().execute(`delete from state_count`);
  if (rows !== '') await database.em().execute(`insert into state_count (kind, at, total, completed, processing, waiting, blocked) values ${rows}`);
  return givenWeb(database);
}
const sectionOf = (html: string): string => /<section id="history".*?<\/section>/s.exec(html)![0];

describe('the counts over time on the first page', () => {
  it('are announced until there are some', async () => {
    const { get } = await given('');
    expect(sectionOf(await (await get('/')).text())).toContain('The counts are kept every minute; here they are drawn.');
  });

  it('are drawn stacked, said in words, and named with the last numbers', async () => {
    const { get } = await given(`('transient', now() - interval '2 hours', 100, 0, 0, 100, 0), ('transient', now() - interval '1 hour', 200, 50, 30, 100, 20), ('transient', now(), 200, 180, 0, 0, 20)`);
    const section = sectionOf(await (await get('/')).text());
    expect(section).toContain('d="M0.0,100.00L500.0,75.00L1000.0,10.00L1000.0,100.00L500.0,100.00L0.0,100.00Z"');
    expect(section).toMatch(/aria-label="transients by state from .* First: 100 waiting\. Last: 180 completed, 20 blocked\."/);
    expect(section.replaceAll(/<[^>]+>|\s+/g, ' ')).toMatch(/blocked +20 .*waiting +0 .*processing +0 .*completed +180/);
    expect(section).not.toMatch(/NaN|Infinity|undefined| style=/);
  });

  it.each([
    ['one moment', `('transient', now(), 3, 1, 1, 1, 0)`],
    ['no objects in between', `('transient', now() - interval '1 hour', 3, 3, 0, 0, 0), ('transient', now(), 0, 0, 0, 0, 0)`],
    ['objects without tasks', `('transient', now() - interval '1 hour', 7, 0, 0, 0, 0), ('transient', now(), 7, 0, 0, 0, 0)`],
    ['millions', `('transient', now() - interval '1 hour', 2345678, 0, 0, 2345678, 0), ('transient', now(), 2345678, 2345678, 0, 0, 0)`],
  ])('are drawn of %s, too', async (_, rows) => {
    const { get } = await given(rows);
    const section = sectionOf(await (await get('/')).text());
    expect(section).not.toMatch(/NaN|Infinity|undefined/);
    expect(section).toContain('<figure');
  });

  it('have a plot for each kind, whose name may be anything', async () => {
    const { get } = await given(`('transient', now(), 1, 1, 0, 0, 0), ('a<b', now(), 1, 1, 0, 0, 0)`);
    const section = sectionOf(await (await get('/')).text());
    expect(section.match(/<figure/g)).toHaveLength(2);
    expect(section).toContain('<figcaption>a&lt;b</figcaption>');
  });

  it('are fetched anew only where there is more', async () => {
    const { get } = await given(`('transient', now(), 1, 1, 0, 0, 0)`);
    const asked = /hx-get="([^"]+)"/.exec(sectionOf(await (await get('/')).text()))![1]!;
    expect((await get(asked)).status).toBe(204);
    expect((await get('/history?seen=')).status).toBe(200);
  });
});
