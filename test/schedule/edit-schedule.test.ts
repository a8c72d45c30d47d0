import { beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { ConfigError, UnknownNameError } from '../../src/errors.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { createDatabase } from '../harness.ts';
import { rowOf, ScheduledRunner } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
  await syncSchedules(database.em(), [new ScheduledRunner({ taskName: 'Host match', schedule: '* * * * *' })], systemClock);
});

it('a change is written with who made it, and the next slot follows', async () => {
  const now = await editSchedule(database.em(), 'Host match', { pattern: '0  3 * * *', timeZone: 'Asia/Tokyo' }, 'dora');
  expect(now).toEqual({ pattern: '0 3 * * *', timeZone: 'Asia/Tokyo', enabled: true });
  const row = (await rowOf(database, 'Host match'))!;
  expect(row).toMatchObject({ pattern: '0 3 * * *', time_zone: 'Asia/Tokyo', enabled: true, edited_by: 'dora' });
  expect(new Date(row.next_at!).toISOString()).toMatch(/T18:00:00.000Z$/);
  expect(new Date(row.next_at!).getTime()).toBeGreaterThan(Date.now());
});

it('a schedule that is off has no next slot, and has one again when it is on', async () => {
  await editSchedule(database.em(), 'Host match', { enabled: false }, 'emil');
  expect(await rowOf(database, 'Host match')).toMatchObject({ enabled: false, next_at: null, edited_by: 'emil' });
  await editSchedule(database.em(), 'Host match', { enabled: true }, 'emil');
  expect((await rowOf(database, 'Host match'))!.next_at).not.toBeNull();
});

it('a change that changes nothing is nobody\'s edit', async () => {
  await editSchedule(database.em(), 'Host match', { enabled: true, pattern: '0 3 * * *' }, 'fritz');
  expect(await rowOf(database, 'Host match')).toMatchObject({ edited_by: 'emil' });
});

it('a pattern that cannot be read changes nothing', async () => {
  const before = await rowOf(database, 'Host match');
  await expect(editSchedule(database.em(), 'Host match', { pattern: '0 3 * *', enabled: false }, 'dora')).rejects.toThrow(ConfigError);
  await expect(editSchedule(database.em(), 'Host match', { timeZone: 'Asia/Tokio' }, 'dora')).rejects.toThrow(/Did you mean "Asia\/Tokyo"\?/);
  expect(await rowOf(database, 'Host match')).toEqual(before);
});

it('a runner that nobody knows is refused with the nearest name', async () => {
  await expect(editSchedule(database.em(), 'Host mach', {}, 'dora')).rejects.toThrow(UnknownNameError);
  await expect(editSchedule(database.em(), 'Host mach', {}, 'dora')).rejects.toThrow(/did you mean "Host match"\?/);
});
