import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/db/database.ts';
import { createWorld } from '../../engine/create-world.ts';
import { createDatabase } from '../../harness.ts';
import { addDaemon, addSystemTask } from '../given.ts';
import { givenBoard } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

interface Node {
  id: string;
  name: string;
  state: string;
  queueName: string;
  children: Node[];
  dependencies?: object;
  truncated?: boolean;
}
type Tree = { [queue: string]: Tree };
const tree = (node: Node): Tree => ({ [node.queueName]: Object.assign({}, ...node.children.map(tree)) as Tree });

describe('the flow of an object', () => {
  const DIAMOND = { A: {}, B: { needs: { A: 'processed' } }, C: { needs: { A: 'processed' } }, D: { needs: { B: 'processed', C: 'processed', A: 'processed' } }, Alone: {} };
  const flow = (board: ReturnType<typeof givenBoard>, task: string, query = '') =>
    board.get<{ isFlowNode: boolean; flowRoot: Node | null }>(`/queues/${task}/2010a/flow${query}`);

  it('is the whole graph, whichever of its tasks is asked about', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('2010a', '2010b');
    await world.put('2010a', 'A', 'processed');
    await world.put('2010a', 'B', 'no host');
    const board = givenBoard(database, Object.keys(DIAMOND));
    for (const task of ['A', 'B', 'C', 'D']) {
      const { isFlowNode, flowRoot } = await flow(board, task);
      expect(isFlowNode).toBe(true);
      expect(tree(flowRoot!)).toEqual({ D: { B: { A: {} }, C: { A: {} } } });
    }
    const { flowRoot } = await flow(board, 'D');
    expect(flowRoot).toMatchObject({ id: '2010a', name: 'not processed', state: 'waiting-children', dependencies: { processed: 0, unprocessed: 1, failed: 1 } });
    expect(flowRoot!.children[0]).toMatchObject({ queueName: 'B', name: 'no host', state: 'failed' });
    expect(JSON.stringify(flowRoot)).not.toContain('truncated');
  });

  it('may be asked for one level at a time', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('2010a');
    const { flowRoot } = await flow(givenBoard(database, Object.keys(DIAMOND)), 'D', '?root=node&depth=2');
    expect(tree(flowRoot!)).toEqual({ D: { B: {}, C: {} } });
    expect(flowRoot!.children.every(({ truncated }) => truncated)).toBe(true);
  });

  it('is no flow for a task that stands alone', async () => {
    const world = await createWorld(database, { tasks: DIAMOND });
    await world.add('2010a');
    expect(await flow(givenBoard(database, Object.keys(DIAMOND)), 'Alone')).toMatchObject({ isFlowNode: false });
  });

  it('has no circles, though a task may wait for another not to have begun', async () => {
    const world = await createWorld(database, { tasks: { A: { needs: { B: 'not processed' } }, B: { needs: { A: 'processed' } } } });
    await world.add('2010a');
    const board = givenBoard(database, ['A', 'B']);
    for (const task of ['A', 'B']) expect(tree((await flow(board, task)).flowRoot!)).toEqual({ B: { A: {} } });
  });

  it('ends for a graph with more paths than could be drawn', async () => {
    const layer = (level: number) => [0, 1, 2, 3].map((place) => `L${level}P${place}`);
    const names = Array.from({ length: 10 }, (_, level) => layer(level)).flat();
    const tasks = Object.fromEntries(names.map((name) => [name, { needs: Object.fromEntries(name.startsWith('L0') ? [] : layer(Number(name[1]) - 1).map((below) => [below, 'processed'])) }]));
    const world = await createWorld(database, { tasks });
    await world.add('2010a');
    const { flowRoot } = await flow(givenBoard(database, names), 'L9P0');
    expect(flowRoot!.queueName).toBe('L9P0');
    expect(flowRoot!.children).toHaveLength(4);
  });
});

describe('the throughput', () => {
  it('counts what ended in each minute, the present one beyond the total of those before', async () => {
    const world = await createWorld(database, { tasks: { Match: {}, Report: {} } });
    await world.add('a', 'b', 'c', 'd');
    world.runner('Match').on('b', () => 'no host').on('c', () => 'no host').on('d', () => 'processed');
    await world.engine().work();
    await database.em().execute(`update transition set at = date_trunc('minute', now()) - interval '3 minutes 30 seconds' where from_id = 2 and subject_id = (select id from subject where name = 'c')`);
    await database.em().execute(`update transition set at = now() - interval '5 hours' where from_id = 2 and subject_id = (select id from subject where name = 'd')`);
    await addSystemTask(database, 'Prune', [{ outcome: 'finished' }, { outcome: 'failed' }, { outcome: 'running' }]);
    const board = givenBoard(database);
    const metrics = (queue: string) => board.get<Record<'completed' | 'failed', { meta: { count: number; prevCount: number }; data: number[]; count: number }>>(`/queues/${queue}/metrics`);
    const { completed, failed } = await metrics('Match');
    expect([completed.data.length, completed.meta.count, failed.meta.count]).toEqual([119, 1, 2]);
    // The minute may end between the run and the question.
    expect(failed.data.slice(0, 6).reduce((sum, n) => sum + n, failed.meta.count - failed.meta.prevCount)).toBe(2);
    expect(failed.data.slice(2, 5).some((n) => n === 1)).toBe(true);
    expect([(await metrics('Prune')).completed.meta.count, (await metrics('Prune')).failed.meta.count]).toEqual([1, 1]);
  });

  it('does not count what was handed back', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    await world.put('a', 'Match', 'processing');
    await database.em().execute(`update task_register set status_id = 1, cause = 'release', actor = 'given'`);
    expect(await givenBoard(database).get('/queues/Match/metrics')).toMatchObject({ completed: { meta: { count: 0 } }, failed: { meta: { count: 0 } } });
  });
});

