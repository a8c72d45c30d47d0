import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/db/database.ts';
import { placeHolds } from '../../../src/engine/hold.ts';
import { toBoard } from '../../../src/web/links.ts';
import { createWorld } from '../../engine/create-world.ts';
import { createDatabase } from '../../harness.ts';
import { addDaemon, addSystemTask } from '../given.ts';
import { givenBoard, type ApiError } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('a task is a queue', () => {
  it('every one of them, in the order of the graph, those without an object last', async () => {
    await createWorld(database, { tasks: { Report: { needs: { Match: 'processed' } }, Match: {} } });
    await addSystemTask(database, 'Prune');
    const queues = await givenBoard(database, ['Match', 'Report']).queues();
    expect(queues.map(({ name }) => name)).toEqual(['Match', 'Report', 'Prune']);
    expect(queues[2]!.description).toBe('Does what needs no object.');
  });

  it('and appears and disappears with the fixtures', async () => {
    await createWorld(database, { tasks: { Match: {} } });
    const board = givenBoard(database);
    expect((await board.queues()).map(({ name }) => name)).toEqual(['Match']);
    await createWorld(database, { tasks: { Distance: {} } });
    await expect.poll(async () => (await board.queues()).map(({ name }) => name), { timeout: 15_000, interval: 500 }).toEqual(['Distance']);
  });
});

describe('an entry is a job', () => {
  async function given() {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    await world.add('done', 'ready', 'running', 'nothing', 'error', 'odd', 'later');
    await world.put('done', 'Match', 'processed');
    await world.put('running', 'Match', 'processing');
    await world.put('nothing', 'Match', 'no host');
    await world.put('error', 'Match', 'failed');
    await world.put('odd', 'Match', 'needs a look');
    await database.em().execute(`update task_register set due_at = now() + interval '1 hour' where (subject_id, task_id) = (select s.id, t.id from subject s, task t where s.name = 'later' and t.name = 'Match')`);
    return world;
  }

  it('shows who holds it and why, whether the hold is on it or on its object', async () => {
    await given();
    const board = givenBoard(database);
    expect((await board.job('Match', 'ready')).job.opts.register).not.toHaveProperty('holds');
    await placeHolds(database, { subjects: ['ready'], reason: 'bad field', by: 'dora' });
    await placeHolds(database, { subjects: ['ready'], task: 'Match', reason: 'wait for redshift', by: 'emil', until: 3600 });
    const { job, status } = await board.job('Match', 'ready');
    expect([status, job.opts.register]).toMatchObject(['waiting-children', { held: true, holds: [{ on: 'object', by: 'dora', reason: 'bad field' }, { on: 'task', by: 'emil', reason: 'wait for redshift', until: expect.any(String) }] }]);
    expect((await board.job('Report', 'ready')).job.opts.register).toMatchObject({ holds: [{ on: 'object', by: 'dora' }] });
  });

  it.each([
    ['done', 'Match', 'completed'],
    ['ready', 'Match', 'waiting'],
    ['running', 'Match', 'active'],
    ['nothing', 'Match', 'failed'],
    ['error', 'Match', 'failed'],
    ['odd', 'Match', 'failed'],
    ['later', 'Match', 'delayed'],
    ['done', 'Report', 'waiting'],
    ['error', 'Report', 'waiting-children'],
  ])('%s in %s is %s', async (name, task, state) => {
    await given();
    const board = givenBoard(database);
    expect((await board.job(task, name)).status).toBe(state);
    expect((await board.queue(task, state)).jobs.map(({ id }) => id)).toContain(name);
    expect((await board.queue(task, 'latest')).jobs.map(({ id }) => id)).toContain(name);
  });

  it('is counted in its state', async () => {
    await given();
    const [match, report] = await givenBoard(database).queues();
    expect(match!.counts).toEqual({ active: 1, waiting: 1, 'waiting-children': 0, delayed: 1, completed: 1, failed: 3 });
    expect(report!.counts).toEqual({ active: 0, waiting: 1, 'waiting-children': 6, delayed: 0, completed: 0, failed: 0 });
  });

  it('that is claimed from another status waits where it has that status', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, 'Match again': { from: 'no host' } } });
    await world.add('2010a', '2010b', '2010c');
    await world.put('2010a', 'Match again', 'no host');
    await world.put('2010b', 'Match again', 'processed');
    const board = givenBoard(database);
    expect((await board.queues())[1]!.counts).toMatchObject({ waiting: 1, completed: 1, 'waiting-children': 1, failed: 0 });
    for (const [state, name] of [['waiting', '2010a'], ['completed', '2010b'], ['waiting-children', '2010c']] as const) {
      expect((await board.queue('Match again', state)).jobs.map(({ id }) => id)).toEqual([name]);
    }
  });

  it('is called as its object and says its status', async () => {
    await given();
    const { job } = await givenBoard(database).job('Match', 'nothing');
    expect([job.id, job.name, job.failedReason, job.isFailed]).toEqual(['nothing', 'no host', 'no host', true]);
  });

  it('that is not there is not found', async () => {
    await given();
    const board = givenBoard(database);
    expect((await board.ask('GET', '/queues/Match/nobody')).status).toBe(404);
    expect((await board.ask('GET', '/queues/Nothing/done')).status).toBe(404);
    expect(await board.logs('Match', 'nobody')).toEqual([]);
  });
});

