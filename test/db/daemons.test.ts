import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readDaemons, unservedTasks } from '../../src/db/daemons.ts';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(() => database.em().execute(`delete from daemon; delete from task`));

/** Adds a daemon that was heard of so many seconds ago, and has stopped then or not. */
const add = (id: number, { silent = 0, stopped = false, labels = [] }: { silent?: number; stopped?: boolean; labels?: string[] } = {}) =>
  database.em().execute(
    `insert into daemon (id, host, machine, pid, process_start, version, concurrency, labels, started_at, heartbeat_at, stopped_at) overriding system value
     select ?, 'observatory', 'm', 4711, 'p', '1.2.3', 8, ?::text[], heard - interval '1 hour', heard, case when ? then heard end
       from (select clock_timestamp() - ? * interval '1 second' as heard) h`,
    [id, `{${labels.join()}}`, stopped, silent],
  );

describe('the daemons', () => {
  it('are listed as alive, then as gone, the latest first; nobody who has been gone for more than a day', async () => {
    await add(5);
    await add(4, { silent: 59 });
    await add(3, { silent: 61 });
    await add(7, { silent: 3600, stopped: true });
    await add(6, { stopped: true });
    await add(1, { silent: 90_000 });
    await add(2, { silent: 90_000, stopped: true });
    expect((await readDaemons(database.em())).map(({ id, state }) => [id, state])).toEqual([[4, 'alive'], [5, 'alive'], [7, 'stopped'], [6, 'stopped'], [3, 'silent']]);
  });

  it('are told of with what their hearts said, and for how long they have been up and silent', async () => {
    await add(1, { silent: 5, labels: ['gpu'] });
    await add(2, { silent: 50, stopped: true });
    await database.em().execute(`update daemon set role = 'worker', running = 3, rss_bytes = 4294967296, cpu_load = 0.25, clock_skew_seconds = -1.5, troubles = array['slow'] where id = 1`);
    const [worker, gone] = await readDaemons(database.em());
    expect(worker).toMatchObject({
      role: 'worker', state: 'alive', host: 'observatory', pid: 4711, version: '1.2.3', engine: 'local', labels: ['gpu'], running: 3, concurrency: 8, rssBytes: 4_294_967_296,
      cpuLoad: 0.25, clockSkewSeconds: -1.5, troubles: ['slow'], stoppedAt: null, silentSeconds: expect.closeTo(5, 0), upSeconds: expect.closeTo(3605, 0),
    });
    expect(gone).toMatchObject({ role: 'daemon', state: 'stopped', rssBytes: null, silentSeconds: expect.closeTo(50, 0), upSeconds: expect.closeTo(3600, 0), stoppedAt: gone!.heartbeatAt });
  });
});

describe('a task that nobody can run', () => {
  it('is one that is active and requires labels that no living daemon has together', async () => {
    await database.em().execute(`insert into task (name, kind, requires, active) values ('Plain', 'transient', '{}', true), ('Both', 'transient', '{gpu,memory}', true), ('One', 'transient', '{gpu}', true), ('Off', 'transient', '{gpu}', false)`);
    await add(1, { labels: ['gpu'], silent: 61 });
    await add(2, { labels: ['memory', 'gpu'], stopped: true });
    await add(3, { labels: ['memory'] });
    expect(await unservedTasks(database.em())).toEqual([{ task: 'Both', requires: ['gpu', 'memory'] }, { task: 'One', requires: ['gpu'] }]);
    await add(4, { labels: ['gpu'] });
    expect(await unservedTasks(database.em())).toEqual([{ task: 'Both', requires: ['gpu', 'memory'] }]);
    await add(5, { labels: ['fast', 'memory', 'gpu'] });
    expect(await unservedTasks(database.em())).toEqual([]);
  });
});
