import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/db/database.ts';
import { cancelEntry } from '../../../src/engine/cancel.ts';
import { CAN_RUN, describeObstacle, describeRoots } from '../../../src/engine/explain/describe.ts';
import { explain, type Explanation, type RunnerFacts } from '../../../src/engine/explain/obstacles.ts';
import { readSnapshot } from '../../../src/engine/explain/snapshot.ts';
import { placeHolds } from '../../../src/engine/hold.ts';
import { ServiceError } from '../../../src/errors.ts';
import { createDatabase } from '../../harness.ts';
import { createWorld } from '../create-world.ts';
import { throws } from '../scripted-runner.ts';
import type { GivenTask, World } from '../world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** A world with one object, and a daemon that is alive. */
async function given<Name extends string>(tasks: Record<Name, GivenTask>, daemon: { labels?: string[]; running?: number } = {}): Promise<World<Name>> {
  const world = await createWorld(database, { tasks });
  await database.em().execute(`delete from resource`);
  await world.add('a');
  await database.em().execute(
    `insert into daemon (host, machine, pid, process_start, version, concurrency, running, labels) values ('h', 'm', 7, 's', '1', 4, ?, ?::text[])`, [daemon.running ?? 0, `{${(daemon.labels ?? []).join()}}`],
  );
  return world;
}
async function all(runners?: ReadonlyMap<string, RunnerFacts>): Promise<Explanation[]> {
  return explain(await readSnapshot(database.hot.run, ['a']), runners);
}
const of = async (task: string, runners?: ReadonlyMap<string, RunnerFacts>): Promise<Explanation> => (await all(runners)).find((one) => one.task === task)!;
/** In words; the same spans whenever it runs. */
const said = async (task: string, runners?: ReadonlyMap<string, RunnerFacts>): Promise<string[]> => {
  const explanation = await of(task, runners);
  const { subject, obstacles } = explanation;
  const now = new Date();
  const texts = [...obstacles.map((obstacle) => describeObstacle(obstacle, { subject, task, now })), ...describeRoots(explanation, now)];
  return texts.map((text) => text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \((?:\d+ \w+ ago|in 0 s)\)/g, 'NOW').replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'THEN'));
};
const sql = (text: string, params: unknown[] = []) => database.em().execute(text, params);

const CHAIN = { One: {}, Two: { needs: { One: 'processed' } }, Three: { needs: { Two: 'processed' } }, Four: { needs: { Three: 'processed', Two: 'processed' } } } satisfies Record<string, GivenTask>;