describe('pages of jobs', () => {
  const names = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id);

  it('have every entry once, the last changed first', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const all = Array.from({ length: 23 }, (_, at) => `n${String(at).padStart(2, '0')}`);
    await world.add(...all);
    // Two statuses in one state, some of them changed by one statement.
    await database.em().execute(
      `update task_register r set status_id = (select id from status where message = case when r.subject_id % 3 = 0 then 'failed' else 'no host' end), cause = 'load', actor = 'given',
         last_modified = timestamptz '2026-01-01' + (r.subject_id / 4) * interval '1 minute'`,
    );
    const board = givenBoard(database);
    const pages = await Promise.all([1, 2, 3, 4].map((page) => board.queue('Match', 'failed', page, 7)));
    expect(pages.map(({ jobs }) => jobs.length)).toEqual([7, 7, 7, 2]);
    expect(pages[0]!.pagination.pageCount).toBe(4);
    const shown = pages.flatMap(({ jobs }) => jobs);
    expect(names(shown).toSorted()).toEqual(all);
    const times = shown.map(({ opts }) => String(opts.register.last_modified));
    expect(times).toEqual(times.toSorted().toReversed());
  });

  it('have every waiting entry once, though all were added by one statement', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    const all = Array.from({ length: 30 }, (_, at) => `n${String(at).padStart(2, '0')}`);
    await world.add(...all);
    const board = givenBoard(database);
    const pages = await Promise.all([1, 2, 3].map((page) => board.queue('Report', 'waiting-children', page)));
    expect(pages.flatMap(({ jobs }) => names(jobs)).toSorted()).toEqual(all);
  });

  it('list what is ready in the order that it will be claimed in', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add({ name: 'undated' }, { name: 'new', at: '2022-01-01' }, { name: 'old', at: '1885-08-20' }, { name: 'urgent', at: '2022-01-01', priority: 5 });
    expect(names((await givenBoard(database).queue('Match', 'waiting')).jobs)).toEqual(['old', 'urgent', 'new', 'undated']);
  });
});

