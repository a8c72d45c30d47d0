import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';
import { startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('an entry that waits for a time', () => {
  it('runs soon after it, however seldom a daemon takes care: known at the last care, or told of since', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('known', 'told');
    await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '0.4 seconds'`);
    await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '2 hours' where subject_id = (select id from subject where name = 'told')`);
    await startDaemon(world, { careSeconds: 3600 });
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ known: 'processed', told: 'not processed' }), 5000);
    await database.em().execute(`update task_register set due_at = clock_timestamp() + interval '0.3 seconds' where subject_id = (select id from subject where name = 'told')`);
    await database.em().execute(`select pg_notify('afterglow_due', '0.3')`);
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ known: 'processed', told: 'processed' }), 5000);
  });
});