describe('an explanation', () => {
  it('of an entry with nothing in its way is that it can run', async () => {
    await given(CHAIN);
    expect(await of('One')).toEqual({ subject: 'a', task: 'One', kind: 'transient', status: 'not processed', type: 'blank', claimable: true, obstacles: [], roots: [] });
    expect(CAN_RUN).toContain('It can run now');
  });

  it('names the act that has it done again, for a job and a script of a run too', async () => {
    const world = await given(CHAIN);
    world.runner('One').does(throws(new Error('no such catalogue')));
    await world.engine().work();
    const [done] = (await of('One')).obstacles;
    const act = (kind: string) => describeObstacle(done!, { subject: '17', task: 'One', kind, now: new Date() });
    expect(act('transient')).toMatch(/; "afterglow retry --transient 17 --task One" has it done again\.$/);
    expect(act('job:One')).toMatch(/; "afterglow jobs requeue 17" has it done again\.$/);
    expect(act('run:housing:1f')).toMatch(/; the same "afterglow run-jobs" does it again\.$/);
  });

  it('of a script of a run is that no process works on the run, where that is so, whatever daemons and runners there are', async () => {
    await given({ One: {}, Two: { needs: { One: 'processed' } } });
    const id = (await sql(`select id from subject where name = 'a'`) as { id: string }[])[0]!.id;
    await sql(`insert into run (subject_id, name, number, file, plan, jobs, tasks, process, daemon_id) values (?, 'housing', 1, 'jobs.json', '[]', 1, 2, '{}', (select id from daemon))`, [id]);
    const none: ReadonlyMap<string, RunnerFacts> = new Map();
    expect(await said('One', none)).toEqual([]);
    await sql(`update daemon set heartbeat_at = now() - interval '1 hour'`);
    await sql(`insert into daemon (host, machine, pid, process_start, version, concurrency) values ('h', 'm', 8, 's', '1', 4)`);
    expect(await said('One', none)).toEqual(['No process works on this run; the same "afterglow run-jobs" goes on where it was.']);
    expect((await said('Two', none)).at(-1)).toBe('It comes down to "One": no process works on this run; the same "afterglow run-jobs" goes on where it was.');
    await sql(`update task_register set due_at = now() + interval '1 minute' where task_id = (select id from task where name = 'One')`);
    const [due] = (await of('One', none)).obstacles;
    expect(describeObstacle(due!, { subject: 'a', task: 'One', kind: 'run:housing:1f', now: new Date() })).toMatch(/^It waits until [^;]*\.$/);
    // One that was killed in the middle still has its lease.
    await sql(`update task_register set due_at = null, status_id = 2, lease_owner = (select min(id) from daemon), lease_until = now() + interval '9 s', attempt = 1, cause = 'claim' where task_id = (select id from task where name = 'One')`);
    expect((await of('One', none)).obstacles.map(({ kind }) => kind)).toEqual(['running', 'no run']);
  });

  it('follows prerequisites to what they come down to, once each', async () => {
    const world = await given(CHAIN);
    expect(await said('Four')).toEqual([
      'It waits for "Two" to be "processed"; that is "not processed" since NOW.', 'It waits for "Three" to be "processed"; that is "not processed" since NOW.',
      'It comes down to "One": it can run now: the next look at the register takes it.',
    ]);
    world.runner('One').does(throws(new Error('no such catalogue')));
    await world.engine().work();
    expect(await said('Three')).toEqual([
      'It waits for "Two" to be "processed"; that is "not processed" since NOW.',
      'It comes down to "One": it failed at NOW, of the science: no such catalogue; "afterglow retry --transient a --task One" has it done again.',
    ]);
    expect((await of('Three')).roots).toMatchObject([{ task: 'One', status: 'failed', obstacles: [{ kind: 'done', type: 'error', failure: 'science' }] }]);
  });

  it('names all statuses that would do, and is silent when one of them is there', async () => {
    const world = await given({ One: {}, Two: { needs: { One: ['processed', 'no host', 'needs a look'] } } });
    expect((await said('Two'))[0]).toBe('It waits for "One" to be "processed", "no host" or "needs a look"; that is "not processed" since NOW.');
    expect((await of('Two')).obstacles).toMatchObject([{ kind: 'prerequisite', wanted: ['processed', 'no host', 'needs a look'] }]);
    await world.put('a', 'One', 'no host');
    expect(await of('Two')).toMatchObject({ claimable: true, obstacles: [] });
  });

  it('names a status that went another way than was waited for', async () => {
    const world = await given({ One: {}, Two: { needs: { One: 'no host' } } });
    await world.put('a', 'One', 'processed');
    expect(await said('Two')).toEqual(['It waits for "One" to be "no host"; that is "processed" since NOW.', 'It comes down to "One": it is done since NOW.']);
    expect(await said('One')).toEqual(['It is done since NOW.']);
    await world.put('a', 'One', 'needs a look');
    expect(await said('One')).toEqual(['It is "needs a look" since NOW, and is run from "not processed".']);
  });

  it('names a result that ends the way of its object', async () => {
    const world = await given({ One: { does: () => 'no host' }, Two: { needs: { One: 'processed' } } });
    await world.engine().work();
    expect((await said('Two'))[1]).toBe('It comes down to "One": it came to "no host" at NOW, which is final until a person says otherwise; "afterglow retry --transient a --task One" has it done again.');
  });

  it('tells who runs it, since when, how far it is, and who wants it stopped', async () => {
    const world = await given({ One: {} });
    const [daemon] = await sql(`select id from daemon`) as { id: number }[];
    await world.put('a', 'One', 'processing', { owner: daemon!.id, seconds: 50 });
    await sql(`update attempt set progress = 0.25`);
    await cancelEntry(database, { subject: 'a', task: 'One', reason: 'wrong image', by: 'dora' });
    const { obstacles, claimable } = await of('One');
    expect(claimable).toBe(false);
    expect(obstacles).toMatchObject([{ kind: 'running', attempt: 1, by: `daemon ${daemon!.id} (h:7)`, progress: 0.25, cancelledBy: 'dora' }, { kind: 'hold', task: 'One', by: 'dora' }]);
    expect((await said('One'))[0]).toMatch(/^It runs: attempt 1 on daemon \d+ \(h:7\), since NOW, 25 % done; its lease lasts another \d+ s; dora wants it stopped: wrong image\.$/);
    await sql(`update task_register set lease_until = clock_timestamp() - interval '5 min'`);
    expect((await said('One'))[0]).toContain('its lease ran out 5 min ago, so that it will be taken back');
  });

  it('tells all at once: holds, the task switched off, its window, and what it is due for', async () => {
    await given({ 'Host match': {} });
    await placeHolds(database, { subjects: ['a'], reason: 'bad field', by: 'dora' });
    await placeHolds(database, { subjects: ['a'], task: 'Host match', reason: 'wait for redshift', by: 'emil', until: 7200.5 });
    await sql(`insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled, edited_by) values ('Host match', 'every 60 s', 'UTC', false, 'every 60 s', 'UTC', true, 'frida')`);
    await sql(`update task set active = false, window_from = (clock_timestamp() at time zone 'UTC' + interval '3 h')::time(0), window_to = (clock_timestamp() at time zone 'UTC' + interval '4 h')::time(0)`);
    await sql(`update task_register set due_at = clock_timestamp() + interval '1 h 20 s', setbacks = 2, reason = 'TNS says 429.', waits_for = 'tns'`);
    expect((await said('Host match')).map((text) => text.replaceAll(/\d\d:\d\d:\d\d/g, 'TIME'))).toEqual([
      'Its object is held by dora since NOW: bad field; "afterglow unhold a" lets it go.',
      'It is held by emil since NOW: wait for redshift; until THEN (in 2 h); "afterglow unhold a \'Host match\'" lets it go.',
      '"Host match" is not active in the fixtures.',
      'The schedule of "Host match" is switched off by frida, which pauses it; the board switches it on.',
      '"Host match" runs from TIME to TIME (UTC) alone; that begins at THEN (in 3 h).',
      'It waits until THEN (in 60 min) for "tns", for attempt 3 of 5: TNS says 429; "afterglow retry --transient a --task \'Host match\'" has it done now.',
    ]);
  });

  it('tells of a service that does not answer: how long it is left alone, then who tries', async () => {
    const world = await given({ One: {}, Two: {} });
    await world.add('b');
    await sql(`insert into resource (name, state, open_until, cooling_seconds, last_error) values ('tns', 'open', clock_timestamp() + interval '40.2 s', 40, '503')`);
    await sql(`insert into task_use select id, 'tns', 1 from task`);
    expect(await said('One')).toEqual(['"tns" does not answer (503); it is left alone for another 40 s.']);
    await sql(`update resource set open_until = clock_timestamp() - interval '1 s'`);
    expect((await of('One')).claimable).toBe(true);
    await world.put('b', 'Two', 'processing');
    expect(await said('One')).toEqual(['"tns" did not answer (503); "Two" of b tries whether it does again.']);
  });

  it('tells which limit is full, and how many come before where there is room', async () => {
    const world = await given({ One: {} });
    await world.add('b', { name: 'c', at: '2026-01-01' });
    await sql(`insert into resource (name, concurrency, per_minute) values ('tns', 3, 10)`);
    await sql(`insert into task_use select id, 'tns', 2 from task`);
    await sql(`update task set concurrency = 5`);
    expect(await said('One')).toEqual(['There is room for 1 more ("tns", of which there are 3); eligible before it: 1.']);
    await world.put('b', 'One', 'processing');
    await sql(`update task set concurrency = 1`);
    await sql(`insert into resource_start values ('tns', clock_timestamp() - interval '20 s', 9)`);
    expect(await said('One')).toEqual([
      'Of "One", 1 run, and at most 1 may at once.', 'Of "tns", 2 of 3 are taken.', expect.stringMatching(/^Of "tns", 9 of 10 were started within the last minute; again in \d+ s\.$/),
    ]);
  });

  it('tells that nobody is there who would run it: no daemon, no label, no place, no runner, an old one, or one that waits for its schedule', async () => {
    const world = await given({ One: {} }, { labels: ['gpu'] });
    await sql(`update task set requires = '{gpu,fast}'`);
    expect(await of('One')).toMatchObject({ claimable: true, obstacles: [{ kind: 'labels', requires: ['gpu', 'fast'] }] });
    expect(await said('One')).toEqual(['No living daemon has the label "gpu" and the label "fast", which "One" requires; start a worker with --label gpu --label fast.']);
    await sql(`update task set requires = '{gpu}'`);
    await sql(`update daemon set running = 4`);
    expect(await said('One')).toEqual(['All 4 places of the daemons that can run it are taken.']);
    await sql(`update daemon set heartbeat_at = clock_timestamp() - interval '1 h'`);
    expect(await said('One')).toEqual(['No daemon is alive; "afterglow start" starts one.']);
    await sql(`update daemon set heartbeat_at = clock_timestamp(), running = 0`);
    expect(await said('One', new Map())).toEqual(['No runner here does "One".']);
    expect(await said('One', new Map([['One', { version: 7, wakes: 'on schedule' as const }]]))).toEqual(['"One" works only when its schedule fires.']);
    await sql(`update task set runner_version = 8`);
    expect(await of('One', new Map([['One', world.runner('One')]]))).toMatchObject({ claimable: false, obstacles: [{ kind: 'outdated', needed: 8, here: 7 }] });
  });

  it('tells why an entry waits after its service failed, as the daemon wrote it', async () => {
    const world = await given({ One: { does: throws(new ServiceError('tns', 'TNS says 429.')) } });
    await world.engine({ random: () => 0.99 }).work();
    expect(await of('One')).toMatchObject({ claimable: false, obstacles: [{ kind: 'due', isOver: false, reason: 'TNS says 429.', setbacks: 1, mostAttempts: 5 }] });
    await sql(`update task_register set due_at = clock_timestamp() - interval '1 s'`);
    expect(await said('One')).toEqual(['It waited until NOW, for attempt 2 of 5: TNS says 429; a daemon lets it go within seconds.']);
  });
});
