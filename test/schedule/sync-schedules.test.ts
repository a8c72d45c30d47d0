import { beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { createDatabase } from '../harness.ts';
import { rowOf, ScheduledRunner, type GivenRunner } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const NOON = Date.UTC(2026, 0, 1, 12);
const clockAt = (ms: number): Clock => ({ now: () => new Date(ms), monotonicMs: () => 0 });
const daemonStarts = (given: GivenRunner[], atMs = NOON) =>
  syncSchedules(database.em(), given.map((runner) => new ScheduledRunner(runner)), clockAt(atMs));

const host: GivenRunner = { taskName: 'Host match', schedule: '*/5 * * * *' };
const plots: GivenRunner = { taskName: 'Plots', schedule: 30, initiallyEnabled: false };

describe('the code alone', () => {
  it('a new runner gets a row, on or off as the code says', async () => {
    const sync = await daemonStarts([host, plots]);
    expect(sync.added).toEqual(['Host match', 'Plots']);
    expect(sync.sentences).toEqual([
      'The schedule of "Host match" is new: "*/5 * * * *" (UTC), on.',
      'The schedule of "Plots" is new: "every 30 s" (UTC), off.',
    ]);
    expect(await rowOf(database, 'Host match')).toMatchObject({ pattern: '*/5 * * * *', enabled: true, ticks: '0' });
    expect(new Date((await rowOf(database, 'Host match'))!.next_at!)).toEqual(new Date(NOON + 300_000));
    expect(await rowOf(database, 'Plots')).toMatchObject({ pattern: 'every 30 s', enabled: false, next_at: null });
  });

  it('a second start changes nothing', async () => {
    expect(await daemonStarts([host, plots])).toEqual({ added: [], changed: [], removed: [], sentences: [] });
  });

  it('a start after a downtime brings the next slot up to date', async () => {
    await daemonStarts([host, plots], NOON + 86_400_000);
    expect(new Date((await rowOf(database, 'Host match'))!.next_at!)).toEqual(new Date(NOON + 86_700_000));
  });

  it('a change of the code is in force at once', async () => {
    const sync = await daemonStarts([{ ...host, schedule: '0 * * * *', timeZone: 'Europe/Berlin' }, plots]);
    expect(sync.changed).toEqual(['Host match']);
    expect(sync.sentences).toEqual([
      'The pattern of "Host match" is now "0 * * * *", because the code changed; it was "*/5 * * * *".',
      'The time zone of "Host match" is now "Europe/Berlin", because the code changed; it was "UTC".',
    ]);
  });

  it('a schedule of which a newer version is elsewhere stays as it is, whatever an older daemon says or does not know', async () => {
    await daemonStarts([{ ...host, schedule: '0 * * * *', timeZone: 'Europe/Berlin' }, plots]);
    const row = await rowOf(database, 'Host match');
    const older = [{ ...host, schedule: '7 * * * *' }, plots].map((given) => new ScheduledRunner(given));
    expect(await syncSchedules(database.em(), older, clockAt(NOON), ['Host match', 'Plots'])).toEqual({ added: [], changed: [], removed: [], sentences: [] });
    expect(await syncSchedules(database.em(), [], clockAt(NOON), ['Host match', 'Plots'])).toMatchObject({ removed: [] });
    expect(await rowOf(database, 'Host match')).toEqual(row);
  });

  it('a runner that is gone loses its row, and daemons that run are told of every change', async () => {
    const listener = await database.connect('test');
    const told: string[] = [];
    listener.on('notification', ({ payload }) => told.push(payload!));
    await listener.query('listen afterglow_schedule');
    const sync = await daemonStarts([{ ...host, schedule: '1 * * * *' }, { taskName: 'New', schedule: 5 }]);
    expect(sync.removed).toEqual(['Plots']);
    expect(sync.sentences).toContain('The schedule of "Plots" is removed: no runner has this name any more.');
    expect(await rowOf(database, 'Plots')).toBeUndefined();
    await expect.poll(() => told.sort()).toEqual(['Host match', 'New', 'Plots']);
    await listener.end();
  });

  it('several daemons that start at once agree', async () => {
    const given = [host, plots, ...Array.from({ length: 20 }, (_, n) => ({ taskName: `Task ${n}`, schedule: n + 1 }))];
    const syncs = await Promise.all(Array.from({ length: 5 }, () => daemonStarts(given)));
    expect(syncs.flatMap(({ added }) => added).sort()).toEqual(['Plots', ...Array.from({ length: 20 }, (_, n) => `Task ${n}`)].sort());
    expect(syncs.filter(({ sentences }) => sentences.length > 0)).toHaveLength(1);
  });

  it('schedules that cannot be read are all named, and nothing is written', async () => {
    const wrong = [{ ...host, schedule: 'noon' }, { ...plots, timeZone: 'Nowhere' }, { taskName: 'Fresh', schedule: 1 }, { taskName: 'Fresh', schedule: 2 }];
    await expect(daemonStarts(wrong)).rejects.toThrow(/"Host match": A schedule should be.*\n.*"Plots": A time zone.*\nTwo runners are called "Fresh"/);
    expect(await rowOf(database, 'Fresh')).toBeUndefined();
  });
});

describe("a person's edit", () => {
  it('survives a restart, and the log says so', async () => {
    await daemonStarts([host]);
    await editSchedule(database.em(), 'Host match', { pattern: 'every 10 s', enabled: false }, 'dora');
    const edited = (await rowOf(database, 'Host match'))!;
    const sync = await daemonStarts([host]);
    const editedAt = new Date(edited.edited_at!).toISOString();
    expect(sync).toMatchObject({ changed: [], removed: [] });
    expect(sync.sentences).toEqual([
      `The pattern of "Host match" is kept: edited by dora at ${editedAt} to "every 10 s"; the code says "*/5 * * * *".`,
      `The switch of "Host match" is kept: edited by dora at ${editedAt} to off; the code says on.`,
    ]);
    expect(await rowOf(database, 'Host match')).toEqual(edited);
  });

  it('yields field by field when the code changes, and the log says what it was', async () => {
    const sync = await daemonStarts([{ ...host, schedule: '0 4 * * *' }]);
    expect(sync.changed).toEqual(['Host match']);
    expect(sync.sentences[0]).toMatch(/^The pattern of "Host match" is now "0 4 \* \* \*", because the code changed; it was "every 10 s", edited by dora at 20.*Z\.$/);
    expect(sync.sentences[1]).toMatch(/^The switch of "Host match" is kept/);
    expect(await rowOf(database, 'Host match')).toMatchObject({ pattern: '0 4 * * *', enabled: false, edited_by: 'dora', next_at: null });
  });

  it('is no longer shown when nothing is left of it', async () => {
    await daemonStarts([{ ...host, schedule: '0 4 * * *', initiallyEnabled: false }]);
    await daemonStarts([{ ...host, schedule: '0 4 * * *', initiallyEnabled: true }]);
    expect(await rowOf(database, 'Host match')).toMatchObject({ enabled: true });
    await editSchedule(database.em(), 'Host match', { enabled: false }, 'dora');
    // The code comes to say the same as the person.
    const sync = await daemonStarts([{ ...host, schedule: '0 4 * * *', initiallyEnabled: false }]);
    expect(sync.sentences).toEqual([]);
    expect(await rowOf(database, 'Host match')).toMatchObject({ enabled: false, edited_by: null, edited_at: null });
  });
});
