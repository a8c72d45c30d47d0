import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { setSetting, unsetSetting } from '../../src/db/settings.ts';
import type { Engine } from '../../src/engine/port.ts';
import { dynamic, label, setting, settingUnset } from '../../src/runner/qualifier.ts';
import { step } from '../../src/runner/jobs.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld, type JobWorld } from '../jobs/job-world.ts';
import { KeyedJob } from '../jobs/keyed-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const set = (name: string, value: boolean | string | number) => setSetting(database.hot.run, name, value, 'test');
const written = () => database.em().execute<{ daemon_id: number; key: string; reason: string; failures: number; wait: number }[]>(
  `select daemon_id, key, reason, failures, round(extract(epoch from again_at - clock_timestamp()))::integer as wait from unqualified order by daemon_id, key`,
);
const states = async ({ jobs }: JobWorld, name: string) => (await jobs.list({ names: [name] })).map(({ state }) => state).toReversed();
const taskId = async (name: string) => (await database.em().execute<{ id: number }[]>(`select id from task where name = ?`, [name]))[0]!.id;
const looked = async (engine: Engine, name: string) => vi.waitFor(async () => expect(engine.unqualified(await taskId(name))).toBeDefined());

describe('a task that does not qualify', () => {
  it('is not run, says why, and disturbs no other; it is run at once when the setting is changed', async () => {
    const [night, day] = [new KeyedJob('Night', { qualifiers: [setting('night', true)] }), new KeyedJob('Day', { qualifiers: [settingUnset('night')] })];
    const world = await createJobWorld(database, [night, day]);
    await unsetSetting(database.hot.run, 'night');
    const { engine } = await world.work();
    const job = await world.jobs.enqueue(night, { n: 1 });
    await world.jobs.wait(await world.jobs.enqueue(day, { n: 2 }), { timeoutSeconds: 10 });
    await looked(engine, 'Night');
    expect(engine.unqualified(await taskId('Night'))).toBe('The setting "night" is not set, and should be true.');
    expect(await written()).toEqual([{ daemon_id: 1, key: '', reason: 'The setting "night" is not set, and should be true.', failures: 1, wait: 5 }]);
    await set('night', true);
    await engine.settingsChanged();
    await world.jobs.wait(job, { timeoutSeconds: 10 });
    expect(engine.unqualified(await taskId('Night'))).toBeUndefined();
    expect((await world.entry(job.id)).attempt).toBe(1);
    await world.jobs.enqueue(day, { n: 3 });
    await looked(engine, 'Day');
    expect((await written()).map(({ reason }) => reason)).toEqual(['The setting "night" is true, and should not be set.']);
  });

  it('is looked at again by itself, after a wait that grows with every failure', async () => {
    const [asked, startedMs] = [[] as number[], performance.now()];
    const flaky = new KeyedJob('Flaky', { qualifiers: [dynamic(() => asked.push(performance.now() - startedMs) > 5)] });
    const world = await createJobWorld(database, [flaky]);
    const { engine } = await world.work({ recheckSeconds: 0.04 });
    const job = await world.jobs.enqueue(flaky, { n: 1 });
    // Wakes change nothing of it.
    for (let n = 0; n < 20; n += 1) await engine.wake();
    await world.jobs.wait(job, { timeoutSeconds: 10 });
    // 0.04 s, 0.08 s, 0.12 s, 0.16 s and 0.2 s.
    expect(asked[5]! - asked[0]!).toBeGreaterThan(600);
    expect(await written()).toEqual([]);
  });

  it('whose predicate gives no boolean is named in the log, and others go on', async () => {
    const [wrong, right] = [new KeyedJob('Wrong', { qualifiers: [setting('x', () => 'yes' as unknown as boolean)] }), new KeyedJob('Right', {})];
    const world = await createJobWorld(database, [wrong, right]);
    const { engine, lines } = await world.work();
    const job = await world.jobs.enqueue(wrong, { n: 1 });
    await world.jobs.wait(await world.jobs.enqueue(right, { n: 2 }), { timeoutSeconds: 10 });
    await looked(engine, 'Wrong');
    expect((await world.entry(job.id)).status).toBe('not processed');
    expect(lines.find(({ msg }) => msg === 'a qualifier is at fault')).toMatchObject({ task: 'Wrong', err: { message: 'Of the qualifiers of "Wrong", the setting "x" gave "yes", not true or false.' } });
  });

  it('may qualify on one daemon and not on another, by its labels and its environment', async () => {
    const type = new KeyedJob('Where', { qualifiers: [label('gpu'), setting('night.mode', 'deep')] });
    const world = await createJobWorld(database, [type]);
    await set('night.mode', 'shallow');
    const plain = await world.work({ daemonId: 1, environment: {} });
    const labelled = await world.work({ daemonId: 2, labels: ['gpu'], environment: {} });
    const job = await world.jobs.enqueue(type, { n: 1 });
    await looked(plain.engine, 'Where');
    await looked(labelled.engine, 'Where');
    expect((await written()).map(({ reason }) => reason)).toEqual(['The daemon has not the label "gpu".', 'The setting "night.mode" is "shallow", and should be "deep".']);
    await world.work({ daemonId: 3, labels: ['gpu'], environment: { AFTERGLOW_SETTING_NIGHT_MODE: 'deep' } });
    await world.jobs.wait(job, { timeoutSeconds: 10 });
  });

  it('takes back what it wrote when its daemon stops', async () => {
    const type = new KeyedJob('Stops', { qualifiers: [dynamic(() => false)] });
    const world = await createJobWorld(database, [type]);
    const { engine } = await world.work();
    await looked(engine, 'Stops');
    expect(await written()).toHaveLength(1);
    await engine.stop(0);
    expect(await written()).toEqual([]);
  });
});

