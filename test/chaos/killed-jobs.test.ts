import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabaseAddress } from '../harness.ts';
import { hasRedis, startRedis, type TestRedis } from '../redis.ts';
import { run } from './killed-jobs.ts';

let redis: TestRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

// Ten times as much: `npm run chaos`.
describe('three workers with jobs, scripts and requests, of which two are killed', () => {
  it.each((['local', 'bullmq'] as const).filter((engine) => engine === 'local' || hasRedis))('lose nothing, do nothing twice and leave no process behind: %s', async (engine) => {
    const lines: string[] = [];
    await run({ address: await createDatabaseAddress(), engine, redisUrl: redis?.url, objects: 30, withinSeconds: 60, log: (line) => lines.push(line) });
    expect(lines.at(-1)).toMatch(/^all done; attempts: \d+ finished, \d+ failed, \d+ timed out, [1-9]\d* rescued$/);
  }, 150_000);
});
