import { beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { countHistory, countPrunableJobs, ENDED_STATES, pruneHistory, pruneJobs, type PruneFilter } from '../../src/db/prune.ts';
import { foldTally, readTally } from '../../src/db/tally.ts';
import { PermanentError } from '../../src/errors.ts';
import { skip } from '../../src/runner/job.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { gate, ScriptedJob } from '../jobs/scripted-job.ts';
import { runProgram } from '../program.ts';

const DAY = 86_400;
let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const filter = (more: Partial<PruneFilter> = {}): PruneFilter => ({ olderThanSeconds: 30 * DAY, states: ENDED_STATES, exclude: [], ...more });
const left = async () => (await database.em().execute<{ id: string }[]>(`select id from subject order by id`)).map(({ id }) => id);
const age = (days: number, ...ids: string[]) => database.em().execute(`update job set ended_at = ended_at - ? * interval '1 day', enqueued_at = enqueued_at - ? * interval '1 day' where subject_id = any (?::bigint[])`, [days, days, `{${ids.join()}}`]);

/** Jobs that ended, two months ago: completed, failed, skipped and of another name. */
async function givenEnded() {
  const plain = new ScriptedJob('Plain', ({ text }) => {
    if (text === 'fail') throw new PermanentError('no');
    return text === 'skip' ? skip('nothing new') : text;
  });
  const other = new ScriptedJob('Other');
  const world = await createJobWorld(database, [plain, other]);
  await world.work();
  const ids: string[] = [];
  for (const text of ['done', 'fail', 'skip']) ids.push((await world.jobs.enqueue(plain, { text })).id);
  ids.push((await world.jobs.enqueue(other, {})).id);
  for (const id of ids) await world.jobs.wait(id, { timeoutSeconds: 10 }).catch(() => {});
  await age(60, ...ids);
  return { ...world, plain, other, ids: { done: ids[0]!, fail: ids[1]!, skip: ids[2]!, other: ids[3]! } };
}

describe('F31: ended jobs', () => {
  test('of an age, in some states, but for some names, are counted and then deleted with all that was kept of them', async () => {
    const { ids } = await givenEnded();
    expect(await countPrunableJobs(database.em(), filter())).toEqual([
      { name: 'Other', state: 'completed', count: 1 }, { name: 'Plain', state: 'completed', count: 1 }, { name: 'Plain', state: 'failed', count: 1 }, { name: 'Plain', state: 'skipped', count: 1 },
    ]);
    expect(await countPrunableJobs(database.em(), filter({ olderThanSeconds: 61 * DAY }))).toEqual([]);
    expect(await pruneJobs(database.em(), filter({ states: ['failed'] }))).toBe(1);
    expect(await left()).toEqual([ids.done, ids.skip, ids.other]);
    expect(await pruneJobs(database.em(), filter({ exclude: ['Other'] }))).toBe(2);
    expect(await pruneJobs(database.em(), filter({ exclude: ['Other'] }))).toBe(0);
    expect(await left()).toEqual([ids.other]);
    for (const table of ['attempt', 'transition', 'task_register', 'job']) {
      expect(await database.em().execute(`select distinct subject_id from ${table}`), table).toEqual([{ subject_id: ids.other }]);
    }
  });

  test('stay while others wait for them, or have their results to get', async () => {
    const { plain, other, jobs, ids } = await givenEnded();
    const waiting = gate();
    other.does(waiting.script);
    const child = await jobs.enqueue(other, {}, { parent: ids.done });
    expect(await pruneJobs(database.em(), filter())).toBe(3);
    expect(await left()).toEqual([ids.done, child.id]);
    waiting.open();
    await jobs.wait(child, { timeoutSeconds: 10 });
    expect(await pruneJobs(database.em(), filter())).toBe(1);
    expect(await left()).toEqual([child.id]);
    expect(plain.runs.length).toBe(3);
  });

  test('that run or wait are never meant, however old', async () => {
    const plain = new ScriptedJob('Plain');
    const { jobs } = await createJobWorld(database, [plain]);
    const job = await jobs.enqueue(plain, {});
    await database.em().execute(`update job set enqueued_at = now() - interval '9 years'`);
    expect(await countPrunableJobs(database.em(), filter({ olderThanSeconds: 0 }))).toEqual([]);
    expect(await pruneJobs(database.em(), filter({ olderThanSeconds: 0 }))).toBe(0);
    expect(await left()).toEqual([job.id]);
  });

  test('are in the counts for ever', async () => {
    await givenEnded();
    await foldTally(database.em());
    const before = (await readTally(database.em())).map(({ task, counters }) => ({ task, counters }));
    await pruneJobs(database.em(), filter());
    expect((await readTally(database.em())).map(({ task, counters }) => ({ task, counters }))).toEqual(before);
  });
});

test('old attempts go but for the last one of an entry, and no transition before it is counted', async () => {
  await givenEnded();
  const em = database.em();
  await em.execute(`update attempt set started_at = started_at - interval '90 days'; update transition set at = at - interval '90 days'`);
  await em.execute(`insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version, started_at, ended_at, outcome) select subject_id, task_id, 0, 1, 1, started_at, started_at, 'failed' from attempt`);
  await em.execute(`update transition_reader set read_to = now() - interval '1 year', mark_at = now()`);
  expect(await countHistory(em, 'attempt', 30 * DAY)).toBe(4);
  expect(await pruneHistory(em, 'attempt', 30 * DAY)).toBe(4);
  expect(await countHistory(em, 'transition', 30 * DAY)).toBe(0);
  await em.execute(`update transition_reader set read_to = now() - interval '1 minute'`);
  expect(await countHistory(em, 'transition', 30 * DAY)).toBe(8);
});

test('old calls of hooks, checkpoints and notices go', async () => {
  const { ids } = await givenEnded();
  const em = database.em();
  await em.execute(`insert into hook_call (subject_id, task_id, attempt, hook, event, at, wall_seconds) select ?, min(id), 1, 'h', 'after', now() - g * interval '20 days', 0 from task, unnest(array[1, 3]) g group by g`, [ids.done]);
  await em.execute(`insert into checkpoint (subject_id, task_id, attempt, name, at) select ?, min(id), 1, 'c', now() - g * interval '20 days' from task, unnest(array[1, 3]) g group by g`, [ids.done]);
  await em.execute(`insert into notice (subject_id, task_id, attempt, failed_at, noticed_at, state) select ?, min(id), g, now(), now() - g * interval '20 days', 'enqueued' from task, unnest(array[1, 3]) g group by g`, [ids.done]);
  for (const table of ['hook_call', 'checkpoint', 'notice'] as const) {
    expect(await countHistory(em, table, 30 * DAY), table).toBe(1);
    expect(await pruneHistory(em, table, 30 * DAY), table).toBe(1);
    expect(await countHistory(em, table, 0), table).toBe(1);
  }
});

test('F31: the command changes nothing without --commit', { timeout: 30_000 }, async () => {
  const { ids } = await givenEnded();
  const env = { DATABASE_URL: urlOf(database.address), AFTERGLOW_LOG: 'plain' };
  const said = await runProgram(['prune', '--age', '30d', '--state', 'completed', 'failed', '--exclude', 'Other', '--no-history'], env);
  expect(said.stdout).toMatch(/^JOB +STATE +COUNT\nPlain +completed +1\nPlain +failed +1\nWould be deleted: 2 jobs\. Nothing is changed without --commit\.\n$/);
  expect((await left()).length).toBe(4);
  const done = await runProgram(['prune', '--state', 'completed', 'failed', '--exclude', 'Other', '--commit', '--json'], env);
  expect(JSON.parse(done.stdout)).toMatchObject({ jobs: [{ name: 'Plain', state: 'completed', count: 1 }, { name: 'Plain', state: 'failed', count: 1 }], committed: true });
  expect(await left()).toEqual([ids.skip, ids.other]);
});
