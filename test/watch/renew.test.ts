import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { renew, renewUnread, type Renewed } from '../../src/watch/renew.ts';
import { createWorld } from '../engine/create-world.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** A daemon that runs "Match" of the subjects, with half a minute left of each lease. */
async function given(...subjects: string[]) {
  const world = await createWorld(database, { tasks: { Match: {} } });
  const ids = await world.add(...subjects);
  const [daemon] = await database.em().execute<{ id: number }[]>(
    `insert into daemon (host, machine, pid, process_start, version, concurrency, heartbeat_at) values ('here', '', 1, '', '0', 4, now() - interval '1 hour') returning id`,
  );
  for (const subject of subjects) await world.put(subject, 'Match', 'processing', { owner: daemon!.id, seconds: 30 });
  const held = (subject: string, more: Partial<Renewed> = {}): Renewed => ({
    subjectId: ids[subjects.indexOf(subject)]!, taskId: world.task('Match').id, attempt: 1, progress: undefined, ...more,
  });
  const beat = { daemonId: daemon!.id, running: 3, rssBytes: 1e8 + 0.5, cpuLoad: 0.25, clockSkewSeconds: null, troubles: ['it rains'] };
  return { world, held, beat, renewAll: (all: readonly Renewed[]) => renew(database.hot.run, beat, 600, all) };
}
const row = async (id: number) => (await database.em().execute<object[]>(`select running, rss_bytes, cpu_load, clock_skew_seconds, troubles, extract(epoch from clock_timestamp() - heartbeat_at)::float < 60 as beats from daemon where id = ?`, [id]))[0];
const isRenewed = async (world: World<'Match'>, subject: string) => (await world.entry(subject, 'Match')).lease_seconds! > 500;

describe('a renewal', () => {
  it('prolongs every lease, stores the progress and beats the heart, and has nothing to tell', async () => {
    const { world, held, beat, renewAll } = await given('a', 'b');
    const before = Date.now();
    const { databaseMs, ...told } = await renewAll([held('a', { progress: 0.5 }), held('b')]);
    expect(told).toEqual({ lost: [], skipped: [], cancelled: [] });
    expect(databaseMs).toBeGreaterThan(before - 1000);
    expect(databaseMs).toBeLessThan(Date.now() + 1000);
    expect([await isRenewed(world, 'a'), await isRenewed(world, 'b')]).toEqual([true, true]);
    expect([(await world.attempts('a', 'Match'))[0]!.progress, (await world.attempts('b', 'Match'))[0]!.progress]).toEqual([0.5, null]);
    expect(await row(beat.daemonId)).toEqual({ running: 3, rss_bytes: '100000001', cpu_load: 0.25, clock_skew_seconds: null, troubles: ['it rains'], beats: true });
    expect(await world.transitions('a', 'Match')).toHaveLength(1);
  });

  it('keeps a progress that nothing new was said of', async () => {
    const { world, held, renewAll } = await given('a');
    await renewAll([held('a', { progress: 0.5 })]);
    await renewAll([held('a')]);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ progress: 0.5 }]);
  });

  it('of nothing only beats the heart', async () => {
    const { beat, renewAll } = await given();
    expect(await renewAll([])).toMatchObject({ lost: [], skipped: [], cancelled: [], databaseMs: expect.any(Number) });
    expect(await row(beat.daemonId)).toMatchObject({ running: 3, beats: true });
  });

  it('leaves the row of a daemon that has said goodbye as it is', async () => {
    const { beat, held, renewAll } = await given('a');
    await database.em().execute(`update daemon set stopped_at = now(), running = 0`);
    await renewAll([]);
    await renewAll([held('a')]);
    expect(await row(beat.daemonId)).toMatchObject({ running: 0, beats: false });
  });

  it('tells which are lost: to another attempt of the same entry, to a reset, with a subject that was removed', async () => {
    const { world, held, renewAll } = await given('kept', 'again', 'reset', 'removed');
    await database.em().execute(`delete from subject where name = 'removed'`);
    await database.em().execute(`update task_register r set status_id = 1, cause = 'reset', actor = 'dora' from subject s where s.id = r.subject_id and s.name in ('reset', 'again')`);
    await world.put('again', 'Match', 'processing', { seconds: 30 });
    const all = [held('kept'), held('again'), held('again', { attempt: 2 }), held('reset'), held('removed')];
    const { lost, skipped } = await renewAll(all);
    expect([lost, skipped]).toEqual([[all[1], all[3], all[4]], []]);
    expect([await isRenewed(world, 'kept'), await isRenewed(world, 'again')]).toEqual([true, true]);
  });

  it('passes over an entry that is being written, waits for nobody, and calls it neither lost nor renewed', async () => {
    const { world, held, renewAll } = await given('a', 'b');
    const all = [held('a', { progress: 0.5 }), held('b')];
    const told = await database.em().transactional(async (em) => {
      await em.execute(`select from task_register where subject_id = ? for update`, [all[0]!.subjectId]);
      return renewAll(all);
    });
    expect(told).toMatchObject({ lost: [], skipped: [all[0]], cancelled: [] });
    expect([await isRenewed(world, 'a'), await isRenewed(world, 'b')]).toEqual([false, true]);
    expect(await world.attempts('a', 'Match')).toMatchObject([{ progress: null }]);
  });

  it('tells which ones a person wants stopped, and renews them like the others', async () => {
    const { world, held, renewAll } = await given('a', 'b');
    await database.em().execute(`update task_register r set cancel_reason = 'wrong catalogue', cancelled_by = 'person dora' from subject s where s.id = r.subject_id and s.name = 'b'`);
    const all = [held('a'), held('b')];
    expect(await renewAll(all)).toMatchObject({ lost: [], cancelled: [{ attempt: all[1], by: 'person dora', reason: 'wrong catalogue' }] });
    expect(await isRenewed(world, 'b')).toBe(true);
  });
});

describe('a renewal of what the main loop has not read', () => {
  it('prolongs the claims of this daemon that nobody was told of and that are as young as the silence, and no others', async () => {
    const { world, held, beat } = await given('unread', 'known', 'old', 'other');
    await database.em().execute(`update task_register r set last_modified = now() - interval '1 minute' from subject s where s.id = r.subject_id and s.name = 'old'`);
    await database.em().execute(`update task_register r set lease_owner = lease_owner + 1 from subject s where s.id = r.subject_id and s.name = 'other'`);
    await database.em().execute(`update task_register set last_modified = now() - interval '3 s' where last_modified > now() - interval '3 s'`);
    await renewUnread(database.hot.run, beat.daemonId, 600, 2, [held('known'), held('unread', { attempt: 7 })]);
    expect([await isRenewed(world, 'unread'), await isRenewed(world, 'known'), await isRenewed(world, 'old'), await isRenewed(world, 'other')]).toEqual([true, false, false, false]);
  });
});
