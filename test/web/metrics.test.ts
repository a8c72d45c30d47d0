import { beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { foldTally, readTally } from '../../src/db/tally.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { retryEntries } from '../../src/engine/reset.ts';
import { ServiceError, type TimeLimitError } from '../../src/errors.ts';
import { metricsText } from '../../src/web/metrics.ts';
import { createWorld } from '../engine/create-world.ts';
import { throws } from '../engine/scripted-runner.ts';
import { createDatabase } from '../harness.ts';
import { givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** A fresh world, with nothing counted yet. */
async function freshWorld<Name extends string>(tasks: Parameters<typeof createWorld<Name>>[1]['tasks']) {
  await database.em().execute(`delete from task_tally; update transition_reader set read_to = '-infinity', mark_at = null, mark_xid = null`);
  return createWorld<Name>(database, { tasks });
}

const tallyOf = async (task: string) => (await readTally(database.em())).find((tally) => tally.task === task)!;
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

/** What a text for Prometheus says, by `name{labels}`; fails where a line is none. */
function parse(text: string): Record<string, number> {
  const samples: Record<string, number> = {};
  for (const line of text.trimEnd().split('\n')) {
    if (/^# (HELP|TYPE) \w+ \S/.test(line)) continue;
    const [, key, value] = /^(\w+(?:\{\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")*\})?) (-?[\d.e+-]+)$/.exec(line) ?? [];
    expect(key, line).toBeDefined();
    samples[key!] = Number(value);
  }
  return samples;
}

describe('the counts of a task', () => {
  test('runs, successes, failures, timeouts, retries, rescues', async () => {
    const world = await freshWorld({ One: { retry: { attempts: 3, baseSeconds: 0 } } });
    await world.add('good', 'bad', 'slow', 'flaky', 'lost');
    await world.put('lost', 'One', 'processing', { owner: 9, seconds: -1 });
    await rescue(database.hot, 'test', [9], 60);
    world.runner('One')
      .on('bad', throws(new Error('no')))
      .on('slow', (_s, { signal }) => new Promise((_r, reject) => signal.addEventListener('abort', () => reject(signal.reason as TimeLimitError))))
      .on('flaky', (_s, { attempt }) => { if (attempt === 1) throw new ServiceError('ned', 'away'); return 'processed'; });
    await database.em().execute(`update task set time_limit_seconds = 0.05`);
    await world.sync();
    await world.engine().work();
    const { counters, queue, run } = await tallyOf('One');
    // The first claim of "lost" was counted as well.
    expect(counters).toEqual({ runs: 7, successes: 3, failures: 2, timeouts: 1, retries: 1, rescues: 1, cancellations: 0 });
    // That one was not claimed by us, so nobody knows how long it waited.
    expect(sum(queue.counts)).toBe(6);
    expect(sum(run.counts)).toBe(6);
    expect(run.counts.slice(1).some((count) => count > 0)).toBe(true);
  });

  test('are the same whoever asks, while others write and old ones are kept', async () => {
    const world = await freshWorld({ One: {} });
    await world.add(...Array.from({ length: 60 }, (_, n) => `s${n}`));
    const working = world.engine().work();
    const seen: number[] = [];
    for (let n = 0; n < 20; n += 1) seen.push((await tallyOf('One')).counters.successes);
    await working;
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect((await tallyOf('One')).counters).toMatchObject({ runs: 60, successes: 60 });
    const kept = async () => {
      await foldTally(database.em());
      return Number((await database.em().execute<{ n: string | null }[]>(`select sum(count) as n from task_tally where name = 'runs'`))[0]?.n);
    };
    await expect.poll(kept, { timeout: 10_000 }).toBe(60);
    expect((await tallyOf('One')).counters).toMatchObject({ runs: 60, successes: 60 });
  });

  test('miss nothing that was written by a transaction which was open when others were counted', async () => {
    const world = await freshWorld({ One: {} });
    await world.add('early', 'late');
    const client = await database.connect('open');
    try {
      await client.query('begin');
      await client.query(`update task_register set status_id = 2, cause = 'claim', attempt = 1 where subject_id = (select id from subject where name = 'early')`);
      await world.engine().work();
      await foldTally(database.em());
      await foldTally(database.em());
      await foldTally(database.em());
      expect((await tallyOf('One')).counters).toMatchObject({ runs: 1, successes: 1 });
      await client.query('commit');
    } finally {
      await client.end();
    }
    for (let n = 0; n < 3; n += 1) expect((await tallyOf('One')).counters).toMatchObject({ runs: 2, successes: 1 });
  });

  test('never fall, not even when objects are deleted before they were counted', async () => {
    const world = await freshWorld({ One: {} });
    await foldTally(database.em());
    await foldTally(database.em());
    await world.add('a', 'b');
    await world.engine().work();
    const before = await tallyOf('One');
    await database.em().execute(`delete from subject where name = 'a'`);
    const after = await tallyOf('One');
    expect(after.counters).toMatchObject({ runs: 2, successes: 2 });
    expect(after.queue.counts).toEqual(before.queue.counts);
  });

  test('C33: the time in queue counts from when an entry could have been claimed, not from when it was made', async () => {
    const world = await freshWorld({ One: {}, Two: { needs: { One: 'processed' } } });
    await world.add('a');
    await database.em().execute(`update task_register set ready_at = ready_at - interval '5 minutes', last_modified = last_modified - interval '5 minutes'`);
    await world.engine().work();
    expect((await tallyOf('One')).queue).toMatchObject({ counts: [0, 0, 0, 0, 0, 1, 0, 0, 0] });
    expect((await tallyOf('One')).queue.seconds).toBeCloseTo(300, -1);
    expect((await tallyOf('Two')).queue.seconds).toBeLessThan(5);
    await world.put('a', 'One', 'failed');
    await database.em().execute(`update task_register set ready_at = ready_at - interval '1 hour'`);
    await retryEntries(database.em(), { tasks: ['One'] }, 'person');
    await world.engine().work();
    const [last] = await database.em().execute<{ queue_seconds: number }[]>(`select a.queue_seconds from attempt a join task t on t.id = a.task_id where t.name = 'One' order by a.attempt desc limit 1`);
    expect(last?.queue_seconds).toBeLessThan(5);
  });
});

describe('/metrics', () => {
  test('is text that Prometheus can read, with a depth for every task', async () => {
    const world = await freshWorld({ 'One "quoted"': {}, Two: { needs: { 'One "quoted"': 'processed' } } });
    await world.add('a', 'b', 'c');
    await world.put('a', 'One "quoted"', 'processing');
    const web = await givenWeb(database);
    const reply = await web.get('/metrics');
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const samples = parse(await reply.text());
    expect(samples['afterglow_task_entries{task="One \\"quoted\\"",state="ready"}']).toBe(2);
    expect(samples['afterglow_task_entries{task="One \\"quoted\\"",state="running"}']).toBe(1);
    expect(samples['afterglow_task_entries{task="Two",state="waiting"}']).toBe(3);
    expect(samples['afterglow_task_runs_total{task="One \\"quoted\\""}']).toBe(1);
    expect(samples['afterglow_task_queue_seconds_bucket{task="Two",le="+Inf"}']).toBe(0);
  });

  test('C21: a depth is what is there, and its age that of the one that has waited longest', async () => {
    const world = await freshWorld({ One: {} });
    await world.add('a', 'b');
    await database.em().execute(`update task_register set ready_at = ready_at - interval '90 seconds' where subject_id = (select min(id) from subject)`);
    const age = parse(await metricsText(database.em()))['afterglow_task_oldest_ready_seconds{task="One"}'];
    expect(age).toBeGreaterThan(89);
    expect(age).toBeLessThan(120);
    await world.engine().work();
    const after = parse(await metricsText(database.em()));
    expect(after['afterglow_task_entries{task="One",state="ready"}']).toBe(0);
    expect(after['afterglow_task_oldest_ready_seconds{task="One"}']).toBe(0);
    expect(after['afterglow_task_queue_seconds_count{task="One"}']).toBe(2);
  });
});