describe("a job's detail", () => {
  it('has its object, its last result, when and where it ran, and the columns of the register', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    await world.add({ name: '2010ag', at: '2010-01-02T00:00:00Z', priority: 4, data: { survey: 'PS1' } });
    await database.em().execute(`update transient set redshift = 0.034`);
    await addDaemon(database);
    world.runner('Match').does((_, { log, progress }) => {
      progress(0.5);
      log.info('looked around', { galaxies: 3 });
      log.warn('the nearest is far');
      return { status: 'processed', result: { host: 'IC 494' }, warning: 'two of equal distance' };
    });
    const { work } = world.engine();
    await work();

    const board = givenBoard(database);
    const { job, status } = await board.job('Match', '2010ag');
    expect(status).toBe('completed');
    expect(job).toMatchObject({ attempts: 1, progress: 100, processedBy: 'observatory:4711', failedReason: '', stacktrace: [], isFailed: false, returnValue: { host: 'IC 494' }, priority: 4 });
    expect(job.data).toEqual({ name: '2010ag', public_timestamp: '2010-01-02T00:00:00+00:00', priority: 4, ra_deg: 150, dec_deg: 2, redshift: 0.034, data: { survey: 'PS1' } });
    expect(job.timestamp).toBeLessThanOrEqual(job.processedOn!);
    expect(job.processedOn).toBeLessThanOrEqual(job.finishedOn!);
    expect(job.opts.register).toMatchObject({ status: 'processed', type: 'success', unmet: 0, attempt: 1, warning: 'two of equal distance', cause: 'finish', runner_version: 7 });
    expect((await board.job('Report', '2010ag')).job.opts.prerequisites).toEqual({ Match: 'processed' });

    const log = await board.logs('Match', '2010ag');
    expect(log.map((line) => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} /, '').replace(/ after [\d.]+ s/, ''))).toEqual([
      '── attempt 1 on observatory:4711',
      'info looked around {"galaxies":3}',
      'warn the nearest is far',
      'warn two of equal distance',
      'finished, leaving "processed"',
    ]);
  });

  it('has the error with its stack and causes, and every attempt in the log', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('2010ag');
    world.runner('Match').does(() => {
      throw new TypeError('no such column', { cause: new RangeError('too far') });
    });
    const { work } = world.engine();
    await work();
    const board = givenBoard(database);
    expect((await board.put('/queues/Match/2010ag/retry')).status).toBe(204);
    await work();

    const { job, status } = await board.job('Match', '2010ag');
    expect([status, job.failedReason, job.attempts]).toEqual(['failed', 'failed: no such column', 2]);
    expect(job.stacktrace).toHaveLength(1);
    expect(job.stacktrace[0]).toMatch(/^TypeError: no such column\n +at .*\n[^]*Caused by: RangeError: too far\n +at /);
    const log = await board.logs('Match', '2010ag');
    expect(log.filter((line) => line.includes('── attempt'))).toHaveLength(2);
    expect(log.filter((line) => / failed after [\d.]+ s, leaving "failed": TypeError: no such column$/.test(line))).toHaveLength(2);
  });

  it('shows the progress of what runs', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('2010ag');
    await world.put('2010ag', 'Match', 'processing');
    await database.em().execute(`update attempt set progress = 0.42`);
    const { job } = await givenBoard(database).job('Match', '2010ag');
    expect([job.progress, job.finishedOn]).toEqual([42, undefined]);
    expect(job.processedOn).toBeGreaterThan(0);
  });

  it('says when a delayed entry is due', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('2010ag');
    await database.em().execute(`update task_register set due_at = '2099-01-01T00:00:00Z'`);
    const { job } = await givenBoard(database).job('Match', '2010ag');
    expect(job.timestamp + job.delay).toBe(Date.parse('2099-01-01T00:00:00Z'));
  });
});

describe('retrying', () => {
  async function given() {
    const world = await createWorld(database, { tasks: { Match: {}, Report: { needs: { Match: 'processed' } } } });
    await world.add('a', 'b', 'c', 'd', 'e');
    await world.put('a', 'Match', 'no host');
    await world.put('b', 'Match', 'failed');
    await world.put('c', 'Match', 'needs a look');
    await world.put('d', 'Match', 'processed');
    await world.put('d', 'Report', 'failed');
    return world;
  }

  it('makes a failed entry ready, and the log of transitions says by whom', async () => {
    const world = await given();
    const board = givenBoard(database);
    expect((await board.put('/queues/Match/a/retry')).status).toBe(204);
    expect(await world.entry('a', 'Match')).toMatchObject({ status: 'not processed', unmet: 0, cause: 'retry', actor: 'board' });
    expect((await board.job('Match', 'a')).status).toBe('waiting');
    expect((await board.queues())[0]!.counts).toMatchObject({ failed: 2, waiting: 2 });
  });

  it('resets an entry that succeeded, or that needs a look, and it alone', async () => {
    const world = await given();
    const board = givenBoard(database);
    for (const name of ['d', 'c']) expect((await board.put(`/queues/Match/${name}/retry`)).status).toBe(204);
    expect(await world.entry('d', 'Match')).toMatchObject({ status: 'not processed', cause: 'reset', actor: 'board' });
    expect(await world.entry('c', 'Match')).toMatchObject({ status: 'not processed', cause: 'reset' });
    expect(await world.entry('d', 'Report')).toMatchObject({ status: 'failed', unmet: 1 });
  });

  it('of what is not finished is refused', async () => {
    await given();
    const { status, body } = await givenBoard(database).put('/queues/Match/e/retry');
    expect([status, (body as ApiError).error.key]).toEqual([400, 'ERRORS.JOB_NOT_RETRIABLE']);
  });

  it('of all that failed is one act, in that task alone', async () => {
    const world = await given();
    const board = givenBoard(database);
    expect(await board.put('/queues/Match/retry/failed')).toEqual({ status: 200, body: { retried: 3, skipped: 0 } });
    expect(await world.statuses('Match')).toEqual({ a: 'not processed', b: 'not processed', c: 'not processed', d: 'processed', e: 'not processed' });
    expect(await world.entry('d', 'Report')).toMatchObject({ status: 'failed' });
    expect(await board.put('/queues/Match/retry/failed')).toEqual({ status: 200, body: { retried: 0, skipped: 0 } });
  });

  it('of all that succeeded leaves the failed ones', async () => {
    const world = await given();
    expect(await givenBoard(database).put('/queues/Match/retry/completed')).toEqual({ status: 200, body: { retried: 1, skipped: 0 } });
    expect(await world.statuses('Match')).toEqual({ a: 'no host', b: 'failed', c: 'needs a look', d: 'not processed', e: 'not processed' });
  });
});

