import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { StoppingError } from '../../src/errors.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import type { SchedulerOptions } from '../../src/schedule/scheduler.ts';
import { SCHEDULE_CHANNEL } from '../../src/schedule/stored-schedule.ts';
import { createDatabase, createDatabaseAddress, urlOf } from '../harness.ts';
import { rowOf, ticksOf, type GivenRunner } from './given.ts';
import { gate, METRONOME, startSchedulers } from './start.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  await database.em().execute(`truncate schedule, tick`);
});

const start = (count: number, given: GivenRunner[], options: Partial<SchedulerOptions> = {}) => startSchedulers(database, count, given, options);
const EVERY_SECOND = '* * * * * *';

describe('over three daemons', () => {
  it('a slot of a cron expression fires once, at its second', async () => {
    const { fired, schedulers } = await start(3, [{ taskName: 'Cron', schedule: EVERY_SECOND, timeZone: 'Asia/Tokyo' }]);
    const { slot } = await fired.more('Cron', 3);
    expect(Date.now() - slot.getTime()).toBeLessThan(1000);
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()));
    await Promise.all(schedulers.map((scheduler) => scheduler.settled()));
    const slots = fired.of('Cron').map((tick) => tick.slot.getTime());
    expect(slots).toEqual(slots.map((_, n) => slots[0]! + n * 1000));
    expect((await ticksOf(database, 'Cron')).map((tick) => new Date(tick.slot).getTime())).toEqual(slots);
    expect(await rowOf(database, 'Cron')).toMatchObject({ ticks: String(slots.length) });
  });

  it('slots of an interval are multiples since the epoch and fire once', async () => {
    const { fired } = await start(3, [{ taskName: 'Interval', schedule: 0.3 }]);
    await fired.more('Interval', 5);
    const slots = fired.of('Interval').map((tick) => tick.slot.getTime());
    expect(slots.filter((ms) => ms % 300 !== 0)).toEqual([]);
    expect(new Set(slots).size).toBe(slots.length);
    expect(slots).toEqual(slots.toSorted((a, b) => a - b));
  });

  it('a tick that lasts longer than its interval and its lease has no other beside it', async () => {
    const { opened, open } = gate();
    const { fired } = await start(3, [{ taskName: 'Long', schedule: 0.2 }, METRONOME], {
      leaseSeconds: 0.5,
      onTick: (runner) => (runner.taskName === 'Long' ? opened : undefined),
    });
    await fired.more('Long', 1);
    await fired.more('Metronome', 12);
    expect(fired.of('Long')).toHaveLength(1);
    expect(await ticksOf(database, 'Long')).toMatchObject([{ outcome: 'running' }]);
    open();
    await fired.more('Long', 1);
    expect((await ticksOf(database, 'Long'))[0]).toMatchObject({ outcome: 'finished' });
  });
});

describe('a runner of which a newer version has been at work', () => {
  it('is fired by those who have it alone, and nothing of its slots is lost', async () => {
    const em = database.em();
    await em.execute(`insert into task (name, kind, runner_version) values ('Deployed', 'system', 2)`);
    onTestFinished(() => em.execute(`delete from task where name = 'Deployed'`).then(() => {}));
    const older = await start(1, [{ taskName: 'Deployed', schedule: 0.2 }, METRONOME], { daemonId: 1 });
    await older.fired.more('Metronome', 8);
    expect(older.fired.of('Deployed')).toEqual([]);
    expect(await ticksOf(database, 'Deployed')).toEqual([]);
    const newer = await start(1, [{ taskName: 'Deployed', schedule: 0.2, version: 2 }, METRONOME], { daemonId: 2 });
    await newer.fired.more('Deployed', 3);
    expect(older.fired.of('Deployed')).toEqual([]);
    const ticks = await ticksOf(database, 'Deployed');
    expect(ticks.filter(({ outcome }) => outcome === 'missed').length).toBeGreaterThan(0);
    expect(ticks.filter(({ outcome }) => outcome !== 'missed').map(({ daemon_id: by }) => by)).not.toContain(1);
  });
});

describe('many schedules', () => {
  it('whose slots come at the same time cost two statements a slot, whatever their number', async () => {
    const given = Array.from({ length: 17 }, (_, n) => ({ taskName: `Runner ${n}`, schedule: EVERY_SECOND }));
    let statements = 0;
    const counting: SchedulerOptions['database'] = {
      hot: { ...database.hot, run: (statement, params) => {
        statements += 1;
        return database.hot.run(statement, params);
      } },
    };
    const { fired } = await start(1, given, { database: counting });
    await Promise.all(given.map(({ taskName }) => fired.more(taskName, 1)));
    const before = statements;
    await Promise.all(given.map(({ taskName }) => fired.more(taskName, 2)));
    // Ends are gathered for 20 ms, which may be cut in two.
    expect(statements - before).toBeLessThanOrEqual(2 * 4);
    expect(fired.ticks.length).toBeGreaterThanOrEqual(17 * 3);
  });
});

