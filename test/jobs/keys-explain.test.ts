import { beforeAll, expect, it, vi } from 'vitest';
import { readDaemons } from '../../src/db/daemons.ts';
import type { Database } from '../../src/db/database.ts';
import { unsetSetting } from '../../src/db/settings.ts';
import { describeObstacle } from '../../src/engine/explain/describe.ts';
import { explain, type Explanation } from '../../src/engine/explain/obstacles.ts';
import { readSnapshot } from '../../src/engine/explain/snapshot.ts';
import { dynamic, setting } from '../../src/runner/qualifier.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { KeyedJob } from './keyed-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const explained = async ({ id }: { id: string }): Promise<Explanation> => explain(await readSnapshot(database.hot.run, [id]))[0]!;
const said = ({ subject, task, obstacles }: Explanation): string[] => obstacles.map((obstacle) => describeObstacle(obstacle, { subject, task, now: new Date() }));
const addDaemon = async (): Promise<number> =>
  (await database.em().execute<{ id: number }[]>(`insert into daemon (host, machine, pid, process_start, version, concurrency) values ('h', 'm', 7, 's', '1', 4) returning id`))[0]!.id;

it('a job that waits for its turn is told which key, how many may run, and how many come before it', async () => {
  const type = new KeyedJob('Turns', { concurrencyPerKey: 1 });
  const { jobs } = await createJobWorld(database, [type]);
  await addDaemon();
  const [, , third] = [await jobs.enqueue(type, { repo: 'a' }), await jobs.enqueue(type, { repo: 'a' }), await jobs.enqueue(type, { repo: 'a' })];
  const explanation = await explained(third);
  expect(explanation).toMatchObject({ claimable: false, obstacles: [{ kind: 'key', key: 'a', most: 1, ahead: 2 }] });
  expect(said(explanation)).toEqual(['It waits for its turn among the jobs of the key "a", of which 1 may run at once; 2 came before it.']);
});

it('a job that no daemon qualifies for is told why, and so is who looks at the daemons', async () => {
  const type = new KeyedJob('Night', { qualifiers: [setting('night', true)] });
  const { jobs, work } = await createJobWorld(database, [type]);
  await unsetSetting(database.hot.run, 'night');
  const daemonId = await addDaemon();
  const job = await jobs.enqueue(type, { repo: 'a' });
  expect(await explained(job)).toMatchObject({ claimable: true, obstacles: [] });
  await work({ daemonId });
  await vi.waitFor(async () => expect((await explained(job)).obstacles).toHaveLength(1));
  const explanation = await explained(job);
  expect(explanation).toMatchObject({ claimable: true, obstacles: [{ kind: 'unqualified', daemons: [{ daemon: `daemon ${daemonId} (h:7)`, reason: 'The setting "night" is not set, and should be true.' }] }] });
  expect(said(explanation)[0]).toMatch(/^No living daemon that could run it qualifies: daemon \d+ \(h:7\): The setting "night" is not set, and should be true, asked again at .* UTC \(in \d s\); "afterglow settings" lists what is set\.$/);
  expect((await readDaemons(database.em())).find(({ id }) => id === daemonId)!.unqualified).toEqual([{ task: 'Night', key: null, reason: 'The setting "night" is not set, and should be true.' }]);
  // As long as another could do it, it is not in its way.
  await addDaemon();
  expect((await explained(job)).obstacles).toEqual([]);
});

it('a job whose key does not qualify is told so, and one of another key is not', async () => {
  const type = new KeyedJob('Keys', { qualifiers: [dynamic(({ key }) => key === 'open', { name: 'the repository is open', byKey: true })] });
  const { jobs, work } = await createJobWorld(database, [type]);
  const daemonId = await addDaemon();
  await work({ daemonId });
  const [closed, later] = [await jobs.enqueue(type, { repo: 'closed' }), await jobs.enqueue(type, { repo: 'open' }, { delaySeconds: 3600 })];
  await vi.waitFor(async () => expect((await explained(closed)).obstacles.map(({ kind }) => kind)).toEqual(['unqualified']));
  expect((await explained(later)).obstacles.map(({ kind }) => kind)).toEqual(['due']);
});
