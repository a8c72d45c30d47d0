import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import { JobRunner } from '../../src/runner/job.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

class Shout extends JobRunner<{ text: string }, string> {
  readonly taskName = 'Shout';
  readonly args = z.object({ text: z.string() });
  override readonly result = z.string();
  run({ text }: { text: string }): string {
    return text.toUpperCase();
  }
}
const shout = new Shout();

describe('a job', () => {
  it('is run with its arguments, and its result comes back as its type declares it', async () => {
    const { jobs, work } = await createJobWorld(database, [shout]);
    await work();
    const job = await jobs.enqueue(shout, { text: 'hello' });
    const result: string = await jobs.wait(job, { timeoutSeconds: 10 });
    expect(result).toBe('HELLO');
    expect(await jobs.get(job)).toMatchObject({ id: job.id, name: 'Shout', state: 'completed', args: { text: 'hello' }, result: 'HELLO', attempts: 1, enqueuedBy: 'test' });
    expect(await countDrift(database.em())).toBe(0);
  });
});
