import { beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { KeyedJob } from '../jobs/keyed-job.ts';
import { givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const textOf = (html: string): string => html.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');

it('the list of skipped jobs counts them by their reasons, and the page of a job has its key', async () => {
  const [notify, drain] = [new KeyedJob('Notify', { supersedes: true }), new KeyedJob('Drain', { debounce: { seconds: 60 } })];
  const { jobs } = await createJobWorld(database, [notify, drain]);
  for (let n = 0; n < 3; n += 1) await jobs.enqueue(notify, { repo: 'a <b>', n });
  const merged = await jobs.enqueue(drain, { repo: 'a' });
  await jobs.enqueue(drain, { repo: 'a' });
  const { get } = await givenWeb(database);
  expect(textOf(await (await get('/jobs?state=skipped')).text())).toContain('Within 30 days: 2 Notify (superseded);');
  expect(textOf(await (await get('/jobs?state=skipped&name=Drain')).text())).not.toContain('Within 30 days');
  expect(textOf(await (await get('/jobs')).text())).not.toContain('Within 30 days');
  expect(textOf(await (await get(`/jobs/${merged.id}`)).text())).toContain('Key a, 1 more merged into it');
});
