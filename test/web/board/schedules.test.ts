import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Database } from '../../../src/db/database.ts';
import { readSchedules } from '../../../src/schedule/stored-schedule.ts';
import { syncSchedules } from '../../../src/schedule/sync-schedules.ts';
import { createWorld } from '../../engine/create-world.ts';
import { createDatabase } from '../../harness.ts';
import { addDaemon, addSystemTask } from '../given.ts';
import { givenBoard, type ApiError } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

async function given() {
  const world = await createWorld(database, { tasks: { Match: {}, Report: {} } });
  await world.add('2010a', '2010b');
  await syncSchedules(database.em(), world.runners, systemClock);
  return { world, board: givenBoard(database) };
}
const stored = async (runner: string) => (await readSchedules(database.em(), runner))[0]!;
const schedulers = async (board: ReturnType<typeof givenBoard>, query = '') => (await board.get<{ schedulers: Record<string, unknown>[] }>(`/job-schedulers${query}`)).schedulers;

describe('a paused queue', () => {
  it("is a schedule that is switched off: nothing of its task is claimed until it is resumed", async () => {
    const { world, board } = await given();
    expect((await board.put('/queues/Match/pause')).status).toBe(200);
    expect((await board.queues()).map(({ name, isPaused }) => [name, isPaused])).toEqual([['Match', true], ['Report', false]]);
    expect(await stored('Match')).toMatchObject({ inForce: { enabled: false }, editedBy: 'board' });
    const { work } = world.engine();
    await work();
    expect(await world.statuses('Match')).toEqual({ '2010a': 'not processed', '2010b': 'not processed' });
    expect(await world.statuses('Report')).toEqual({ '2010a': 'processed', '2010b': 'processed' });

    expect((await board.put('/queues/Match/resume')).status).toBe(200);
    expect((await board.queues())[0]!.isPaused).toBe(false);
    await work();
    expect(await world.statuses('Match')).toEqual({ '2010a': 'processed', '2010b': 'processed' });
  });

  it('may be all of them at once', async () => {
    const { board } = await given();
    expect((await board.put('/queues/pause')).status).toBe(200);
    expect((await board.queues()).map(({ isPaused }) => isPaused)).toEqual([true, true]);
    expect((await board.put('/queues/resume')).status).toBe(200);
    expect((await board.queues()).map(({ isPaused }) => isPaused)).toEqual([false, false]);
  });

  it('needs a runner', async () => {
    await createWorld(database, { tasks: { Match: {} } });
    const { status, body } = await givenBoard(database).put('/queues/Match/pause');
    expect([status, (body as ApiError).message]).toEqual([404, 'There is no runner "Match".']);
  });
});

describe('the schedules', () => {
  it('are listed with what is in force, when they fire next and how often they did', async () => {
    const { board } = await given();
    await database.em().execute(`update schedule set pattern = 'every 90 s', ticks = 12 where runner = 'Report'`);
    const [match, report] = await schedulers(board);
    expect(match).toMatchObject({ id: 'Match', queueName: 'Match', name: 'as in the code', pattern: '0 0 29 2 *', tz: 'UTC', iterationCount: 0, next: (await stored('Match')).nextAt!.getTime() });
    expect(report).toMatchObject({ id: 'Report', every: 90_000, iterationCount: 12 });
    expect(report).not.toHaveProperty('pattern');
    expect(await schedulers(board, '?queueName=Report')).toHaveLength(1);
  });

  it('say which slots were missed in the last day and why, and how many were caught up', async () => {
    const { board } = await given();
    await database.em().execute(`
      insert into tick (runner, slot, last_slot, slots, cause, outcome, reason, daemon_id, started_at, ended_at)
      select 'Match', now() - interval '2 hours', now(), 600, 'schedule', 'missed', 'no daemon', 1, now(), now()
       union all select 'Match', now() - interval '1 hour', null, 1, 'schedule', 'missed', 'busy', 1, now(), now()
       union all select 'Match', now() - interval '9 days', null, 1, 'schedule', 'missed', 'busy', 1, now() - interval '9 days', now()
       union all select 'Match', now() - interval '3 hours', null, 1, 'catch-up', 'finished', 'busy', 1, now(), now()`);
    const [match, report] = await schedulers(board);
    expect(match).toMatchObject({
      name: '601 slots missed in the last day',
      template: { data: { missed_in_the_last_day: { 'no daemon ran': 600, 'the runner was still busy with an earlier tick': 1 }, caught_up_in_the_last_day: 1, missed_slots: 'skip' } },
    });
    expect(report).toMatchObject({ name: 'as in the code' });
  });

  it('are edited, as a cron pattern in a time zone or as an interval', async () => {
    const { board } = await given();
    const edit = (body: object) => board.ask('PATCH', '/queues/Match/job-schedulers/Match', body);
    expect((await edit({ pattern: '*/5 * * * *', tz: 'Europe/Copenhagen' })).status).toBe(204);
    expect(await stored('Match')).toMatchObject({ inForce: { pattern: '*/5 * * * *', timeZone: 'Europe/Copenhagen', enabled: true }, editedBy: 'board' });
    expect((await schedulers(board))[0]).toMatchObject({ name: 'edited by board', pattern: '*/5 * * * *', tz: 'Europe/Copenhagen' });
    expect((await edit({ every: 30_000 })).status).toBe(204);
    expect((await stored('Match')).inForce.pattern).toBe('every 30 s');
  });

  it.each([
    [{ pattern: '99 * * * *' }, /^A schedule should be a cron expression/],
    [{ pattern: '* * * * *', tz: 'Mars/Olympus' }, /^A time zone should have a name like "UTC"/],
    [{ every: 0.4 }, /^An interval should read like "every 30 s"/],
    [{ pattern: '* * * * *', limit: 3 }, /has no last run and no end date/],
  ])('%j is refused with the reason', async (body, message) => {
    const { board } = await given();
    const before = await stored('Match');
    const reply = await board.ask('PATCH', '/queues/Match/job-schedulers/Match', body);
    expect([reply.status, (reply.body as ApiError).message]).toEqual([400, expect.stringMatching(message)]);
    expect(await stored('Match')).toEqual(before);
  });

  it('of a runner that is not there are not found', async () => {
    const { board } = await given();
    expect((await board.ask('PATCH', '/queues/Match/job-schedulers/Nobody', { every: 30_000 })).status).toBe(404);
  });
});

