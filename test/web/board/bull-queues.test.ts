import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Hono } from 'hono';
import { openQueue, queuePrefix } from '../../../src/bullmq/queues.ts';
import type { Database } from '../../../src/db/database.ts';
import { createBoard } from '../../../src/web/board/board.ts';
import { bullQueues } from '../../../src/web/board/bull-queues.ts';
import { linksOf } from '../../../src/web/links.ts';
import { createWorld } from '../../engine/create-world.ts';
import { createDatabase } from '../../harness.ts';
import { hasRedis, startRedis, type TestRedis } from '../../redis.ts';
import type { ApiQueue } from './given.ts';

let database: Database;
let redis: TestRedis;
beforeAll(async () => {
  database = await createDatabase();
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

describe.skipIf(!hasRedis)('the board of a daemon with BullMQ', () => {
  it('shows what lies in Redis beside the tasks, to look at only', async () => {
    const world = await createWorld(database, { tasks: { 'Host match': {}, Report: { needs: { 'Host match': 'processed' } } } });
    await world.add('a', 'b');
    const place = { redisUrl: redis.url, prefix: await queuePrefix(database.hot.run) };
    const carriers = bullQueues(place);
    const queue = openQueue(place, world.task('Host match').id);
    onTestFinished(async () => {
      await queue.close();
      await carriers.close();
    });
    await queue.waitUntilReady();
    await queue.add('a', { subjectId: '1', taskId: world.task('Host match').id, attempt: 1 });
    const app = new Hono({ strict: false });
    app.route('/board', createBoard({ database, order: [], links: linksOf(''), path: '/board', carriers, validateResponses: true }));
    const { queues } = (await (await app.request('/board/api/queues')).json()) as { queues: (ApiQueue & { readOnlyMode: boolean })[] };
    expect(queues.map(({ displayName }) => displayName)).toEqual(['Host match', 'Report', 'Host match · in BullMQ', 'Report · in BullMQ']);
    expect(queues[2]).toMatchObject({ counts: { waiting: 1 }, readOnlyMode: true });
    const emptied = await app.request(`/board/api/queues/${queues[2]!.name}/empty`, { method: 'PUT' });
    expect(emptied.status).toBeGreaterThanOrEqual(400);
    expect(await queue.getJobCountByTypes('waiting')).toBe(1);
  });
});