describe('the daemons', () => {
  it('that are alive are the workers of every queue', async () => {
    await createWorld(database, { tasks: { Match: {}, Report: {} } });
    await addDaemon(database, { id: 3 });
    await addDaemon(database, { id: 4, silentSeconds: 600 });
    await addDaemon(database, { id: 5 });
    await database.em().execute(`update daemon set stopped_at = now() where id = 5`);
    const board = givenBoard(database);
    expect((await board.queues()).map(({ hasWorkers }) => hasWorkers)).toEqual([true, true]);
    expect(await board.get('/queues/Report/workers')).toEqual({ workers: [{ id: '3', name: 'daemon 3 (Afterglow 1.2.3)', addr: 'observatory:4711', age: 0 }] });
  });

  it('are shown with their labels where they can work: with the labels that the task requires, and workers not where there is no object', async () => {
    await createWorld(database, { tasks: { Match: {}, Fit: {}, Load: { kind: 'system' } } });
    await database.em().execute(`update task set requires = '{gpu}' where name = 'Fit'`);
    await addDaemon(database, { id: 3 });
    await addDaemon(database, { id: 4, role: 'worker', labels: ['gpu', 'fast'] });
    const board = givenBoard(database);
    const names = async (queue: string) => ((await board.get(`/queues/${queue}/workers`)) as { workers: { name: string }[] }).workers.map(({ name }) => name);
    const [daemon, worker] = ['daemon 3 (Afterglow 1.2.3)', 'worker 4 [gpu, fast] (Afterglow 1.2.3)'];
    expect([await names('Match'), await names('Fit'), await names('Load')]).toEqual([[daemon, worker], [worker], [daemon]]);
  });

  it('none: the board says so', async () => {
    await createWorld(database, { tasks: { Match: {} } });
    expect((await givenBoard(database).queues())[0]!.hasWorkers).toBe(false);
  });
});

it('the details of the database are those of PostgreSQL', async () => {
  await createWorld(database, { tasks: { Match: {} } });
  const stats = await givenBoard(database).get<{ backend: string; version: string; clients: { connected: number } }>('/redis/stats');
  expect(stats.backend).toBe('postgres');
  expect(Number.parseInt(stats.version, 10)).toBeGreaterThanOrEqual(15);
  expect(stats.clients.connected).toBeGreaterThan(0);
});

describe("the board's page", () => {
  it('asks no other machine for anything', async () => {
    const { app } = givenBoard(database);
    const html = await (await app.request('/board/')).text();
    expect(html).toContain('<title>Afterglow</title>');
    expect(html).toContain('href="/assets/board.css"');
    expect([...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, url]) => url!).filter((url) => /^(https?:)?\/\//.test(url))).toEqual([]);
  });

  it('is where its address with a slash leads to', async () => {
    const { app } = givenBoard(database);
    const reply = await app.request('/board');
    expect([reply.status, reply.headers.get('location')]).toEqual([302, '/board/']);
  });

  it('uses our words', async () => {
    const { app } = givenBoard(database);
    const words = (await (await app.request('/board/static/locales/en-US/messages.json')).json()) as { QUEUE: { STATUS: Record<string, string>; INFO: Record<string, string> } };
    expect(words.QUEUE.STATUS).toMatchObject({ WAITING: 'Ready', 'WAITING-CHILDREN': 'Waiting for others', FAILED: 'Failed' });
    expect(words.QUEUE.INFO.STATE).toBe('State');
  });

  it('has files that are kept for long, and none from elsewhere in the file system', async () => {
    const { app } = givenBoard(database);
    const html = await (await app.request('/board/')).text();
    const script = await app.request(`/board/${/src="(static\/js\/main[^"]+)"/.exec(html)![1]}`);
    expect([script.status, script.headers.get('cache-control'), script.headers.get('content-type')]).toEqual([200, 'public, max-age=31536000, immutable', 'text/javascript; charset=utf-8']);
    await script.body?.cancel();
    for (const url of ['/board/static/..%2f..%2fpackage.json', '/board/static/%2e%2e%2findex.ejs', '/board/static/', '/board/static/nothing.js']) expect((await app.request(url)).status, url).toBe(404);
  });
});