describe('a runner whose slots cannot be looked after', () => {
  it('keeps no other from its own, and is tried again until they can', async () => {
    await database.em().execute(`alter table tick add constraint no_bad check (runner <> 'Bad') not valid`);
    onTestFinished(async () => {
      await database.em().execute(`alter table tick drop constraint if exists no_bad`);
    });
    const { fired, lines } = await start(1, [{ taskName: 'Bad', schedule: EVERY_SECOND }, { taskName: 'Good', schedule: EVERY_SECOND }]);
    await fired.more('Good', 2);
    expect(fired.of('Bad')).toEqual([]);
    expect(lines).toContain('error: The slots of "Bad" cannot be looked after; trying again.');
    await database.em().execute(`alter table tick drop constraint no_bad`);
    await fired.more('Bad', 1);
  });
});

describe('edits', () => {
  it('a schedule that is off does not fire; switched on, it fires without a restart; switched off, it stops', async () => {
    const { fired, schedulers } = await start(2, [{ taskName: 'Off', schedule: 0.1, initiallyEnabled: false }, METRONOME]);
    const listener = await database.connect('test');
    listener.on('notification', ({ payload }) => schedulers.forEach((scheduler) => void scheduler.reload(payload)));
    await listener.query(`listen ${SCHEDULE_CHANNEL}`);
    await fired.more('Metronome', 3);
    expect(fired.of('Off')).toEqual([]);
    await editSchedule(database.em(), 'Off', { enabled: true }, 'dora');
    await fired.more('Off', 2);
    await editSchedule(database.em(), 'Off', { enabled: false }, 'dora');
    const before = fired.of('Off').length;
    await fired.more('Metronome', 4);
    expect(fired.of('Off')).toHaveLength(before);
    await listener.end();
  });

  it('a daemon that has not heard of an edit does not fire by the old schedule, and learns of it at the next slot', async () => {
    const { fired } = await start(1, [{ taskName: 'Edited', schedule: 0.1 }]);
    await fired.more('Edited', 1);
    await editSchedule(database.em(), 'Edited', { pattern: 'every 0.2 s' }, 'dora');
    const before = fired.of('Edited').length;
    await fired.more('Edited', 3);
    expect(fired.of('Edited').slice(before).filter(({ slot }) => slot.getTime() % 200 !== 0)).toEqual([]);
  });

  it('a row that somebody wrote by hand and that cannot be read stops this runner alone', async () => {
    const { fired, schedulers, lines } = await start(1, [{ taskName: 'Broken', schedule: 0.1 }, METRONOME]);
    await database.em().execute(`update schedule set pattern = 'noon' where runner = 'Broken'`);
    await schedulers[0]!.reload();
    await fired.more('Metronome', 2);
    await schedulers[0]!.reload();
    const errors = lines.filter((line) => line.startsWith('error'));
    expect(errors).toEqual([expect.stringMatching(/^error: The schedule of "Broken" is not fired: A schedule should be/)]);
  });
});