describe('a qualifier that goes by arguments', () => {
  const open = new Set<string>();
  const isOpen = dynamic(({ key, args }) => open.has(key!) && (args as { repo: string }).repo === key, { name: 'the repository is open', byKey: true });

  it('Fd7: leaves the jobs of a key waiting, however many, while those of other keys go on', { timeout: 20_000 }, async () => {
    open.clear();
    open.add('b');
    const type = new KeyedJob('By key', { qualifiers: [isOpen] });
    const world = await createJobWorld(database, [type]);
    await world.jobs.group([...Array.from({ length: 500 }, (_, n) => step(type, { repo: n % 2 === 0 ? 'a' : 'c', n })), ...Array.from({ length: 10 }, (_, n) => step(type, { repo: 'b', n }))]);
    await world.work({ concurrency: 3 });
    await vi.waitFor(() => expect(type.runs).toHaveLength(10), { timeout: 10_000 });
    expect(type.runs.every(({ repo }) => repo === 'b')).toBe(true);
    expect((await written()).map(({ key, reason }) => [key, reason])).toEqual([['key a', 'The repository is open does not hold.'], ['key c', 'The repository is open does not hold.']]);
  });

  it('keeps the order of a key, and is asked again at once when a setting changes', async () => {
    open.clear();
    const type = new KeyedJob('Order', { qualifiers: [isOpen], concurrencyPerKey: 1 });
    const world = await createJobWorld(database, [type]);
    const { engine } = await world.work({ concurrency: 8 });
    for (let n = 0; n < 6; n += 1) await world.jobs.enqueue(type, { repo: 'a', n });
    await looked(engine, 'Order');
    open.add('a');
    await engine.settingsChanged();
    await vi.waitFor(() => expect(type.runs).toHaveLength(6));
    expect(type.runs.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await written()).toEqual([]);
  });

  it('asks for each job where a job has no key, and forgets those that were cancelled', async () => {
    const type = new KeyedJob('No key', { qualifiers: [dynamic(({ args }) => (args as { n: number }).n % 2 === 0, { byKey: true })] });
    const world = await createJobWorld(database, [type]);
    const { engine } = await world.work({ recheckSeconds: 0.05 });
    const odd = await world.jobs.enqueue(type, { n: 1 });
    await world.jobs.wait(await world.jobs.enqueue(type, { n: 2 }), { timeoutSeconds: 10 });
    await vi.waitFor(async () => expect((await written()).map(({ key }) => key)).toEqual([`id ${odd.id}`]));
    await world.jobs.cancel(odd, 'not needed');
    await vi.waitFor(async () => {
      await engine.wake();
      expect(await written()).toEqual([]);
    });
    expect(await states(world, 'No key')).toEqual(['cancelled', 'completed']);
  });

  it('goes with a concurrency, and several daemons', { timeout: 20_000 }, async () => {
    open.clear();
    open.add('b').add('c');
    class Limited extends KeyedJob {
      override readonly concurrency = 3;
    }
    const type = new Limited('Limited', { qualifiers: [isOpen] }, () => new Promise((resolve) => setTimeout(resolve, 2)));
    const world = await createJobWorld(database, [type]);
    await world.jobs.group(Array.from({ length: 90 }, (_, n) => step(type, { repo: 'abc'[n % 3]!, n })));
    for (const daemonId of [1, 2]) await world.work({ daemonId, concurrency: 10 });
    await vi.waitFor(() => expect(type.runs).toHaveLength(60), { timeout: 10_000 });
    expect(type.most.get('all')).toBeLessThanOrEqual(3);
    expect(type.runs.some(({ repo }) => repo === 'a')).toBe(false);
  });
});