describe('a task without an object', () => {
  async function givenTicks() {
    const { board } = await given();
    await addDaemon(database);
    await addSystemTask(database, 'Prune', [
      { outcome: 'finished', result: { deleted: 3 }, log: [{ at: '2026-01-02T03:04:05.006Z', level: 'info', message: 'deleted', fields: { rows: 3 } }] },
      { outcome: 'failed', error: { name: 'TypeError', message: 'no such table', stack: 'TypeError: no such table\n    at prune.ts:1' } },
      { outcome: 'running' },
      { outcome: 'rescued', error: { name: 'LeaseLostError', message: 'The daemon that ran this tick is gone.' } },
    ]);
    const ids = (await database.em().execute<{ id: string }[]>(`select id from tick order by id`)).map(({ id }) => id);
    return { board, ids };
  }

  it('has its ticks as jobs, newest first', async () => {
    const { board, ids } = await givenTicks();
    const queue = await board.queue('Prune', 'latest');
    expect([queue.counts, queue.allowRetries, queue.statuses]).toEqual([{ active: 1, completed: 1, failed: 2 }, false, ['latest', 'active', 'completed', 'failed']]);
    expect(queue.jobs.map(({ id }) => id)).toEqual(ids.toReversed());
    expect((await board.queue('Prune', 'failed', 2, 1)).jobs.map(({ id }) => id)).toEqual([ids[1]]);
  });

  it('shows what a tick gave and what it said', async () => {
    const { board, ids } = await givenTicks();
    const { job, status } = await board.job('Prune', ids[0]!);
    expect(status).toBe('completed');
    expect(job).toMatchObject({ name: 'by hand', processedBy: 'observatory:4711', returnValue: { deleted: 3 }, progress: 100 });
    expect((await board.logs('Prune', ids[0]!)).slice(1, 2)).toEqual(['2026-01-02 03:04:05.006 info deleted {"rows":3}']);
  });

  it('shows why a tick failed', async () => {
    const { board, ids } = await givenTicks();
    const { job, status } = await board.job('Prune', ids[1]!);
    expect([status, job.failedReason, job.stacktrace]).toEqual(['failed', 'failed: no such table', ['TypeError: no such table\n    at prune.ts:1']]);
    expect((await board.job('Prune', ids[3]!)).job.failedReason).toBe('rescued: The daemon that ran this tick is gone.');
  });

  it('has no tick under the name of another runner, and none under what is no number', async () => {
    const { board, ids } = await givenTicks();
    await addSystemTask(database, 'Draw');
    expect((await board.ask('GET', `/queues/Draw/${ids[0]}`)).status).toBe(404);
    expect((await board.ask('GET', '/queues/Prune/one')).status).toBe(404);
    expect(await board.logs('Prune', '99999999')).toEqual([]);
  });

  it('has no flow, and its ticks are not repeated', async () => {
    const { board, ids } = await givenTicks();
    expect(await board.get(`/queues/Prune/${ids[1]}/flow`)).toMatchObject({ isFlowNode: false });
    expect((await board.put(`/queues/Prune/${ids[1]}/retry`)).status).toBe(405);
    expect((await board.put('/queues/Prune/retry/failed')).status).toBe(405);
  });
});