describe('one daemon', () => {
  it('a handler that throws is logged and recorded, and the next slot fires', async () => {
    const { fired, lines, schedulers } = await start(1, [{ taskName: 'Failing', schedule: EVERY_SECOND }, { taskName: 'Failing too', schedule: 0.1 }], {
      onTick: (runner) => {
        throw new Error(`no ${runner.taskName}`);
      },
    });
    await Promise.all([fired.more('Failing', 1), fired.more('Failing too', 3)]);
    await schedulers[0]!.stop();
    await schedulers[0]!.settled();
    for (const runner of ['Failing', 'Failing too']) {
      expect((await ticksOf(database, runner))[0]).toMatchObject({ outcome: 'failed', error: { name: 'Error', message: `no ${runner}` } });
      expect(lines).toContain(`error: A tick of "${runner}" failed: no ${runner}`);
    }
  });

  it('a stop fires nothing more, lets the tick that runs end, and its end is recorded', async () => {
    const { opened, open } = gate();
    const { fired, schedulers } = await start(1, [{ taskName: 'Held', schedule: 0.1 }], { onTick: () => opened.then(() => ({ entries: 4 })) });
    await fired.more('Held', 1);
    await schedulers[0]!.stop();
    let settled = false;
    const settling = schedulers[0]!.settled().then(() => (settled = true));
    expect(await ticksOf(database, 'Held')).toMatchObject([{ outcome: 'running' }]);
    expect(settled).toBe(false);
    open();
    await settling;
    expect(await ticksOf(database, 'Held')).toMatchObject([{ outcome: 'finished', entries: 4 }]);
  });

  it('a slot that is won while the daemon is told to stop is handed back', async () => {
    const { fired, schedulers } = await start(1, [{ taskName: 'Late', schedule: 0.1 }, METRONOME]);
    await fired.more('Late', 1);
    // Locked while no tick runs: what waits for the lock then is the next slot.
    const other = database.em();
    await vi.waitFor(async () => {
      await other.begin();
      const [row] = await other.execute<{ free: boolean }[]>(`select finished_at is not null as free from schedule where runner = 'Late' for update`);
      if (row?.free === true) return;
      await other.rollback();
      throw new Error('a tick runs');
    });
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    await expect.poll(() => database.em().execute(waiting)).toHaveLength(1);
    const before = fired.of('Late').length;
    await schedulers[0]!.stop();
    const settling = schedulers[0]!.settled();
    await other.commit();
    await settling;
    expect(fired.of('Late')).toHaveLength(before);
    expect((await ticksOf(database, 'Late')).at(-1)).toMatchObject({ outcome: 'released', error: { name: 'StoppingError' } });
  });

  it('that stops in the middle of a tick leaves the slot to another one, where the policy is not to skip', async () => {
    const { opened, open } = gate();
    const { fired, schedulers } = await start(2, [{ taskName: 'Nightly', schedule: '*/2 * * * * *', missedSlots: 'once' }], {
      onTick: async () => {
        if (fired.ticks.length > 1) return;
        await opened;
        throw new StoppingError();
      },
    });
    const { slot } = await fired.more('Nightly', 1);
    const first = fired.ticks[0]!.daemonId;
    await schedulers[first - 1]!.stop();
    open();
    await schedulers[first - 1]!.settled();
    await schedulers[2 - first]!.reload('Nightly');
    expect((await fired.more('Nightly', fired.of('Nightly').length > 1 ? 0 : 1)).slot).toEqual(slot);
    expect(fired.ticks.map(({ daemonId }) => daemonId)).toEqual([first, 3 - first]);
  });

  it('says when its clock and that of the database differ', async () => {
    const { fired, lines } = await start(1, [METRONOME], { clock: { ...systemClock, now: () => new Date(Date.now() - 90_000) } });
    await fired.more('Metronome', 3);
    const warnings = lines.filter((line) => line.startsWith('warn'));
    expect(warnings).toEqual([expect.stringMatching(/^warn: This machine's clock is (89|90)\.\d s behind the database's\./)]);
  });
});

describe('processes', () => {
  const processes: ChildProcess[] = [];
  afterEach(() => {
    for (const child of processes.splice(0)) child.kill('SIGKILL');
  });

  it('share the slots, go on when the owner of a tick is killed, and end by themselves when told to stop', { timeout: 60_000 }, async () => {
    const url = urlOf(await createDatabaseAddress());
    const given: GivenRunner[] = [{ taskName: 'Cron', schedule: EVERY_SECOND }, { taskName: 'Endless', schedule: 0.5 }];
    const said: { child: ChildProcess; line: string }[] = [];
    const linesOf = (word: string) => said.filter(({ line }) => line.startsWith(word));
    for (const id of [1, 2, 3]) {
      const child = spawn('node', [fileURLToPath(new URL('./scheduler-process.ts', import.meta.url)), String(id), JSON.stringify(given)], {
        env: { ...process.env, DATABASE_URL: url },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      processes.push(child);
      createInterface(child.stdout).on('line', (line) => said.push({ child, line }));
    }
    await vi.waitFor(() => expect(linesOf('started')).toHaveLength(3), 30_000);
    await vi.waitFor(() => expect(linesOf('Endless')).toHaveLength(1), 5000);

    const owner = linesOf('Endless')[0]!.child;
    owner.kill('SIGKILL');
    await vi.waitFor(() => expect(linesOf('Endless')).toHaveLength(2), 10_000);
    expect(linesOf('Endless')[1]!.child).not.toBe(owner);
    const slotsBefore = linesOf('Cron').length;
    await vi.waitFor(() => expect(linesOf('Cron').length).toBeGreaterThanOrEqual(slotsBefore + 2), 10_000);

    const slots = linesOf('Cron').map(({ line }) => line);
    expect(new Set(slots).size).toBe(slots.length);

    // The one that has no endless tick stops, and nothing keeps its process.
    const free = processes.find((child) => child !== owner && child !== linesOf('Endless')[1]!.child)!;
    free.kill('SIGTERM');
    const [code] = (await once(free, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(said.some(({ child, line }) => child === free && line === 'stopped')).toBe(true);
  });
});
