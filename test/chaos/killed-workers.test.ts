import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabaseAddress } from '../harness.ts';
import { hasRedis, startRedis, type TestRedis } from '../redis.ts';
import { run } from './killed-workers.ts';

let redis: TestRedis | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

// Five times as much, and more: `npm run chaos`.
describe('three workers of which two are killed', () => {
  it.each((['local', 'bullmq'] as const).filter((engine) => engine === 'local' || hasRedis))('bring every entry to its end once, prerequisites first: %s', async (engine) => {
    const lines: string[] = [];
    await run({ address: await createDatabaseAddress(), engine, redisUrl: redis?.url, objects: 30, withinSeconds: 60, log: (line) => lines.push(line) });
    expect(lines.at(-1)).toMatch(/^120 entries done; attempts: 120 finished, \d+ failed, \d+ timed out, [1-9]\d* rescued$/);
  }, 150_000);
});
