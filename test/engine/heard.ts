import type { Database } from '../../src/db/database.ts';

/** What comes in on the channel of ready tasks while something is done. */
export async function heard(database: Database, act: () => Promise<unknown>): Promise<string[]> {
  const client = await database.connect('test');
  const payloads: string[] = [];
  client.on('notification', ({ payload }) => payloads.push(payload!));
  await client.query('listen afterglow_ready');
  await act();
  // Notifications come before the answer to a statement that begins later.
  await client.query('select 1');
  await client.end();
  return payloads;
}