describe('what the register does not have', () => {
  it.each([
    ['PUT', '/queues/Match/2010a/clean', undefined],
    ['PUT', '/queues/Match/2010a/promote', undefined],
    ['PATCH', '/queues/Match/2010a/update-data', { jobData: {} }],
    ['PATCH', '/queues/Match/2010a/delay', { runAt: 1 }],
    ['PATCH', '/queues/Match/2010a/priority', { priority: 1 }],
    ['PUT', '/queues/Match/2010a/remove-unprocessed-children', undefined],
    ['PUT', '/queues/Match/clean/failed', undefined],
    ['PUT', '/queues/Match/empty', undefined],
    ['PUT', '/queues/Match/obliterate', { force: true }],
    ['PUT', '/queues/Match/promote', undefined],
    ['PUT', '/queues/Match/concurrency', { concurrency: 3 }],
    ['POST', '/queues/Match/add', { name: 'x', data: {} }],
    ['PUT', '/queues/Match/job-schedulers/Match/remove', undefined],
    ['PUT', '/queues/Match/job-schedulers/Match/run', undefined],
  ])('%s %s is refused with the reason, and nothing changes', async (method, url, body) => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('2010a');
    await world.put('2010a', 'Match', 'failed');
    const reply = await givenBoard(database).ask(method, url, body);
    expect(reply.status).toBe(405);
    expect((reply.body as ApiError).message).toMatch(/^[A-Z].*\.$/);
    expect(await world.statuses('Match')).toEqual({ '2010a': 'failed' });
  });
});

describe('names', () => {
  const TASK = `Größe / Ω test? 100% & "x" #1`;
  const NAME = `a/b c?#%25é+&`;

  it('of any kind work everywhere', async () => {
    const world = await createWorld(database, { tasks: { [TASK]: { kind: 'request' }, 'After it': { kind: 'request', needs: { [TASK]: 'processed' } } } });
    await world.add({ name: NAME, kind: 'request' });
    await world.put(NAME, TASK, 'failed');
    const board = givenBoard(database);
    const queue = await board.queue(TASK, 'failed');
    // Its pages decode addresses twice.
    expect([queue.name, queue.displayName, queue.jobs.map(({ id }) => id)]).toEqual([TASK.replace('%', '％'), TASK, [NAME.replace('%', '％')]]);
    expect((await board.job(TASK, NAME)).job.data).toMatchObject({ name: NAME });
    expect(await board.logs(TASK, NAME)).toEqual([]);
    const at = `${encodeURIComponent(toBoard(TASK))}/${encodeURIComponent(toBoard(NAME))}`;
    expect(await board.get(`/queues/${at}/flow`)).toMatchObject({ flowRoot: { queueName: 'After it', children: [{ queueName: toBoard(TASK) }] } });
    expect((await board.put(`/queues/${at}/retry`)).status).toBe(204);
    expect(await world.entry(NAME, TASK)).toMatchObject({ status: 'not processed' });
    expect((await board.app.request(`/board/queue/${at}`)).status).toBe(200);
  });

  it('with a full-width per cent sign are their own', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('5％', '6%', '6％');
    await world.put('6％', 'Match', 'failed');
    const board = givenBoard(database);
    const nameOf = async (id: string) => (await board.job('Match', id)).job.data.name;
    expect([await nameOf('5％'), await nameOf('6%')]).toEqual(['5％', '6%']);
  });
});
